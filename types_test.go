package closure_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/wire"
)

// A reading is what a JSON text must be read as, or that it must be refused.
type reading[T any] struct {
	text string
	want T
	ok   bool
}

// testReadings reads with the SDK's decoder and with encoding/json.
func testReadings[T any](t *testing.T, readings []reading[T]) {
	t.Helper()
	for _, r := range readings {
		var got, v1 T
		err := wire.Unmarshal([]byte(r.text), &got)
		v1Err := json.Unmarshal([]byte(r.text), &v1)
		if (err == nil) != r.ok || (v1Err == nil) != r.ok {
			t.Errorf("%s: error %v, of encoding/json %v, want ok %t", r.text, err, v1Err, r.ok)
			continue
		}
		if r.ok {
			equal(t, r.text, got, r.want)
			equal(t, r.text+" by encoding/json", v1, r.want)
		}
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	testReadings(t, []reading[closure.Date]{
		{`"1994-12-22"`, closure.NewDate(1994, time.December, 22), true},
		{`"2024-02-29"`, closure.NewDate(2024, time.February, 29), true},
		{`"0000-01-01"`, closure.NewDate(0, time.January, 1), true},
		{`"9999-12-31"`, closure.NewDate(9999, time.December, 31), true},
		{`""`, closure.Date{}, true},
		{`null`, closure.Date{}, true},
		{text: `"2023-02-29"`}, {text: `"1994-13-01"`}, {text: `"1994-00-01"`}, {text: `"1994-12-00"`},
		{text: `"1994-12-32"`}, {text: `"1994-1-1"`}, {text: `"94-12-22"`}, {text: `"19941222"`}, {text: `"1994/12/22"`},
		{text: `"1994-12-22T00:00:00Z"`}, {text: `" 1994-12-22"`}, {text: `"-1994-12-22"`}, {text: `"19940-12-22"`},
		{text: `"１９９４-12-22"`}, {text: `19941222`}, {text: `{}`}, {text: `["1994-12-22"]`}, {text: `true`},
	})
	for date, want := range map[closure.Date]string{
		closure.NewDate(1994, time.December, 22): "1994-12-22",
		closure.NewDate(7, time.July, 7):         "0007-07-07",
		{}:                                       "",
	} {
		if date.String() != want {
			t.Errorf("%q, want %q", date, want)
		}
		text, err := date.MarshalText()
		noError(t, err)
		if string(text) != want {
			t.Errorf("marshals as %q, want %q", text, want)
		}
	}
	for _, date := range []closure.Date{
		closure.NewDate(1994, 2, 30), closure.NewDate(1994, 13, 1), closure.NewDate(-1, 1, 1),
		closure.NewDate(10000, 1, 1), {Year: 1994}, {Day: 1},
	} {
		if text, err := date.MarshalText(); err == nil || strings.Contains(err.Error(), "1994") {
			t.Errorf("marshals as %q, error %v; want an error without the date", text, err)
		}
	}
	if _, err := closure.ParseDate("SECRET"); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("%v, want an error without the text", err)
	}
	if date := closure.NewDate(2022, time.May, 20); date.IsZero() ||
		!date.In(time.UTC).Equal(utc(2022, time.May, 20, 0, 0)) || !(closure.Date{}).IsZero() {
		t.Error("IsZero or In is wrong")
	}
}

