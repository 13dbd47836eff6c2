package closure_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

const deepikaJSON = `{"id":"prac_j3uc7oA7FYMtXhGZi2rbt9","npi":"4321098765","first_name":"Deepika",` +
	`"last_name":"Sanon","middle_name":"K",` +
	`"preferred_name":"Deepika","administrative_gender":"Female","type":"Physician",` +
	`"specialties":["sp_c32Bip9tvoo1pR8JUZR55","sp_9FjLB5Xj497FAbVkazRRFr"],` +
	`"primary_specialty":"sp_c32Bip9tvoo1pR8JUZR55",` +
	`"languages":["English","Hindi","Telugu"],"created_at":"2022-04-01T00:00:00.000Z",` +
	`"updated_at":"2022-04-01T00:00:00.000Z"}`

var deepika = closure.Practitioner{
	ID:                   guide.practitioner,
	NPI:                  guide.npi,
	FirstName:            "Deepika",
	LastName:             "Sanon",
	MiddleName:           "K",
	PreferredName:        "Deepika",
	AdministrativeGender: closure.AdministrativeFemale,
	Type:                 "Physician",
	Specialties:          []closure.SpecialtyID{guide.specialty, "sp_9FjLB5Xj497FAbVkazRRFr"},
	PrimarySpecialty:     guide.specialty,
	Languages:            []string{"English", "Hindi", "Telugu"},
	CreatedAt:            utc(2022, time.April, 1, 0, 0),
	UpdatedAt:            utc(2022, time.April, 1, 0, 0),
}

func listPractitioners(npis ...string) callFunc {
	return func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
		return c.Practitioners.List(ctx, closure.PractitionerListParams{NPIs: append([]string{in.npi}, npis...)}, opts...)
	}
}

var practitionerCalls = []apiCall{
	{
		op:     "practitioners.list",
		call:   listPractitioners(),
		url:    "/practitioners?npis=4321098765", // as in the reference
		answer: "[" + deepikaJSON + "]",
		want:   []closure.Practitioner{deepika},
	}, {
		op:     "practitioners.list",
		note:   "several",
		call:   listPractitioners("0000000001"),
		url:    "/practitioners?npis=4321098765%2C0000000001",
		answer: "[]",
		want:   []closure.Practitioner{},
	}, {
		op:   "practitioners.list",
		note: "without params",
		call: func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.Practitioners.List(ctx, closure.PractitionerListParams{}, opts...)
		},
		url:    "/practitioners",
		answer: "[]",
		want:   []closure.Practitioner{},
	}, {
		op: "practitioners.get",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Practitioners.Get(ctx, in.practitioner, opts...)
		},
		url:    "/practitioners/prac_j3uc7oA7FYMtXhGZi2rbt9",
		answer: deepikaJSON,
		want:   &deepika,
	},
}

func TestPractitioners(t *testing.T) {
	t.Parallel()
	testCalls(t, practitionerCalls)
	var bad []badInput
	for _, npi := range []string{"", "123", "43210987650", "432109876x", "4321098 65", "１２３４５６７８９０"} {
		bad = append(bad, badInput{"npi " + npi, listPractitioners(npi), "practitioners.list", "NPIs[1]"})
	}
	testBadInputs(t, bad)
}

func ExamplePractitionersService_List() {
	client := closuretest.New().Client()

	practitioners, err := client.Practitioners.List(context.Background(), closure.PractitionerListParams{NPIs: []string{
		"4321098765",
	}})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range practitioners {
		fmt.Println(p.PreferredName, p.LastName, p.Type, p.Languages)
	}
	// Output: Deepika Sanon Physician [English Hindi Telugu]
}

func ExamplePractitionersService_Get() {
	client := closuretest.New().Client()

	p, err := client.Practitioners.Get(context.Background(), "prac_j3uc7oA7FYMtXhGZi2rbt9")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.FirstName, p.MiddleName, p.LastName, p.NPI)
	// Output: Deepika K Sanon 4321098765
}
