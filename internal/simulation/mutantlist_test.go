package simulation

const (
	bookingFile        = "booking.go"
	bookingAttemptFile = "bookingattempt.go"
	readBackFile       = "readback.go"
	resolveFile        = "resolve.go"
	firstFile          = "bookfirst.go"
	changeFile         = "change.go"
	turnsFile          = "turns.go"
	writeFile          = "write.go"
	errorsFile         = "errors.go"
	closureFile        = "closure.go"

	appointmentsFile = "appointments.go"

	retryFile = "internal/transport/retry.go"
	sendFile  = "internal/transport/send.go"
	traceFile = "internal/transport/trace.go"
)

// guards are checks in the services that find what a mutant of the booking code misses. Either
// check is enough, so the mutant would survive as long as its guard is there: the guard is
// removed too.
var guards = map[string][]mutant{
	"trusts an answer that shows another appointment": {{
		"Create's check", appointmentsFile,
		"params.madeInto, opts)", "func(*Appointment) bool { return true }, opts)",
	}},
	"sends although an entry is pending": {{
		"the first look at the journal", journaledFile,
		"\tif entry != nil {\n\t\tif booking", "\tif entry != nil && entry.State == JournalBooked {\n\t\tif booking",
	}},
	"ignores the patient in the match": {{
		"List's check", appointmentsFile,
		"params.PatientID == \"\" || a.PatientID == params.PatientID", "true",
	}, {
		"Create's check", appointmentsFile,
		"params.madeInto, opts)", "func(*Appointment) bool { return true }, opts)",
	}},
	"counts a cancelled appointment": {{
		"the look's check", readBackFile,
		"\t\tif !b.attempt.mayMatch(shown) || shown.Status.IsCancelled() || b.cancelled.has(shown.ID) {\n",
		"\t\tif !b.attempt.mayMatch(shown) {\n",
	}},
	"sends again after a 429 without looking": {{
		"the look after the wait", writeFile,
		"\t\t\tbooking, verdict = w.explain(ctx, rejection, doubted)\n\t\t\tif mayResend(verdict) &&", "\t\t\tif mayResend(verdict) &&",
	}},
	"sends again after any rejection": {{
		"the look before the wait", writeFile,
		"if mayResend(verdict) && c.waitToResend", "if c.waitToResend",
	}, {
		"the look after the wait", writeFile,
		"if mayResend(verdict) && !window.late() {", "if !window.late() {",
	}},
	"believes a gateway where there is no list": {{
		"the looks after the first", writeFile,
		"if OutcomeOf(verdict) == OutcomeRejected && (doubted || !rejection.isOfAPI()) {", "if false {",
	}},
	"believes a rejection although the list can't be read": {{
		"the looks after the first", writeFile,
		"if OutcomeOf(verdict) == OutcomeRejected && (doubted || !rejection.isOfAPI()) {", "if false {",
	}},
	"believes a rejection about the key or the permission": {{
		"the looks after the first", writeFile,
		"if OutcomeOf(verdict) == OutcomeRejected && (doubted || !rejection.isOfAPI()) {", "if false {",
	}},
	"says unavailable after a 4xx without looking for its own": {{
		"the looks after the first", writeFile,
		"if OutcomeOf(verdict) == OutcomeRejected && (doubted || !rejection.isOfAPI()) {", "if false {",
	}},
	"believes a change's rejection although the appointment can't be read": {{
		"the looks after the first", writeFile,
		"if OutcomeOf(verdict) == OutcomeRejected && (doubted || !rejection.isOfAPI()) {", "if false {",
	}},
}