func TestMinutes(t *testing.T) {
	t.Parallel()
	testReadings(t, []reading[closure.Minutes]{
		{`30`, 30, true}, {`"30"`, 30, true}, {`0`, 0, true}, {`"0"`, 0, true}, {`null`, 0, true},
		{`10080`, closure.MaxMinutes, true}, {`"10080"`, closure.MaxMinutes, true}, {`"030"`, 30, true},
		{text: `10081`}, {text: `"10081"`}, {text: `-1`}, {text: `-0`}, {text: `"-30"`}, {text: `"+30"`}, {text: `30.5`},
		{text: `30.0`}, {text: `"30.0"`}, {text: `3e1`}, {text: `"3e1"`}, {text: `1E400`}, {text: `99999999999999999999999`},
		{text: `"99999999999999999999999"`}, {text: `4294967326`}, {text: `18446744073709551646`}, {text: `""`},
		{text: `" 30"`}, {text: `"30 "`}, {text: `"3_0"`}, {text: `"0x1e"`}, {text: `"thirty"`}, {text: `"null"`},
		{text: `"\"30\""`}, {text: `true`}, {text: `{}`}, {text: `[30]`},
	})
	for m, want := range map[closure.Minutes]string{0: "0", 30: "30", closure.MaxMinutes: "10080"} {
		for name, marshal := range marshalers {
			text, err := marshal(m)
			noError(t, err)
			if string(text) != want {
				t.Errorf("%s writes %s, want %s", name, text, want)
			}
		}
	}
	if closure.Minutes(90).Duration() != 90*time.Minute {
		t.Error("Duration is wrong")
	}
}

func TestClockTime(t *testing.T) {
	t.Parallel()
	testReadings(t, []reading[closure.ClockTime]{
		{`"00:00"`, closure.ClockTime{}, true}, {`"17:05"`, closure.ClockTime{Hour: 17, Minute: 5}, true},
		{`"23:59"`, closure.ClockTime{Hour: 23, Minute: 59}, true},
		{text: `"24:00"`}, {text: `"7:05"`}, {text: `"17:5"`}, {text: `"17:60"`}, {text: `"17:05:00"`}, {text: `"-1:05"`},
		{text: `"+7:05"`}, {text: `""`}, {text: `"5 PM "`}, {text: `1705`},
	})
	for _, c := range []closure.ClockTime{{Hour: 24}, {Hour: -1}, {Minute: 60}, {Minute: -1}} {
		if text, err := c.MarshalText(); err == nil {
			t.Errorf("marshals as %s", text)
		}
	}
}

func TestInstants(t *testing.T) {
	t.Parallel()
	type record struct {
		At time.Time `json:"start_at"`
	}
	want := time.Date(2022, time.May, 20, 17, 0, 0, 0, time.UTC)
	for text, plus := range map[string]time.Duration{
		"2022-05-20T17:00:00.000Z":           0,
		"2022-05-20T17:00:00Z":               0,
		"2022-05-20T17:00:00+00:00":          0,
		"2022-05-20T17:00:00-00:00":          0,
		"2022-05-20T13:00:00-04:00":          0,
		"2022-05-21T07:00:00.0+14:00":        0,
		"2022-05-20T22:30:00.000000+05:30":   0,
		"2022-05-20T17:00:00.1Z":             100 * time.Millisecond,
		"2022-05-20T17:00:00.123456789Z":     123456789,
		"2022-05-20T17:00:00.12345678949Z":   123456789,
		"2022-05-20T13:00:00.001000-04:00":   time.Millisecond,
		"2022-05-20T17:00:59.999-00:00":      59999 * time.Millisecond,
		"2022-05-20T17:00:00.00000000000Z":   0,
		"2022-05-20T16:00:00.000-01:00":      0,
		"2022-05-20T17:00:00.000000000Z":     0,
		"2022-05-20T18:00:00.000000000+0100": -1, // no RFC 3339
	} {
		got, err := decode[record](`{"start_at":"` + text + `"}`)
		if (err == nil) != (plus >= 0) || err == nil && !got.At.Equal(want.Add(plus)) {
			t.Errorf("%s: %v, %v, want %v", text, got.At, err, want.Add(plus))
		}
	}
	for _, text := range []string{
		`"2022-05-20T17:00:00"`, `"2022-05-20T17:00:00.000"`, `"2022-05-20 17:00:00"`, `"2022-05-20"`, `"2022-05-20T17:00Z"`,
		`"2022-02-30T17:00:00Z"`, `"2022-05-20T25:00:00Z"`, `"20 May 2022"`, `""`, `1653066000`, `{}`,
		`"2022-05-20T17:00:00,5Z"`, `"2022-05-20T7:00:00Z"`,
	} {
		if got, err := decode[closure.Appointment](`{"start_at":` + text + `}`); err == nil {
			t.Errorf("%s is read as %v", text, got.StartAt)
		}
	}
	for at, want := range map[time.Time]string{
		want:                                     "2022-05-20T17:00:00.000Z",
		want.Add(123456789):                      "2022-05-20T17:00:00.123Z",
		want.Local():                             "2022-05-20T17:00:00.000Z",
		utc(1, time.January, 1, 0, 1):            "0001-01-01T00:01:00.000Z",
		want.In(time.FixedZone("", 5*3600+1800)): "2022-05-20T17:00:00.000Z",
		time.Date(10000, 1, 1, 0, 30, 0, 0, time.FixedZone("", 3600)): "9999-12-31T23:30:00.000Z",
	} {
		text, err := wire.Marshal(closure.Slot{StartAt: at})
		noError(t, err)
		if got := string(text); got != `{"start_at":"`+want+`"}` {
			t.Errorf("writes %s, want %s", got, want)
		}
	}
	for _, at := range []time.Time{want.AddDate(8000, 0, 0), want.AddDate(-3000, 0, 0)} {
		for name, marshal := range marshalers {
			if text, err := marshal(closure.Slot{StartAt: at}); err == nil {
				t.Errorf("%s writes %s", name, text)
			}
		}
	}
}

