package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/commandline"
)

// Bookings are for the same patient and schedule. They start a minute apart, so that each is
// a different one.
type starts struct{ last atomic.Int64 }

func (s *starts) next() time.Time {
	return time.Date(2022, time.May, 20, 17, 0, 0, 0, time.UTC).Add(time.Duration(s.last.Add(1)) * time.Minute)
}

// newBooking is BookSlot as a user calls it, with a journal or without.
func newBooking(s *server, opts ...closure.Option) (*client, error) {
	c, err := closure.NewClient(key, append(opts, closure.WithBaseURL(s.url+"/book"))...)
	if err != nil {
		return nil, err
	}
	var free starts
	return &client{name: "BookSlot", book: func(ctx context.Context) error {
		booking, err := c.BookSlot(ctx, closure.BookSlotParams{
			ScheduleID: scheduleID, PatientID: patientID, StartAt: free.next(), Duration: 30,
		})
		return check(err, func() bool { return booking.Appointment.ID != "" && !booking.Recovered })
	}}, nil
}

// newBookingByHand makes the requests of a booking as you would write them by hand: the three
// reads concurrently, then the write. Each request may take as long as timeout says; 0: any time.
func newBookingByHand(s *server, timeout time.Duration) *client {
	b := bare{
		baseURL:   s.url + "/book",
		http:      pooled(),
		marshal:   func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
		unmarshal: func(data []byte, v any) error { return jsonv2.Unmarshal(data, v) },
		timeout:   timeout,
	}
	var free starts
	return &client{name: "by hand", book: func(ctx context.Context) error {
		var schedule closure.Schedule
		var person closure.Patient
		var own []closure.Appointment
		var readErrs [3]error
		var reads sync.WaitGroup
		reads.Go(func() {
			readErrs[0] = b.call(ctx, http.MethodGet, "/schedules/"+scheduleID, nil, &schedule)
		})
		reads.Go(func() {
			readErrs[1] = b.call(ctx, http.MethodGet, "/patients/"+patientID, nil, &person)
		})
		reads.Go(func() {
			readErrs[2] = b.call(ctx, http.MethodGet,
				"/appointments?patient="+patientID+"&schedule="+scheduleID, nil, &own)
		})
		reads.Wait()
		for _, err := range readErrs {
			if err != nil {
				return err
			}
		}
		if len(own) > 0 || schedule.CheckInsurance(person.Insurance.ID) != closure.InsuranceAccepted {
			return errWrong
		}
		want := closure.AppointmentCreateParams{
			ScheduleID: scheduleID, PatientID: patientID, StartAt: free.next(), Duration: 30,
		}
		var made closure.Appointment
		err := b.call(ctx, http.MethodPost, "/appointments", want, &made)
		return check(err, func() bool { return made.ID != "" && made.StartAt.Equal(want.StartAt) })
	}}
}

var booking = workload{op: "book", goroutines: 1, chunk: 50, chunks: 40}

// bookings prints what a whole booking costs as a multiple of its requests by hand, without
// timeouts and with them, and what a booking with a journal in memory costs as a multiple of one
// without.
func bookings(ctx context.Context, s *server) error {
	const rounds = 9
	journaled, err := newBooking(s, closure.WithJournal(closuretest.NewJournal()))
	if err != nil {
		return err
	}
	plain, err := newBooking(s)
	if err != nil {
		return err
	}
	progress := commandline.NewProgress(os.Stderr, "rounds", 2*rounds)
	defer progress.Clear()
	w := booking
	w.progress = progress
	ofPlain, err := w.compare(ctx, rounds, plain, newBookingByHand(s, 0), newBookingByHand(s, 30*time.Second))
	if err != nil {
		return err
	}
	ofJournaled, err := w.compare(ctx, rounds, journaled, plain)
	if err != nil {
		return err
	}
	progress.Clear()
	fmt.Printf("%s, median of %d rounds\n\n", about(), rounds)
	fmt.Println("| A booking | compared with | CPU | Time |")
	fmt.Println("|---|---|---:|---:|")
	fmt.Printf("| BookSlot | its four requests by hand, json v2 | %.2f | %.2f |\n", ofPlain[0].cpu, ofPlain[0].wall)
	fmt.Printf("| BookSlot | the same with a timeout for each request, as BookSlot has | %.2f | %.2f |\n", ofPlain[1].cpu, ofPlain[1].wall)
	fmt.Printf("| BookSlot with a journal in memory | BookSlot without | %.2f | %.2f |\n", ofJournaled[0].cpu, ofJournaled[0].wall)
	return nil
}

// handleBookings serves what a booking reads and writes.
func handleBookings(mux *http.ServeMux) {
	mux.HandleFunc("GET /book/schedules/{id}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, []byte(`{"id":"`+scheduleID+`","practitioner":"prac_9F3K2L7Q","location":"loc_7Q2M8N4P",`+
			`"appointment_type":"aptp_4P7Q","insurances":["ins_7Q2M8N4P","ins_3T5S"],"scheduling_method":"direct_api"}`), false)
	})
	mux.HandleFunc("GET /book/patients/{id}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, []byte(patientJSON(0)), false)
	})
	mux.HandleFunc("GET /book/appointments", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, []byte("[]"), false)
	})
	mux.HandleFunc("POST /book/appointments", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var made map[string]any
		if json.Unmarshal(body, &made) != nil {
			answer(w, http.StatusBadRequest, nil, false)
			return
		}
		made["id"], made["status"] = fmt.Sprintf("appt_%d", time.Now().UnixNano()), closure.AppointmentScheduled
		body, _ = json.Marshal(made)
		answer(w, http.StatusCreated, body, false)
	})
}