// The mutants: mistakes that a well-meant change could make in the booking code.
var mutants = []mutant{
	{
		"sends again after reading back", readBackFile,
		"\tif found != nil {\n\t\treturn found, nil\n\t}\n\treturn nil, unknown\n",
		"\tif found != nil {\n\t\treturn found, nil\n\t}\n" +
			"\tmade, err := b.client.Appointments.Create(ctx, AppointmentCreateParams{b.attempt.ScheduleID, b.attempt.PatientID, b.attempt.StartAt, b.attempt.Duration}, b.opts...)\n" +
			"\tif err == nil && b.attempt.made(*made) {\n\t\treturn b.confirmed(made, false), nil\n\t}\n\treturn nil, unknown\n",
	},
	{
		"reads back for 10 s and trusts it", readBackFile,
		"\tif found != nil {\n\t\treturn found, nil\n\t}\n\treturn nil, unknown\n",
		"\tif found != nil {\n\t\treturn found, nil\n\t}\n\treturn nil, ErrNotBooked\n",
	},
	{
		"reads back once and trusts it", readBackFile,
		"\t\treturn found != nil || done(ctx, seen) || errors.Is(seen.err, errNoList)\n\t})\n\tif found != nil {\n\t\treturn found, nil\n\t}\n",
		"\t\treturn true\n\t})\n\tif found != nil {\n\t\treturn found, nil\n\t}\n\tif unknown.SlotOpen != nil && *unknown.SlotOpen {\n\t\treturn nil, ErrNotBooked\n\t}\n",
	},
	{
		"takes a closed slot for somebody else's after an unknown outcome", readBackFile,
		"\tif found != nil {\n\t\treturn found, nil\n\t}\n\treturn nil, unknown\n",
		"\tif found != nil {\n\t\treturn found, nil\n\t}\n\tif unknown.SlotOpen != nil && !*unknown.SlotOpen {\n\t\treturn nil, ErrSlotUnavailable\n\t}\n\treturn nil, unknown\n",
	},
	{
		"reports the context's end while reading back as not sent", readBackFile,
		"\tif found != nil {\n\t\treturn found, nil\n\t}\n\treturn nil, unknown\n",
		"\tif found != nil {\n\t\treturn found, nil\n\t}\n\tif ctx.Err() != nil {\n\t\treturn nil, &TransportError{Op: \"appointments.create\", Method: http.MethodPost, Outcome: OutcomeNotSent, Err: ctx.Err()}\n\t}\n\treturn nil, unknown\n",
	},
	{
		"skips the read before the POST", bookingFile,
		"\town, failed.list = b.findAppointment(ctx)\n\tgroup.Wait()\n", "\tgroup.Wait()\n",
	},
	{
		"books although the read before failed", bookingFile,
		"return own, cmp.Or(failed.list, failed.schedule, failed.patient, failed.slots)", "return own, cmp.Or(failed.schedule, failed.patient, failed.slots)",
	},
	{
		"counts a cancelled appointment", bookingAttemptFile,
		"return s == AppointmentScheduled || s == AppointmentRescheduled", "return s != \"\"",
	},
	{
		"ignores the patient in the match", bookingAttemptFile,
		"\t\tappointment.PatientID == a.PatientID &&\n", "",
	},
	{
		"ignores the schedule in the match", bookingAttemptFile,
		"\t\tappointment.ScheduleID == a.ScheduleID &&\n", "",
	},
	{
		"ignores the start in the match", bookingAttemptFile,
		" &&\n\t\tappointment.StartAt.Equal(a.StartAt)\n", "\n",
	},
	{
		"trusts an answer that shows another appointment", bookingFile,
		"{ return b.attempt.made(appointment) }", "{ return true }",
	},
	{
		"hands an unknown outcome on without a token", writeFile,
		"case OutcomeOf(err) == OutcomeUnknown, !rejected && doubted:\n\t\t\treturn w.readBack(ctx, err)\n",
		"case OutcomeOf(err) == OutcomeUnknown, !rejected && doubted:\n\t\t\treturn nil, err\n",
	},
	{
		"takes every 4xx for a slot that is taken", writeFile,
		"booking, verdict := w.explain(ctx, rejection, doubted)",
		"booking, verdict := (*Booking)(nil), errors.Join(ErrSlotUnavailable, err)",
	},
	{
		"says unavailable after a 4xx without looking for its own", bookingFile,
		"\tcase seen.appointment != nil:\n\t\treturn b.confirmed(seen.appointment, true), nil\n\tcase errors.Is(seen.err",
		"\tcase seen.slotOpen != nil && !*seen.slotOpen:\n\t\treturn nil, because(ErrSlotUnavailable, rejection)\n\tcase errors.Is(seen.err",
	},
	{
		"says unavailable before the POST without looking again", bookingFile,
		"\tcase own != nil:\n\t\treturn b.confirmed(own, true), nil\n\tcase inDoubt(err):\n\t\treturn nil, b.unknown(err)\n\tcase err != nil &&",
		"\tcase err != nil && own == nil &&",
	},
	{
		"ResolveBooking says not booked at once", resolveFile,
		"case seen.err == nil && attempt.lost(", "case seen.err == nil || attempt.lost(",
	},
	{
		"AssumeLostAfter ignores that the list failed", resolveFile,
		"case seen.err == nil && attempt.lost(", "case attempt.lost(",
	},
	{
		"takes a list that doesn't exist for an empty one", readBackFile,
		"\tif noSuchCall(err) {\n", "\tif noSuchCall(err) {\n\t\treturn nil, nil\n\t}\n\tif noSuchCall(err) {\n",
	},
	{
		"takes the next slot after an unknown outcome", firstFile,
		"if OutcomeOf(err) == OutcomeUnknown || !errors.Is(err, ErrSlotUnavailable) {",
		"if OutcomeOf(err) != OutcomeUnknown && !errors.Is(err, ErrSlotUnavailable) {",
	},
	{
		"a cancellation is a success whatever is read back", changeFile,
		"\t\treturn a.Status.IsCancelled()\n", "\t\treturn true\n",
	},
	{
		"a reschedule is a success whatever is read back", changeFile,
		"return a.StartAt.Equal(c.start) && a.Status.stands() &&", "return a.Status.stands() &&",
	},
	{
		"a change of unknown outcome counts as not made", changeFile,
		"return &OutcomeUnknownError{AppointmentID: c.id, Err: cause}", "return ErrNotBooked",
	},
	{
		"trusts a change's answer that shows something else", writeFile,
		"case err == nil && w.shows(*shown):", "case err == nil:",
	},
	{
		"no turns", bookingFile,
		"b.client.core.turns.take(ctx, newBookingKey(b.params))",
		"b.client.core.turns.take(ctx, bookingKey{start: time.Now().UnixNano()})",
	},
	{
		"a follower sends although its leader's outcome is unknown", bookingFile,
		"\tcase unknown != nil:\n", "\tcase unknown != nil && unknown.Err == nil:\n",
	},
	{
		"a follower that gives up says not sent", turnsFile,
		"\tunknown := p.turn.unknown\n\tp.leave()\n", "\tvar unknown *OutcomeUnknownError\n\tp.leave()\n",
	},
	{
		"treats a 5xx as rejected", errorsFile,
		"case e.StatusCode >= 400 && e.StatusCode < 500 &&", "case e.StatusCode >= 400 &&",
	},
	{
		"treats an answer that can't be read as not sent", closureFile,
		"return newTransportError(r.endpoint, answer, malformed(answer, err))",
		"return newTransportError(r.endpoint, transport.Answer{Attempts: answer.Attempts}, malformed(answer, err))",
	},
	{
		"retries a POST after a reset", retryFile,
		"return !final(err) && !l.answer.MaybeSent", "return !final(err)",
	},
	{
		"retries a POST after a 5xx", retryFile,
		"return !l.call.writes() && temporary(", "return (!l.call.writes() || l.answer.StatusCode >= 500) && temporary(",
	},
	{
		"retries a POST after a 429", retryFile,
		"return !l.call.writes() && temporary(",
		"return (!l.call.writes() || l.answer.StatusCode == http.StatusTooManyRequests) && temporary(",
	},
	{
		"sends again after a 429 without looking", writeFile,
		"booking, verdict := w.explain(ctx, rejection, doubted)\n",
		"booking, verdict := (*Booking)(nil), error(rejection)\n\t\tif rejection.StatusCode != http.StatusTooManyRequests {\n\t\t\tbooking, verdict = w.explain(ctx, rejection, doubted)\n\t\t}\n",
	},
	{
		"sends again after any rejection", writeFile,
		"if rejection.StatusCode != http.StatusTooManyRequests || left < 1 {",
		"if rejection.StatusCode != http.StatusTooManyRequests && left < 0 || left < 1 {",
	},
	{
		"believes a rejection about the key or the permission", writeFile,
		"\t\tcase !rejected:\n",
		"\t\tcase !rejected || rejection.StatusCode == http.StatusUnauthorized || rejection.StatusCode == http.StatusForbidden:\n",
	},
	{
		"believes a rejection although the list can't be read", bookingFile,
		"\tcase !believed:\n", "\tcase !believed && seen.err == nil:\n",
	},
	{
		"believes a gateway where there is no list", bookingFile,
		"errors.Is(seen.err, errNoList) && rejection.isOfAPI()", "errors.Is(seen.err, errNoList)",
	},
	{
		"believes a gateway after one look", writeFile,
		"(doubted || !rejection.isOfAPI()) {", "doubted {",
	},
	{
		"believes a change's rejection although the appointment can't be read", changeFile,
		"\tcase err != nil:\n\t\treturn nil, c.unknown(rejection)\n", "\tcase err != nil:\n\t\treturn nil, rejection\n",
	},
	{
		"a request that left counts as not sent", sendFile,
		"x.answer.MaybeSent = resp != nil || trace.maybeSent(t.base, req, x.call.Body != nil, err)",
		"x.answer.MaybeSent = resp != nil",
	},
	{
		"a body cut short counts as not sent", sendFile,
		"\tif err != nil && success {\n", "\tif err != nil && success {\n\t\tx.answer.MaybeSent = false\n",
	},
	{
		"treats a timeout as not sent", traceFile,
		"\ttransport, plain := base.(*http.Transport)\n",
		"\tif errors.Is(err, context.DeadlineExceeded) {\n\t\treturn false\n\t}\n\ttransport, plain := base.(*http.Transport)\n",
	},
}