type locationRef = closure.LocationRef

func TestRef(t *testing.T) {
	t.Parallel()
	albany := &closure.Location{ID: "loc_1", Name: "Albany"}
	testReadings(t, []reading[locationRef]{
		{`"loc_1"`, locationRef{ID: "loc_1"}, true},
		{`{"id":"loc_1","name":"Albany","parking":{"a":[1]}}`, locationRef{ID: "loc_1", Object: albany}, true},
		{"{\n \"name\":\"Albany\", \"id\" : \"loc_1\" }", locationRef{ID: "loc_1", Object: albany}, true},
		{`{"id":"loc_1","name":null}`, locationRef{ID: "loc_1", Object: &closure.Location{ID: "loc_1"}}, true},
		{`null`, locationRef{}, true},
		{`""`, locationRef{}, true},
		{`"anything"`, locationRef{ID: "anything"}, true},
		{text: `7`}, {text: `true`}, {text: `["loc_1"]`}, {text: `{"id":7}`}, {text: `{"id":"loc_1","name":7}`},
		{text: `{}`}, {text: `{"id":null}`}, {text: `{"name":"Albany"}`},
	})
	for want, ref := range map[string]locationRef{
		`"loc_1"`:                        {ID: "loc_1"},
		`{"id":"loc_1","name":"Albany"}`: {ID: "loc_1", Object: albany},
		`null`:                           {},
	} {
		for name, marshal := range marshalers {
			got, err := marshal(ref)
			noError(t, err)
			if string(got) != want {
				t.Errorf("%s writes %s, want %s", name, got, want)
			}
		}
	}
	// What was there before is gone.
	ref := locationRef{ID: "loc_1", Object: albany}
	noError(t, json.Unmarshal([]byte(`"loc_2"`), &ref))
	equal(t, "overwritten ref", ref, locationRef{ID: "loc_2"})
}

