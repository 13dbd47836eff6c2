package otelclosure_test

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

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
