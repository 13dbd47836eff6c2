package closure_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go"
)

type members = map[string]json.RawMessage

func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]members{
		`{"id":"loc_1","name":"Albany","created_at":null}`: {{}},
		`{"id":"loc_1","kind":"clinic","geo":{"lat":1}}`:   {{"kind": []byte(`"clinic"`), "geo": []byte(`{"lat":1}`)}},
		` [ {"id":"loc_1"} , {"id":"loc_2","":7} ] `:       {{}, {"": []byte("7")}},
		"\ufeff" + `{"ID":"loc_1"}`:                        {{"ID": []byte(`"loc_1"`)}},
		`[]`:                                               {},
	} {
		got, err := closure.UnknownMembers[closure.Location]([]byte(body))
		noError(t, err)
		equal(t, body, got, want)
	}
	if got, err := closure.UnknownMembers[*closure.Location]([]byte(`{"id":"loc_1"}`)); err != nil || len(got[0]) != 0 {
		t.Errorf("of a pointer: %v, %v", got, err)
	}
	for _, body := range []string{"", "null", "7", `"Trisha"`, `["Trisha"]`, `{"id":`, `{"a":1},{"b":2}`, "<html>Trisha"} {
		got, err := closure.UnknownMembers[closure.Location]([]byte(body))
		var input *closure.InputError
		if !errors.As(err, &input) || got != nil || strings.Contains(err.Error(), "Trisha") {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
}

// A member that a field is read from is never reported as unknown.
func TestNoKnownFieldIsAnUnknownMember(t *testing.T) {
	t.Parallel()
	known := func(unknown []members, err error) {
		t.Helper()
		noError(t, err)
		equal(t, "unknown", unknown, []members{{}})
	}
	known(closure.UnknownMembers[closure.Patient]([]byte(trishaJSON)))
	known(closure.UnknownMembers[closure.Insurance]([]byte(insuranceJSON)))
	known(closure.UnknownMembers[closure.Location]([]byte(locationJSON)))
	known(closure.UnknownMembers[closure.AppointmentType]([]byte(appointmentTypeJSON)))
	known(closure.UnknownMembers[closure.Slot]([]byte(`{"start_at":"","duration":30,"schedule_id":""}`)))
}

// What CaptureResponse captured is what UnknownMembers reads.
func TestUnknownMembersOfACall(t *testing.T) {
	t.Parallel()
	var response closure.Response
	client := serveAlways(t, 200, `[{"id":"loc_1","phone":"1"}]`).client(t)
	_, err := client.Locations.List(t.Context(), closure.CaptureResponse(&response))
	noError(t, err)
	got, err := closure.UnknownMembers[closure.Location](response.Body)
	noError(t, err)
	equal(t, "members", got, []members{{"phone": []byte(`"1"`)}})
}
