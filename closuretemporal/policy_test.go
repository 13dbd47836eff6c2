package closuretemporal

import (
	"errors"
	"math"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/closurehealth/closure-go"
)

func TestPolicies(t *testing.T) {
	c, err := client.NewLazyClient(client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		policy Policy
		field  string // empty: it can be used
	}{
		{"defaults", Policy{}, ""},
		{"the least", Policy{SendTimeout: 2 * time.Second, FirstLook: time.Second, MaxWait: time.Second}, ""},
		{"a year", Policy{FirstLook: 8760 * time.Hour, EscalateAfter: 8760 * time.Hour}, ""},
		{"a short SendTimeout", Policy{SendTimeout: time.Second}, "Policy.SendTimeout"},
		{"a short FirstLook", Policy{FirstLook: 999 * time.Millisecond}, "Policy.FirstLook"},
		{"a short MaxWait", Policy{MaxWait: 1}, "Policy.MaxWait"},
		{"a negative GiveUpSending", Policy{GiveUpSending: -1}, "Policy.GiveUpSending"},
		{"a negative AssumeLostAfter", Policy{AssumeLostAfter: -1}, "Policy.AssumeLostAfter"},
		{"an endless FirstLook", Policy{FirstLook: math.MaxInt64}, "Policy.FirstLook"},
		{"an endless MaxWait", Policy{MaxWait: math.MaxInt64}, "Policy.MaxWait"},
		{"an endless SendTimeout", Policy{SendTimeout: math.MaxInt64}, "Policy.SendTimeout"},
		{"an endless EscalateAfter", Policy{EscalateAfter: math.MaxInt64}, "Policy.EscalateAfter"},
	} {
		_, err := New(c, "queue", testKeyring(), tt.policy)
		refused, _ := errors.AsType[*closure.InputError](err)
		if (err == nil) != (tt.field == "") || refused != nil && refused.Field != tt.field {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.field)
		}
	}
}
