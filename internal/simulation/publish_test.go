package simulation

import (
	"testing"

	"github.com/closurehealth/closure-go/internal/tables"
)

// publish logs a table and, if asked to, writes it into the documents.
func publish(t *testing.T, name, text string) {
	t.Helper()
	tables.Publish(t, name, text)
}
