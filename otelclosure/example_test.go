package otelclosure_test

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/otelclosure"
)

func ExampleNew() {
	spans := tracetest.NewInMemoryExporter() // in production: OTLP, and no option at all
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	server := closuretest.New()
	server.Inject(closuretest.Status("patients.get", 503, "Retry-After", "0"))
	client := server.Client(otelclosure.New(otelclosure.WithTracerProvider(provider)))

	if _, err := client.Patients.Get(context.Background(), closuretest.GuidePatientID); err != nil {
		log.Fatal(err)
	}
	for _, s := range spans.GetSpans() {
		fmt.Println(s.Name, s.Status.Code)
	}
	// Output:
	// GET /patients/{id} Error
	// GET /patients/{id} Unset
	// patients.get Unset
}

// The answer to a booking is lost, and reading back finds it: the request's span says
// that something failed, the booking's says that nobody has to do anything.
func ExampleNew_booking() {
	spans := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	server := closuretest.New()
	server.Inject(closuretest.DropAfter("appointments.create"))
	client := server.Client(otelclosure.New(otelclosure.WithTracerProvider(provider)))

	slot := closuretest.GuideSlot()
	_, err := client.BookSlot(context.Background(), closure.BookSlotParams{
		ScheduleID: slot.ScheduleID, PatientID: closuretest.GuidePatientID, StartAt: slot.StartAt, Duration: slot.Duration,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range spans.GetSpans() {
		if s.Name != "appointments.create" && s.Name != "BookSlot" {
			continue
		}
		for _, a := range s.Attributes {
			if a.Key == otelclosure.OutcomeKey || a.Key == otelclosure.EndingKey {
				fmt.Println(s.Name, s.Status.Code, a.Value.AsString())
			}
		}
	}
	// Output:
	// appointments.create Error unknown
	// BookSlot Unset recovered
}
