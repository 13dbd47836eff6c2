package outside

import (
	"testing"

	closure "github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func TestJournalOfTheseTestsConforms(t *testing.T) {
	t.Parallel()
	j := newJournal()
	closuretest.TestJournal(t, func() closure.Journal { return j })
}
