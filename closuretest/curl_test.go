package closuretest_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/testmain"
)

// The calls of the vendor's two guides, the booking guide and the availability
// guide, put together again from what api/contract.md quotes of them: the text
// of the guides is not at hand. Only the host is changed.
const guideCommands = `
find the patient
curl -u ch_sk_test_quickstart: -H 'Closure-API-Version: 2022-04-01' -H 'Accept: application/json' 'https://api.closurehealth.com/patients?dob=1994-12-22&name=Trisha%20Pandit'
"id":"pt_sxKCbaoVdBXHBGWywcBETm"

find the patient, encoded by curl
curl -G -u ch_sk_test_quickstart: -H 'Closure-API-Version: 2022-04-01' https://api.closurehealth.com/patients -d dob=1994-12-22 --data-urlencode 'name=Trisha Pandit'
"id":"pt_sxKCbaoVdBXHBGWywcBETm"

the key in a header
curl -H 'Authorization: Basic Y2hfc2tfdGVzdF9xdWlja3N0YXJ0Og==' -H 'Closure-API-Version: 2022-04-01' 'https://api.closurehealth.com/patients?dob=1994-12-22&name=Trisha%20Pandit'
"id":"ins_8rdzjCQtD1VLg9aLRwARNF"

create a patient
curl -X POST -u ch_sk_test_quickstart: -H 'Closure-API-Version: 2022-04-01' -H 'Content-Type: application/json' https://api.closurehealth.com/patients -d '{"first_name":"Ravi","last_name":"Pandit","dob":"1990-03-04"}'
"first_name":"Ravi"

find the practitioner
curl -u ch_sk_test_quickstart: -H 'Closure-API-Version: 2022-04-01' -H 'Closure-Index-Version: idx_standard' 'https://api.closurehealth.com/practitioners?npis=4321098765'
"id":"prac_j3uc7oA7FYMtXhGZi2rbt9"

read the schedule
curl -u ch_sk_test_quickstart: -H 'Closure-API-Version: 2022-04-01' https://api.closurehealth.com/schedules/sch_u5oQnnMdSbyb83xgqgkUgX
"insurances":["ins_8rdzjCQtD1VLg9aLRwARNF"]

find the practitioner's schedules, expanded
curl -u ch_sk_test_quickstart: -H 'Closure-API-Version: 2022-04-01' 'https://api.closurehealth.com/schedules?practitioner_id=prac_j3uc7oA7FYMtXhGZi2rbt9&insurance_id=ins_8rdzjCQtD1VLg9aLRwARNF&expand=practitioner,location'
"preferred_name":"Deepika"

read the open slots
curl -u ch_sk_test_quickstart: -H 'Closure-API-Version: 2022-04-01' 'https://api.closurehealth.com/schedules/sch_u5oQnnMdSbyb83xgqgkUgX/slots?start_at=2022-05-20T00:00:00.000Z&end_at=2022-05-21T00:00:00.000Z'
[{"start_at":"2022-05-20T16:45:00.000Z","duration":30},{"start_at":"2022-05-20T17:00:00.000Z","duration":30},{"start_at":"2022-05-20T17:15:00.000Z","duration":30}]

book
curl -X POST -u ch_sk_test_quickstart: -H 'Closure-API-Version: 2022-04-01' -H 'Content-Type: application/json' https://api.closurehealth.com/appointments -d '{"schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX","patient_id":"pt_sxKCbaoVdBXHBGWywcBETm","start_at":"2022-05-20T17:00:00.000Z","duration":30}'
"status":"scheduled"

list the patient's appointments
curl -u ch_sk_test_quickstart: -H 'Closure-API-Version: 2022-04-01' 'https://api.closurehealth.com/appointments?patient_id=pt_sxKCbaoVdBXHBGWywcBETm'
"start_at":"2022-05-20T17:00:00.000Z"

create an index version
curl -X POST -u ch_sk_test_quickstart: -H 'Closure-API-Version: 2022-04-01' -H 'Content-Type: application/json' https://api.closurehealth.com/index_version -d '{"name":"my copy"}'
"id":"idx_
`

func TestGuideCommandsWithCurl(t *testing.T) {
	t.Parallel()
	testmain.NeedsProgram(t, "curl")
	server := closuretest.New(closuretest.ReportTo(t))
	url := server.Start()
	for block := range strings.SplitSeq(strings.TrimSpace(guideCommands), "\n\n") {
		lines := strings.Split(block, "\n")
		name, command, want := lines[0], lines[1], lines[2]
		command = strings.ReplaceAll(command, "https://api.closurehealth.com", url)
		output := must(exec.CommandContext(t.Context(), "sh", "-c",
			command+" --silent --show-error --noproxy '*' --max-time 20 --write-out '\\n%{http_code}'").CombinedOutput())
		body, status, _ := strings.Cut(string(output), "\n")
		if status != "200" || !strings.Contains(body, want) || !json.Valid([]byte(body)) {
			t.Errorf("%s: status %s, want 200 and %s in\n%s", name, status, want, body)
		}
	}
	if len(server.Appointments()) != 1 {
		t.Errorf("ledger: %v", server.Appointments())
	}
}
