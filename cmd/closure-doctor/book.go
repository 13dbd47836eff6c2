package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// tries is how many slots are tried, because others use the public key, too.
const tries = 3

// patience bounds the time for cancelling the appointment, also after an interrupt.
const patience = 30 * time.Second

// book books an open slot for the guide's patient, moves the appointment and
// cancels it. Each request is sent once.
func (d *doctor) book(ctx context.Context) {
	id, first := d.create(ctx)
	if id == "" {
		for _, name := range []string{"appointments.get", "appointments.reschedule", "appointments.cancel"} {
			d.leaveOut(findOperation(name), "nothing was booked")
		}
		return
	}
	d.ids["appointments"] = id
	// The appointment is cancelled whatever happens.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	defer d.cancel(after, id)
	d.get(ctx, findOperation("appointments.get"))
	d.readBack(ctx, id)
	d.reschedule(ctx, id, first)
}

// create books, and returns the id of the appointment and the number of its slot.
func (d *doctor) create(ctx context.Context) (id string, slot int) {
	op := findOperation("appointments.create")
	if len(d.slots) == 0 {
		d.leaveOut(op, "there is no open slot")
		return "", 0
	}
	for i, slot := range d.slots {
		at, ok := startOf(slot)
		if !ok {
			continue
		}
		before, start := len(d.results), at.UTC().Format(wireTime)
		body := map[string]json.RawMessage{
			"schedule_id": quoted(d.ids["schedules"]),
			"patient_id":  quoted(d.ids["patients"]),
			"start_at":    quoted(start),
		}
		if duration := members(slot)["duration"]; !absent(duration) {
			body["duration"] = duration
		}
		records := d.run(ctx, check{op: op, body: marshal(body), wantKind: wrongState, want: map[string]string{
			"status": "scheduled", "start_at": start,
			"schedule_id": d.ids["schedules"], "patient_id": d.ids["patients"],
		}})
		last := &d.results[len(d.results)-1]
		if last.Status == http.StatusConflict && i+1 < min(tries, len(d.slots)) {
			d.results = d.results[:before] // somebody else has it
			continue
		}
		if last.NotAsked == "" && len(records) == 0 && last.Status/100 != 4 {
			last.Notes = append(last.Notes, "an appointment in test mode may be left behind")
		}
		return idOf(records), i
	}
	d.leaveOut(op, "no slot's start can be read")
	return "", 0
}

// readBack looks for the appointment in the list, as the SDK does when the answer
// to a booking is lost.
func (d *doctor) readBack(ctx context.Context, id string) {
	records := d.appointments(ctx, "read back")
	isIt := func(record json.RawMessage) bool { return holds(members(record)["id"], id) }
	if res := &d.results[len(d.results)-1]; res.Status/100 == 2 && !slices.ContainsFunc(records, isIt) {
		res.Differences = append(res.Differences, finding{wrongState, "id", "the list lacks what was just booked", 1})
	}
}

func (d *doctor) reschedule(ctx context.Context, id string, booked int) {
	op := findOperation("appointments.reschedule")
	old, _ := startOf(d.slots[booked])
	for _, slot := range slices.Backward(d.slots) {
		at, ok := startOf(slot)
		if !ok || at.Equal(old) {
			continue
		}
		start := at.UTC().Format(wireTime)
		body := map[string]json.RawMessage{"start_at": quoted(start)}
		d.run(ctx, check{op: op, id: id, body: marshal(body), wantKind: wrongState, want: map[string]string{
			"id": id, "status": "rescheduled", "start_at": start,
		}})
		return
	}
	d.leaveOut(op, "there is no other open slot")
}

func (d *doctor) cancel(ctx context.Context, id string) {
	d.run(ctx, check{op: findOperation("appointments.cancel"), id: id, wantKind: wrongState, want: map[string]string{
		"id": id, "status": "cancelled",
	}})
	res := &d.results[len(d.results)-1]
	switch {
	case res.Status/100 == 2, res.Option != "":
	case res.Status/100 == 4:
		res.Notes = append(res.Notes, "an appointment in test mode is left behind")
	default: // it may have been cancelled, and the answer was lost
		res.Notes = append(res.Notes, "an appointment in test mode may be left behind")
	}
}

func idOf(records []json.RawMessage) (id string) {
	if len(records) == 0 || json.Unmarshal(members(records[0])["id"], &id) != nil {
		return ""
	}
	return id
}

func quoted(s string) json.RawMessage {
	raw, _ := json.Marshal(s) // a string can always be written
	return raw
}

func marshal(m map[string]json.RawMessage) json.RawMessage {
	raw, _ := json.Marshal(m) // the values are JSON already
	return raw
}
