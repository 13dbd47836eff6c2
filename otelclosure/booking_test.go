package otelclosure_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/otelclosure"
)

func guideSlot() closure.BookSlotParams {
	slot := closuretest.GuideSlot()
	return closure.BookSlotParams{
		ScheduleID: slot.ScheduleID, PatientID: closuretest.GuidePatientID, StartAt: slot.StartAt, Duration: slot.Duration,
	}
}

// counted is how many measurements of a histogram have the attribute.
func (b *backend) counted(t *testing.T, name string, want attribute.KeyValue) (n uint64) {
	t.Helper()
	for _, p := range b.histograms(t)[name] {
		if got, ok := p.Attributes.Value(want.Key); ok && got == want.Value {
			n += p.Count
		}
	}
	return n
}

// sums are the measurements of a counter.
func (b *backend) sums(t *testing.T, name string) []metricdata.DataPoint[int64] {
	t.Helper()
	for _, m := range b.collect(t) {
		if data, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
			return data.DataPoints
		}
	}
	return nil
}

// unknown is what README.md says to alert on, by operation.
func (b *backend) unknown(t *testing.T) map[string]int64 {
	t.Helper()
	byOperation := map[string]int64{}
	for _, p := range b.sums(t, "closure.bookings") {
		ending, _ := p.Attributes.Value(otelclosure.EndingKey)
		operation, _ := p.Attributes.Value(otelclosure.BookingKey)
		if ending.AsString() == "unknown" {
			byOperation[operation.AsString()] += p.Value
		}
	}
	return byOperation
}

// alert is by how much that has increased since the client was made. What was not
// there before has increased by nothing: so Prometheus counts.
func (b *backend) alert(t *testing.T, before map[string]int64) (increase int64) {
	t.Helper()
	for operation, n := range b.unknown(t) {
		if earlier, there := before[operation]; there {
			increase += n - earlier
		}
	}
	return increase
}

// The alert fires for what somebody has to settle, and for nothing else: not for a
// booking that healed itself, although its request's outcome was unknown.
func TestAlert(t *testing.T) {
	t.Parallel()
	const create, cancel, get = "appointments.create", "appointments.cancel", "appointments.get"
	for _, tt := range []struct {
		name   string
		faults []closuretest.Fault
		ending string // of the booking
		alerts int64
	}{
		{"confirmed", nil, "confirmed", 0},
		{"lost answer", []closuretest.Fault{closuretest.DropAfter(create)}, "recovered", 0},
		{"booked, then 502", []closuretest.Fault{closuretest.StatusAfter(create, 502)}, "recovered", 0},
		{"booked, then 409", []closuretest.Fault{closuretest.StatusAfter(create, 409)}, "recovered", 0},
		{"refused", []closuretest.Fault{closuretest.Status(create, 400)}, "rejected", 0},
		{"before it was sent", []closuretest.Fault{closuretest.Status("schedules.get", 500).Times(0)}, "not sent", 0},
		{"lost request", []closuretest.Fault{closuretest.DropBefore(create)}, "unknown", 1},
		{"502", []closuretest.Fault{closuretest.Status(create, 502)}, "unknown", 1},
		{"cancelled, lost answer", []closuretest.Fault{closuretest.DropAfter(cancel)}, "confirmed", 0},
		{"cancelled, lost request", []closuretest.Fault{closuretest.DropBefore(cancel), closuretest.Status(get, 404)},
			"confirmed", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, server := newBackend(), closuretest.New()
				server.Inject(tt.faults...)
				client := server.Client(b.option())
				before := b.unknown(t)
				if booking, err := client.BookSlot(t.Context(), guideSlot()); err == nil {
					_, _ = client.CancelBooking(t.Context(), booking.Appointment.ID)
				}
				if n := b.alert(t, before); n != tt.alerts {
					t.Errorf("the alert counts %d, want %d:\n%s", n, tt.alerts, b.text(t))
				}
				if b.counted(t, "closure.booking.duration", otelclosure.EndingKey.String(tt.ending)) == 0 {
					t.Errorf("no booking ended %s:\n%s", tt.ending, b.text(t))
				}
			})
		})
	}
}