// What a newer or sloppier server sends does no harm.
func TestLenientReading(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]closure.Patient{
		`{}`: {},
		`{"id":null,"first_name":null,"dob":null,"gender_identity":null,` +
			`"address":null,"insurance":null,"created_at":null}`: {},
		`{"id":"pt_1","gender_identity":"Two Spirit","administrative_gender":"X"}`: {
			ID: "pt_1", GenderIdentity: "Two Spirit", AdministrativeGender: "X",
		},
		`{"id":"pt_1","new":{"deep":[{"x":null}]},"":7,"first_name":"A"}`: {
			ID: "pt_1", FirstName: "A",
		},
		`{"id":"pt_1","first_name":"A","first_name":"B"}`: {
			ID: "pt_1", FirstName: "B",
		},
		"{\"first_name\":\"Jos\xe9\"}": {
			FirstName: "Jos\uFFFD",
		},
		`{"first_name":"\ud800"}`: {
			FirstName: "\uFFFD",
		},
		` {"first_name" : "A"} `: {
			FirstName: "A",
		},
		`{"insurance":{"id":"ins_1","plan":"gold"},"address":{"state":null,"geo":{}}}`: {
			Insurance: closure.PatientInsurance{ID: "ins_1"},
		},
	} {
		got, err := decode[closure.Patient](text)
		noError(t, err)
		equal(t, text, got, want)
	}
	for text, want := range map[string]closure.Appointment{
		`{"status":"no_show","duration":"45"}`: {Status: "no_show", Duration: 45},
		`{"status":null,"duration":null}`:      {},
	} {
		got, err := decode[closure.Appointment](text)
		noError(t, err)
		equal(t, text, got, want)
	}
	for text, want := range map[string]closure.Schedule{
		`{"scheduling_method":null,"insurances":null,"practitioner":null,"estimated_earliest_slot":null}`: {},
		`{"scheduling_method":"fax","insurances":[]}`: {
			SchedulingMethod: "fax", Insurances: []closure.InsuranceRef{},
		},
	} {
		got, err := decode[closure.Schedule](text)
		noError(t, err)
		equal(t, text, got, want)
	}
}

var marshalers = map[string]func(any) ([]byte, error){
	"encoding/json":    json.Marshal,
	"encoding/json/v2": func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
	"the SDK":          wire.Marshal,
}

var unmarshalers = map[string]func([]byte, any) error{
	"encoding/json":    json.Unmarshal,
	"encoding/json/v2": func(text []byte, v any) error { return jsonv2.Unmarshal(text, v) },
	"the SDK":          wire.Unmarshal,
}

// The SDK writes the guide's objects as the API does. Other encoders write an instant
// in another form of RFC 3339.
func TestRecordsAreWrittenAsRead(t *testing.T) {
	t.Parallel()
	for want, record := range map[string]any{
		trishaJSON: trisha, deepikaJSON: deepika, scheduleJSON: schedule, expandedJSON: expanded,
		appointmentJSON: appointment,
		specialtyJSON:   specialty, insuranceJSON: insurance, locationJSON: location, appointmentTypeJSON: appointmentType,
		indexVersionJSON: indexVersion,
		`{"schedule_id":"sch_1","start_at":"2022-05-20T17:00:00.000Z","duration":30}`: closure.Slot{
			ScheduleID: "sch_1", StartAt: guide.start, Duration: 30,
		},
	} {
		got, err := wire.Marshal(record)
		noError(t, err)
		if string(got) != want {
			t.Errorf("writes\n%s\nwant\n%s", got, want)
		}
	}
}

// Whatever a struct holds, every decoder reads it back from what any encoder wrote.
func TestEncodersAgree(t *testing.T) {
	t.Parallel()
	t.Run("Patient", testAgreement[closure.Patient])
	t.Run("Address", testAgreement[closure.Address])
	t.Run("PatientInsurance", testAgreement[closure.PatientInsurance])
	t.Run("PatientCreateParams", testAgreement[closure.PatientCreateParams])
	t.Run("Practitioner", testAgreement[closure.Practitioner])
	t.Run("Schedule", testAgreement[closure.Schedule])
	t.Run("Slot", testAgreement[closure.Slot])
	t.Run("Appointment", testAgreement[closure.Appointment])
	t.Run("AppointmentCreateParams", testAgreement[closure.AppointmentCreateParams])
	t.Run("AppointmentRescheduleParams", testAgreement[closure.AppointmentRescheduleParams])
	t.Run("BookingAttempt", testAgreement[closure.BookingAttempt])
	t.Run("Specialty", testAgreement[closure.Specialty])
	t.Run("Insurance", testAgreement[closure.Insurance])
	t.Run("Location", testAgreement[closure.Location])
	t.Run("AppointmentType", testAgreement[closure.AppointmentType])
	t.Run("IndexVersion", testAgreement[closure.IndexVersion])
	t.Run("IndexVersionCreateParams", testAgreement[closure.IndexVersionCreateParams])
}

