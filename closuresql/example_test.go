package closuresql_test

import (
	"fmt"

	"github.com/closurehealth/closure-go/closuresql"
)

func ExampleSchema() {
	text, err := closuresql.Schema(closuresql.PostgreSQL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(text)
	// Output:
	// CREATE TABLE IF NOT EXISTS "closure_journal_meta" (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
	//
	// CREATE TABLE "closure_journal" (
	// 	id TEXT NOT NULL PRIMARY KEY, -- of the attempt; random
	// 	slot BYTEA NOT NULL UNIQUE, -- hash of patient, schedule and start
	// 	state SMALLINT NOT NULL, -- 0: pending; 1: booked
	// 	begun BIGINT NOT NULL, -- in microseconds since 1970
	// 	attempt BYTEA NOT NULL, -- sealed
	// 	appointment BYTEA, -- sealed; of a booked one
	// 	moves BYTEA -- hash of the appointment that the attempt moves
	// );
	// CREATE INDEX "closure_journal_state" ON "closure_journal" (state, begun, id);
	// CREATE INDEX "closure_journal_moves" ON "closure_journal" (moves) WHERE moves IS NOT NULL;
	//
	// CREATE TABLE "closure_journal_keys" (
	// 	hash BYTEA NOT NULL PRIMARY KEY, -- of the idempotency key
	// 	entry TEXT NOT NULL -- id of the attempt
	// );
	// CREATE INDEX "closure_journal_entry" ON "closure_journal_keys" (entry);
	//
	// CREATE TABLE "closure_journal_appointments" (
	// 	hash BYTEA NOT NULL PRIMARY KEY, -- of the appointment's id
	// 	entry TEXT, -- id of the attempt that booked or moved it
	// 	released BIGINT -- when it was cancelled, in microseconds since 1970
	// );
	// CREATE INDEX "closure_journal_released" ON "closure_journal_appointments" (released) WHERE released IS NOT NULL;
	//
	// INSERT INTO "closure_journal_meta" (name, value) VALUES ('version', '1');
}