// Why the outcome of calls is not what to alert on.
func TestCallsOfAHealedBookingSayUnknown(t *testing.T) {
	t.Parallel()
	b, server := newBackend(), closuretest.New()
	server.Inject(closuretest.DropAfter("appointments.create"))
	if _, err := server.Client(b.option()).BookSlot(t.Context(), guideSlot()); err != nil {
		t.Fatal(err)
	}
	if n := b.counted(t, "closure.call.duration", otelclosure.OutcomeKey.String("unknown")); n != 1 {
		t.Errorf("%d calls say unknown, want 1: README.md may recommend them then", n)
	}
}

// tree is the spans by name and status, each below its parent.
func (b *backend) tree() string {
	children := map[oteltrace.SpanID][]tracetest.SpanStub{}
	for _, s := range b.spans.GetSpans() {
		children[s.Parent.SpanID()] = append(children[s.Parent.SpanID()], s)
	}
	var text strings.Builder
	var write func(parent oteltrace.SpanID, indent string)
	write = func(parent oteltrace.SpanID, indent string) {
		slices.SortFunc(children[parent], func(a, b tracetest.SpanStub) int { return strings.Compare(a.Name, b.Name) })
		for _, s := range children[parent] {
			status := ""
			if s.Status.Code == codes.Error {
				status = ": Error"
			}
			fmt.Fprint(&text, indent, s.Name, status, "\n")
			write(s.SpanContext.SpanID(), indent+"  ")
		}
	}
	write(oteltrace.SpanID{}, "")
	return text.String()
}

// The look at the slots is cut short once the appointment shows: no error.
func TestBookingSpans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, server := newBackend(), closuretest.New()
		server.Inject(closuretest.DropAfter("appointments.create"), closuretest.Delay("availabilities.list", time.Second),
			closuretest.Delay("appointments.list", time.Millisecond).Times(2))
		ctx, caller := b.tracers.Tracer("test").Start(t.Context(), "caller")
		start := time.Now()
		if _, err := server.Client(b.option()).BookSlot(ctx, guideSlot()); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		caller.End()
		const want = `caller
  BookSlot
    appointments.create: Error
      POST /appointments: Error
    appointments.list
      GET /appointments
    appointments.list
      GET /appointments
    availabilities.list
      GET /schedules/{id}/slots
    patients.get
      GET /patients/{id}
    schedules.get
      GET /schedules/{id}
`
		if got := b.tree(); got != want {
			t.Errorf("spans:\n%s\nwant\n%s", got, want)
		}
		for _, s := range b.spans.GetSpans() {
			if s.Name == "BookSlot" && (!s.StartTime.Equal(start) || s.EndTime.Sub(s.StartTime) != took) {
				t.Errorf("the booking lies at %s for %s, want %s for %s", s.StartTime, s.EndTime.Sub(s.StartTime), start, took)
			}
		}
		text := b.text(t)
		for _, want := range []string{"closure.booking.ending", "recovered", "abandoned"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not reported:\n%s", want, text)
			}
		}
	})
}

// Bookings that share a context and a client keep their own calls.
func TestConcurrentBookings(t *testing.T) {
	t.Parallel()
	b, server := newBackend(), closuretest.New()
	client := server.Client(b.option())
	const bookings = 10
	var group sync.WaitGroup
	for range bookings {
		group.Go(func() {
			_, _ = client.CancelBooking(t.Context(), "appt_nobodyHasThis")
		})
	}
	group.Wait()
	children := map[oteltrace.SpanID]int{}
	for _, s := range b.spans.GetSpans() {
		if strings.HasPrefix(s.Name, "appointments.") {
			children[s.Parent.SpanID()]++
		}
	}
	for _, n := range children {
		if n != 2 { // the write that is refused, and the read that looks at why
			t.Errorf("%d calls below a booking, want 2", n)
		}
	}
	if len(children) != bookings {
		t.Errorf("calls below %d bookings, want %d", len(children), bookings)
	}
}