func testAgreement[T any](t *testing.T) {
	t.Parallel()
	type nested struct {
		List    []T `json:"list"`
		Pointer *T  `json:"pointer"`
		Any     any `json:"any"`
	}
	records := recordGenerator[T]()
	rapid.Check(t, func(t *rapid.T) {
		record := records.Draw(t, "record")
		want := nested{[]T{record}, &record, record}
		for writer, marshal := range marshalers {
			if _, stored := any(record).(closure.BookingAttempt); stored && writer == "the SDK" {
				continue // it is never sent, and its instants are exact to the nanosecond
			}
			text, err := marshal(want)
			if err != nil {
				t.Fatalf("%s: %v", writer, err)
			}
			for reader, unmarshal := range unmarshalers {
				got := nested{Any: new(T)}
				err := unmarshal(text, &got)
				got.Any = *got.Any.(*T)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("%s reads\n%s\nof %s as %s (%v)", reader, text, writer, show(got), err)
				}
			}
		}
	})
}

// recordGenerator makes records that the API could send.
func recordGenerator[T any]() *rapid.Generator[T] {
	// Without the characters that encoding/json escapes for HTML: the bytes
	// would differ, not the text.
	text := rapid.StringOf(rapid.RuneFrom([]rune("aZ09 _-\"\\/\n\t\x00\x7féñ日\U0001F600\uFFFD")))
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(-62135596800000+1, 253402300799999).Draw(t, "ms")).UTC()
	})
	date := rapid.Custom(func(t *rapid.T) closure.Date {
		at := instant.Draw(t, "day")
		return closure.NewDate(at.Date())
	})
	cfg := rapid.MakeConfig{
		Types: map[reflect.Type]*rapid.Generator[any]{
			reflect.TypeFor[time.Time]():    instant.AsAny(),
			reflect.TypeFor[closure.Date](): date.AsAny(),
			reflect.TypeFor[closure.Minutes](): rapid.Custom(func(t *rapid.T) closure.Minutes {
				return closure.Minutes(rapid.IntRange(0, int(closure.MaxMinutes)).Draw(t, "minutes"))
			}).AsAny(),
		},
		Kinds: map[reflect.Kind]*rapid.Generator[any]{reflect.String: text.AsAny()},
	}
	addRef(cfg, func(v closure.Practitioner) closure.PractitionerID { return v.ID })
	addRef(cfg, func(v closure.Location) closure.LocationID { return v.ID })
	addRef(cfg, func(v closure.Insurance) closure.InsuranceID { return v.ID })
	addRef(cfg, func(v closure.AppointmentType) closure.AppointmentTypeID { return v.ID })
	return rapid.MakeCustom[T](cfg)
}

// addRef makes refs that are an id, an object with its id, or neither.
func addRef[ID ~string, T any](cfg rapid.MakeConfig, idOf func(T) ID) {
	objects := rapid.MakeCustom[T](cfg)
	cfg.Types[reflect.TypeFor[closure.Ref[ID, T]]()] = rapid.Custom(func(t *rapid.T) closure.Ref[ID, T] {
		object := objects.Draw(t, "object")
		kind := rapid.IntRange(0, 2).Draw(t, "kind")
		switch {
		case kind == 0 && idOf(object) != "":
			return closure.Ref[ID, T]{ID: idOf(object), Object: &object}
		case kind == 1:
			return closure.Ref[ID, T]{ID: idOf(object)}
		default:
			return closure.Ref[ID, T]{}
		}
	}).AsAny()
}

// Text that encoding/json escapes for HTML is the same text.
func TestHTMLInText(t *testing.T) {
	t.Parallel()
	want := closure.Patient{FirstName: "<b>&'\u2028", Address: closure.Address{City: "A&B"}}
	for name, marshal := range marshalers {
		text, err := marshal(want)
		noError(t, err)
		for reader, unmarshal := range unmarshalers {
			var got closure.Patient
			noError(t, unmarshal(text, &got))
			equal(t, name+" to "+reader, got, want)
		}
	}
}
