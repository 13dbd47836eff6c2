package closuretemporal

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// JSON can't express a zone whose offset has seconds, and would book another start.
func TestOrderKeepsItsStart(t *testing.T) {
	t.Parallel()
	start := time.Date(2022, time.May, 20, 17, 0, 0, 0, time.UTC)
	text, err := json.Marshal(slotOrder(closure.BookSlotParams{StartAt: start.In(time.FixedZone("seconds", 31))}))
	var read order
	if err != nil || json.Unmarshal(text, &read) != nil || !read.Slot.StartAt.Equal(start) {
		t.Errorf("%s: %v", text, err)
	}
}