// The journal fails after the API confirmed: the booking is one, and that nobody
// recorded it is counted.
func TestJournalFailures(t *testing.T) {
	t.Parallel()
	b, server, journal := newBackend(), closuretest.New(), closuretest.NewJournal()
	journal.Inject(closuretest.JournalFailsBefore("finish"))
	if _, err := server.Client(b.option(), closure.WithJournal(journal)).BookSlot(t.Context(), guideSlot()); err != nil {
		t.Fatal(err)
	}
	if n := len(b.sums(t, "closure.journal.failures")); n != 5*2 {
		t.Errorf("%d series, want those that started at 0", n)
	}
	var got []string
	for _, p := range b.sums(t, "closure.journal.failures") {
		if p.Value == 0 {
			continue
		}
		got = append(got, fmt.Sprint(p.Value, " ", p.Attributes.Encoded(attribute.DefaultEncoder())))
	}
	if want := []string{"1 closure.booking.operation=BookSlot,closure.journal.method=finish"}; !slices.Equal(got, want) {
		t.Errorf("measured %s, want %s", got, want)
	}
	if strings.Contains(b.text(t), closuretest.ErrJournal.Error()) {
		t.Error("the cause's text is reported")
	}
}

// What a counter can count is reported as 0 before anything is counted: Prometheus sees no
// increase in a series that begins at 1.
func TestCountersStartAtZero(t *testing.T) {
	t.Parallel()
	b := newBackend()
	closuretest.New().Client(b.option())
	for name, series := range map[string]int{"closure.bookings": 5 * 5, "closure.journal.failures": 5 * 2} {
		points := b.sums(t, name)
		if len(points) != series {
			t.Errorf("%s: %d series, want %d", name, len(points), series)
		}
		for _, p := range points {
			if p.Value != 0 {
				t.Errorf("%s %s starts at %d", name, p.Attributes.Encoded(attribute.DefaultEncoder()), p.Value)
			}
		}
	}
}

// Every operation that ends unknown was reported as 0 before.
func TestAlertOnTheFirstOfEachOperation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, server := newBackend(), closuretest.New()
		client := server.Client(b.option(), closure.WithTimeout(time.Second))
		before := b.unknown(t)
		server.Inject(closuretest.Status("appointments.create", 502).Times(0),
			closuretest.Status("appointments.reschedule", 502).Times(0),
			closuretest.Status("appointments.cancel", 502).Times(0), closuretest.Status("appointments.list", 404).Times(0))
		ctx, params := t.Context(), guideSlot()
		there := closure.Appointment{
			ID: "appt_there", ScheduleID: params.ScheduleID, PatientID: params.PatientID,
			Status: closure.AppointmentScheduled, StartAt: params.StartAt.Add(48 * time.Hour), Duration: params.Duration,
		}
		server.AddAppointment(there)
		_, err := client.BookSlot(ctx, params)
		unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err)
		if !ok {
			t.Fatal(err)
		}
		_, _ = client.ResolveBooking(ctx, unknown.Attempt)
		_, _ = client.BookFirstAvailable(ctx, closure.BookFirstParams{PatientID: params.PatientID, Search: closure.SlotSearch{
			Schedules: []closure.ScheduleID{params.ScheduleID}, From: params.StartAt, To: params.StartAt.Add(time.Hour),
		}})
		_, _ = client.CancelBooking(ctx, there.ID)
		_, _ = client.RescheduleBooking(ctx, there.ID, closure.AppointmentRescheduleParams{
			StartAt: params.StartAt.Add(72 * time.Hour),
		})
		for operation, n := range b.unknown(t) {
			if earlier, there := before[operation]; !there || earlier != 0 || n != 1 {
				t.Errorf("%s: %d unknown, reported as 0 before: %t", operation, n, there && earlier == 0)
			}
		}
		if n := b.alert(t, before); n != 5 {
			t.Errorf("the alert counts %d, want 5", n)
		}
	})
}

// One option may serve several clients.
func TestOneOptionForTwoClients(t *testing.T) {
	t.Parallel()
	b := newBackend()
	option := b.option()
	var group sync.WaitGroup
	for range 2 {
		client := closuretest.New().Client(option)
		group.Go(func() {
			for range 50 {
				_ = findTrisha(context.Background(), client)
			}
		})
	}
	group.Wait()
	children := map[oteltrace.SpanID]int{}
	for _, s := range b.spans.GetSpans() {
		if s.SpanKind == oteltrace.SpanKindClient {
			children[s.Parent.SpanID()]++
		}
	}
	if len(children) != 100 {
		t.Errorf("attempts below %d calls, want 100", len(children))
	}
}
