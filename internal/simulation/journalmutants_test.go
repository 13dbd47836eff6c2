package simulation

const (
	journaledFile = "journaled.go"
	heldEntryFile = "heldentry.go"
)

// Mutants of the code for journals. The matrix with a journal must kill them.
var journalMutants = []mutant{
	{
		"sends although an entry is pending", journaledFile,
		"\t\tif err != nil || entry == nil {\n\t\t\treturn nil, err\n\t\t}\n\t\tif booking",
		"\t\tif err != nil || entry == nil || entry.State == JournalPending {\n\t\t\treturn nil, err\n\t\t}\n\t\tif booking",
	},
	{
		"finishes as not booked what is unknown", journaledFile,
		"outcome != OutcomeNotSent && outcome != OutcomeRejected {", "outcome == OutcomeApplied {",
	},
	{
		"releases what an unknown cancellation was about", changeFile,
		"\tif err == nil {\n\t\t// If it fails", "\tif OutcomeOf(err) != OutcomeRejected {\n\t\t// If it fails",
	},
	{
		"ignores the key", bookingFile,
		"\t\t\tIdempotencyKey: params.IdempotencyKey,\n", "",
	},
	{
		"begins after the request", journaledFile,
		"\tbooking, err := b.beginAttempt(ctx)\n\tif booking != nil || err != nil {\n\t\treturn booking, err\n\t}\n" +
			"\tb.window.begunAt = b.attempt.AttemptedAt\n\tbooking, err = b.sendNow(ctx)\n",
		"\tb.attempt.ID = rand.Text()\n\tbooking, err := b.sendNow(ctx)\n\t_, _ = b.client.core.begin(ctx, b.attempt)\n",
	},
	{
		"does not check the clock", journaledFile,
		"\tb.window.begunAt = b.attempt.AttemptedAt\n", "",
	},
	{
		"trusts a 404 of a booked entry's appointment", heldEntryFile,
		"\t\treturn entry.appointment(), nil // the read lags",
		"\t\treturn &Appointment{Status: AppointmentCancelled}, nil // the read lags",
	},
	{
		"ignores that an appointment was released", journaledFile,
		"\tcase entry.releasedLately(b.lostAfter, begun):\n\t\treturn false, nil\n",
		"\tcase entry.releasedLately(b.lostAfter, begun):\n\t\treturn true, nil\n",
	},
	{
		"does not attach the key to what is booked", heldEntryFile,
		"if b.attempt.IdempotencyKey == \"\" || entry.Attempt.sameKey(b.attempt) {", "if entry.Appointment != \"\" {",
	},
	{
		"books again what the practice moved away", heldEntryFile,
		"\tcase moved && !entry.Attempt.sameKey(b.attempt) && entry.Attempt.ID != b.attempt.ID:\n",
		"\tcase moved:\n",
	},
	{
		"forgets the keys of what the practice moved", heldEntryFile,
		"err = b.follow(ctx, entry, *shown, maxBegins)\n", "err = b.client.core.release(ctx, entry.Appointment)\n",
	},
	{
		"trusts a booked entry without asking the API", heldEntryFile,
		"\tshown, begun, err := b.showBooked(ctx, entry)\n",
		"\tshown, begun, err := entry.appointment(), time.Now(), error(nil)\n",
	},
	{
		"does not record the key of what it found", journaledFile,
		"\tcase booking != nil && b.attempt.IdempotencyKey != \"\":\n\t\treturn b.adopt(ctx, booking)\n",
		"\tcase booking != nil:\n\t\treturn booking, nil\n",
	},
}
