package closure_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go"
)

// shown is what an error shows of a server's word, as its code and as its
// request id; each must show it in all places or in none.
func shown(t *testing.T, word string) (code, requestID bool) {
	t.Helper()
	err := &closure.APIError{Op: "op", Code: closure.ErrorCode(word), Type: closure.ErrorType(word)}
	code = strings.Contains(err.Error(), "type "+word+", code "+word+",")
	equal(t, "code in the log of "+word, strings.Contains(logged(err)["slog text"], "code="+word+" "), code)
	if hidden := strings.Contains(err.Error(), "type (unprintable), code (unprintable),"); hidden == code {
		t.Errorf("%q as type and code: %v", word, err)
	}

	err = &closure.APIError{Op: "op", RequestID: word}
	response := closure.Response{RequestID: word}
	requestID = strings.Contains(err.Error(), "request id "+word+",")
	equal(t, "request id in Response of "+word, strings.Contains(fmt.Sprint(response), `RequestID: "`+word+`"`), requestID)
	if hidden := strings.Contains(err.Error(), "request id (unprintable),"); hidden == requestID {
		t.Errorf("%q as request id: %v", word, err)
	}
	return code, requestID
}

// The examples of the tables in docs/privacy.md are shown, by errors, logs and
// events.
func TestDocumentedShapesAreShown(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/privacy.md")
	noError(t, err)
	_, shapes, _ := strings.Cut(string(text), "## Shapes")
	shapes, _, _ = strings.Cut(shapes, "\n## ")
	row := regexp.MustCompile("(?m)^\\| (type or code|request id) \\|.*\\| `(\\S+)` \\|$")
	seen := map[string]int{}
	for _, example := range row.FindAllStringSubmatch(shapes, -1) {
		seen[example[1]]++
		code, requestID := shown(t, example[2])
		if example[1] == "request id" && !requestID || example[1] == "type or code" && !code {
			t.Errorf("docs/privacy.md says that %s %q is shown", example[1], example[2])
		}
	}
	if seen["request id"] < 8 || seen["type or code"] < 1 {
		t.Errorf("the tables are not found: %v", seen)
	}
}

func TestServersWordsThatAreShown(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"server_error", "invalid_request", "slot_taken", "slot_unavailable", "not_found", "patient_not_found",
		"rate_limited",
		"rate_limit_exceeded", "insurance_not_accepted", "schedule_not_bookable", "internal_error",
		"duplicate_appointment",
		"missing_required_parameter", "authentication_error", "permission_denied", "invalid_dob",
		"ehr_unavailable", "conflict",
	} {
		if asCode, _ := shown(t, code); !asCode {
			t.Errorf("code %s is not shown", code)
		}
	}
	for _, id := range []string{
		"7B1C9E2A-4F0D-4C8E-9A51-3D2F6B7C8D90", "4bf92f3577b34da6a3ce929d0e0e4736", "4442587FB7D0A2F9",
		"01jq7zv3t8k5n2m4p6r8s0w2y4",
		"req_01JQ7ZV3T8K5N2M4P6R8S0W2Y4", "req_4bf92f3577b34da6a3ce929d0e0e4736",
		"req-7b1c9e2a-4f0d-4c8e-9a51-3d2f6b7c8d90", "req_1",
		"req_9999", "1-58406520-a006649127e371903a2de979", "req_2aXk4PqT9bLm0Z",
	} {
		if _, asID := shown(t, id); !asID {
			t.Errorf("request id %s is not shown", id)
		}
	}
}

func TestServersWordsThatAreNotShown(t *testing.T) {
	t.Parallel()
	for _, word := range []string{
		// Case 12, and its kind.
		"Trisha_Pandit", "trisha_pandit", "TRISHA_PANDIT", "trisha.pandit", "trisha-pandit", "trisha",
		"patient_trisha_not_found",
		"12-22-1994", "1994-12-22", "19941222", "12221994", "1994", "415-555-0123", "4155550123", "+14155550123",
		"PT_sxKCbaoVdBXHBGWywcBETm", "pt_sxKCbaoVdBXHBGWywcBETm", "pt_abcdefghij", "prac_abcdef", "sch_open",
		"appt_taken", "ins_not",
		"loc_error", "sp_invalid", "aptp_x", "idx_standard", "ch_sk_live_not_found",
		"ch_sk_live_4eC39HqLyjWDarjtT1zdp7dc",
		"ch_sk_test_quickstart", "mbr_123456789", "123-45-6789", "trisha@example.com", "10.0.0.1", "::1",
		"2001:db8::1",
		// Near the shapes.
		"a", "_", "not__found", "not_found_", "_not_found", "not found", "Not_Found", "not_found\n", "not_found2",
		strings.Repeat("not_found_", 7) + "x", "req_", "req_12345", "req_19941222", "req_4155550123", "req_trisha",
		"req_TrishaPandit",
		"req_TrishaPandit1994", "req_19941222TrishaPandit", "req_trisha1994pandit12", "req_MaryAnnLee1994",
		"req-Trisha-Pandit",
		"req_pt_sxKCbaoVdBXHBGWywcBETm", "1234567890123456", "12345678901234567890123456789012", "abcdefabcdefabcdef",
		"12345678-1234-1234-1234-123456789012", "01234567890123456789012345", "1-12221994-415555012341555501234155",
		"Root=trisha", "8f0a1b2c3d4e5f60-Pandit", "req_1\nX: y", " req_1", "req_1 ", "TRISHAPANDITTRISHAPANDITTR",
		"réq_1",
	} {
		code, requestID := shown(t, word)
		if code {
			t.Errorf("code %q is shown", word)
		}
		if requestID {
			t.Errorf("request id %q is shown", word)
		}
	}
}
