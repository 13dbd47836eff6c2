package closure

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/closurehealth/closure-go/internal/wire"
)

// UnknownMembers returns the members that the API sent and T has no field for. It returns
// one map for each record of a list, in the list's order, or one for a single record. body
// is what [CaptureResponse] captured, and T is the type of the records, such as [Location].
// For a record without such members the map is empty. The members of an object inside a
// record, such as an address, are not looked at.
//
// Calls don't keep these members, so that they cost nothing if you don't ask. The members
// can hold a person's data, and print as they are.
//
// For a body that holds neither a record nor a list, the error is an [InputError].
// UnknownMembers sends nothing, and is safe for concurrent use.
func UnknownMembers[T record](body []byte) ([]map[string]json.RawMessage, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	var records []map[string]json.RawMessage
	var err error
	if bytes.HasPrefix(body, []byte("{")) {
		records = make([]map[string]json.RawMessage, 1)
		err = wire.Unmarshal(body, &records[0])
	} else {
		err = wire.Unmarshal(body, &records)
	}
	if err != nil || records == nil {
		return nil, &InputError{Op: "UnknownMembers", Field: "body", Reason: "is neither a record nor a list of records"}
	}
	known := memberNames(reflect.TypeFor[T]())
	for _, members := range records {
		for _, name := range known {
			delete(members, name)
		}
	}
	return records, nil
}

// memberNames returns the names that a record's fields have in JSON.
func memberNames(record reflect.Type) (names []string) {
	for record.Kind() == reflect.Pointer {
		record = record.Elem()
	}
	for i := range record.NumField() {
		name, _, _ := strings.Cut(record.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
