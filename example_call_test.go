package closure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/closurehealth/closure-go"
)

// ownIndex stands for the API's writes to one's own index version, which the
// reference names and doesn't describe.
func ownIndex() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("%s %s in %s: %s\n", r.Method, r.URL.Path, r.Header.Get("Closure-Index-Version"), body)
		w.WriteHeader(http.StatusOK)
		switch r.Method {
		case http.MethodPatch:
			_, _ = io.WriteString(w, `{"id":"sch_u5oQnnMdSbyb83xgqgkUgX","insurances":["ins_8rdzjCQtD1VLg9aLRwARNF"]}`)
		default:
			_, _ = io.WriteString(w, `{"id":"sp_c32Biop9tvoo1pR8JUZR55","non_standard_specialization":"Sports cardiology"}`)
		}
	}))
}

// A schedule's insurances are maintained on one's own index version. The vendor's pages
// name the call but not its method, path and body: say them as you learn them.
func ExampleClient_Call() {
	server := ownIndex()
	defer server.Close()
	client, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	schedule := closure.ScheduleID("sch_u5oQnnMdSbyb83xgqgkUgX")
	var updated closure.Schedule
	err = client.Call(context.Background(), closure.CallRequest{
		Method: http.MethodPatch,
		Route:  "/schedules/{schedule_id}",
		Params: map[string]string{"schedule_id": string(schedule)},
		Body:   map[string][]string{"insurances": {"ins_8rdzjCQtD1VLg9aLRwARNF"}},
	}, &updated, closure.WithIndexVersion("idx_mine"))
	if err != nil || updated.ID != schedule {
		log.Fatal(err) // OutcomeOf(err) says whether it may have been carried out
	}
	fmt.Println("accepts", updated.Insurances[0].ID)
	// Output:
	// PATCH /schedules/sch_u5oQnnMdSbyb83xgqgkUgX in idx_mine: {"insurances":["ins_8rdzjCQtD1VLg9aLRwARNF"]}
	// accepts ins_8rdzjCQtD1VLg9aLRwARNF
}

// A specialty of one's own, on one's own index version.
func ExampleClient_Call_createSpecialty() {
	server := ownIndex()
	defer server.Close()
	client, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	var created closure.Specialty
	err = client.Call(context.Background(), closure.CallRequest{
		Method: http.MethodPost,
		Route:  "/specialties",
		Body:   map[string]string{"non_standard_specialization": "Sports cardiology"},
	}, &created, closure.WithIndexVersion("idx_mine"))
	if errors.Is(err, closure.ErrOutcomeUnknown) {
		log.Fatal("look before you create it again")
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(created.ID, created.NonStandardSpecialization)
	// Output:
	// POST /specialties in idx_mine: {"non_standard_specialization":"Sports cardiology"}
	// sp_c32Biop9tvoo1pR8JUZR55 Sports cardiology
}

// The reference writes another path for the slots than this version asks.
func ExampleWithRoute() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
		_, _ = io.WriteString(w, `[{"start_at":"2022-05-20T17:00:00.000Z","duration":30}]`)
	}))
	defer server.Close()
	client, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(server.URL),
		closure.WithRoute("availabilities.list", "/appointments/{id}/slots"))
	if err != nil {
		log.Fatal(err)
	}
	slots, err := client.Availabilities.List(context.Background(), "sch_u5oQnnMdSbyb83xgqgkUgX",
		closure.AvailabilityListParams{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(slots), "slot")
	// Output:
	// GET /appointments/sch_u5oQnnMdSbyb83xgqgkUgX/slots
	// 1 slot
}
