package closure

import (
	"reflect"
	"testing"
	"time"
)

// A copy shares no memory with its original, whatever fields are added: every
// pointer and slice that can be reached is followed.
func TestCopiesShareNothing(t *testing.T) {
	t.Parallel()
	api := &APIError{Detail: []string{"x"}}
	for _, pair := range [][2]any{
		both(new(Booking), (*Booking).deepCopy),
		both(&OutcomeUnknownError{SlotOpen: new(true), Err: because(ErrSlotUnavailable, api)},
			(*OutcomeUnknownError).deepCopy),
		both(&OutcomeUnknownError{Err: &TransportError{Err: &OutcomeUnknownError{Err: api}}},
			(*OutcomeUnknownError).deepCopy),
	} {
		original, copied := reflect.ValueOf(pair[0]), reflect.ValueOf(pair[1])
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%T: the copy differs", pair[0])
		}
		seen := map[uintptr]string{}
		walk(original, "", func(at uintptr, path string) { seen[at] = path })
		if len(seen) < 3 {
			t.Errorf("%T: %d places were filled", pair[0], len(seen))
		}
		walk(copied, "", func(at uintptr, path string) {
			if seen[at] != "" {
				t.Errorf("%T%s is shared", pair[0], path)
			}
		})
	}
	if (*Booking)(nil).deepCopy() != nil || (*OutcomeUnknownError)(nil).deepCopy() != nil {
		t.Error("a copy of nothing")
	}
}

func both[T any](v *T, deepCopy func(*T) *T) [2]any {
	fill(reflect.ValueOf(v).Elem())
	return [2]any{v, deepCopy(v)}
}

// fill makes every pointer and slice that is nil point somewhere.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() && v.CanSet() {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem())
		}
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type() != reflect.TypeFor[time.Time]() && v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	}
}

// walk reports every address that the value refers to. An error that holds no
// fields to change, such as a sentinel, may be shared.
func walk(v reflect.Value, path string, report func(uintptr, string)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && v.Type().Elem().PkgPath() != "errors" {
			report(v.Pointer(), path+"*")
			walk(v.Elem(), path, report)
		}
	case reflect.Interface:
		walk(v.Elem(), path, report)
	case reflect.Slice:
		if v.Len() > 0 {
			report(v.Pointer(), path+"[]")
		}
		for i := range v.Len() {
			walk(v.Index(i), path, report)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type() != reflect.TypeFor[time.Time]() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name, report)
			}
		}
	}
}
