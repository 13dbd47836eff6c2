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

const (
	specialtyJSON = `{"id":"sp_c32Bip9tvoo1pR8JUZR55","taxonomy_code":"207RC0000X","classification":"Internal Medicine",` +
		`"specialization":"Cardiovascular Disease","non_standard_classification":"Heart",` +
		`"non_standard_specialization":"Beat",` +
		`"created_at":"2022-04-01T00:00:00.000Z","updated_at":"2022-04-02T00:00:00.000Z"}`
	insuranceJSON = `{"id":"ins_8rdzjCQtD1VLg9aLRwARNF","display_name":"Plan",` +
		`"created_at":"2022-04-01T00:00:00.000Z","updated_at":"2022-04-02T00:00:00.000Z"}`
	locationJSON = `{"id":"loc_1","name":"Albany","created_at":"2022-04-01T00:00:00.000Z",` +
		`"updated_at":"2022-04-02T00:00:00.000Z"}`
	appointmentTypeJSON = `{"id":"aptp_1","name":"New patient","created_at":"2022-04-01T00:00:00.000Z",` +
		`"updated_at":"2022-04-02T00:00:00.000Z"}`
)

var (
	created, updated = utc(2022, time.April, 1, 0, 0), utc(2022, time.April, 2, 0, 0)

	specialty = closure.Specialty{
		ID: guide.specialty, TaxonomyCode: "207RC0000X", Classification: "Internal Medicine",
		Specialization:            "Cardiovascular Disease",
		NonStandardClassification: "Heart", NonStandardSpecialization: "Beat", CreatedAt: created, UpdatedAt: updated,
	}
	insurance       = closure.Insurance{ID: guide.insurance, DisplayName: "Plan", CreatedAt: created, UpdatedAt: updated}
	location        = closure.Location{ID: guide.location, Name: "Albany", CreatedAt: created, UpdatedAt: updated}
	appointmentType = closure.AppointmentType{
		ID: guide.appointmentType, Name: "New patient", CreatedAt: created, UpdatedAt: updated,
	}
)

var directoryCalls = []apiCall{
	{
		op: "specialties.list",
		call: func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.Specialties.List(ctx, opts...)
		},
		url: "/specialties", answer: "[" + specialtyJSON + "]", want: []closure.Specialty{specialty},
	}, {
		op: "specialties.get",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Specialties.Get(ctx, in.specialty, opts...)
		},
		url: "/specialties/sp_c32Bip9tvoo1pR8JUZR55", answer: specialtyJSON, want: &specialty,
	}, {
		op: "insurances.list",
		call: func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.Insurances.List(ctx, opts...)
		},
		url: "/insurances", answer: "[" + insuranceJSON + "]", want: []closure.Insurance{insurance},
	}, {
		op: "insurances.get",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Insurances.Get(ctx, in.insurance, opts...)
		},
		url: "/insurances/ins_8rdzjCQtD1VLg9aLRwARNF", answer: insuranceJSON, want: &insurance,
	}, {
		op: "locations.list",
		call: func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.Locations.List(ctx, opts...)
		},
		url: "/locations", answer: "[" + locationJSON + "]", want: []closure.Location{location},
	}, {
		op: "locations.get",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Locations.Get(ctx, in.location, opts...)
		},
		url: "/locations/loc_1", answer: locationJSON, want: &location,
	}, {
		op: "appointment_types.list",
		call: func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.AppointmentTypes.List(ctx, opts...)
		},
		url: "/appointment_types", answer: "[" + appointmentTypeJSON + "]", want: []closure.AppointmentType{appointmentType},
	}, {
		op: "appointment_types.get",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.AppointmentTypes.Get(ctx, in.appointmentType, opts...)
		},
		url: "/appointment_types/aptp_1", answer: appointmentTypeJSON, want: &appointmentType,
	},
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	testCalls(t, directoryCalls)
}

func ExampleSpecialtiesService_List() {
	client := closuretest.New().Client()

	specialties, err := client.Specialties.List(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range specialties {
		fmt.Println(s.TaxonomyCode, s.Classification)
	}
	// Unordered output:
	// 207R00000X Internal Medicine
	// 207RC0000X Internal Medicine
}

func ExampleSpecialtiesService_Get() {
	client := closuretest.New().Client()

	specialty, err := client.Specialties.Get(context.Background(), "sp_c32Biop9tvoo1pR8JUZR55")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(specialty.Classification)
	// Output: Internal Medicine
}

func ExampleInsurancesService_List() {
	client := closuretest.New().Client()

	insurances, err := client.Insurances.List(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range insurances {
		fmt.Println(i.DisplayName)
	}
	// Unordered output:
	// Example Health Choice PPO
	// Sample Mutual HMO
}

func ExampleInsurancesService_Get() {
	client := closuretest.New().Client()

	insurance, err := client.Insurances.Get(context.Background(), "ins_8rdzjCQtD1VLg9aLRwARNF")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(insurance.DisplayName)
	// Output: Example Health Choice PPO
}

func ExampleLocationsService_List() {
	client := closuretest.New().Client()

	locations, err := client.Locations.List(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range locations {
		fmt.Println(l.Name)
	}
	// Output: Example Medical Group, Midtown, New York, NY
}

func ExampleLocationsService_Get() {
	server := closuretest.New()
	annex := server.AddLocation(closure.Location{Name: "Annex"})

	location, err := server.Client().Locations.Get(context.Background(), annex.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(location.Name)
	// Output: Annex
}

func ExampleAppointmentTypesService_List() {
	client := closuretest.New().Client()

	types, err := client.AppointmentTypes.List(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range types {
		fmt.Println(t.Name)
	}
	// Output: New patient visit
}

func ExampleAppointmentTypesService_Get() {
	server := closuretest.New()
	followUp := server.AddAppointmentType(closure.AppointmentType{Name: "Follow-up"})

	appointmentType, err := server.Client().AppointmentTypes.Get(context.Background(), followUp.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(appointmentType.Name)
	// Output: Follow-up
}
