package closuresql_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go/closuresql"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, closuresql.KeySize) }

func TestKeysetRefusesKeys(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]struct {
		hash  []byte
		seals [][]byte
	}{
		"no key to seal with":       {key(1), nil},
		"a short hash key":          {key(1)[1:], [][]byte{key(2)}},
		"a short sealing key":       {key(1), [][]byte{key(2), key(3)[1:]}},
		"a hash key of zeros":       {key(0), [][]byte{key(2)}},
		"a sealing key of zeros":    {key(1), [][]byte{key(0)}},
		"one key for both purposes": {key(1), [][]byte{key(1)}},
	} {
		if _, err := closuresql.NewKeyset(keys.hash, keys.seals...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestKeysetPrintsNothing(t *testing.T) {
	t.Parallel()
	k, err := closuresql.NewKeyset(key('h'), key('s'))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		fmt.Fprintf(&text, format+"\n", k)
		fmt.Fprintf(&text, format+"\n", &k)
		fmt.Fprintf(&text, format+"\n", struct{ K closuresql.Keyset }{k})
		fmt.Fprintf(&text, format+"\n", struct{ k closuresql.Keyset }{k})
	}
	slog.New(slog.NewTextHandler(&text, nil)).Info("", "keyset", k)
	for _, secret := range []string{"hhhh", "ssss", "6868", "7373", "104 104", "115 115"} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("a keyset prints its keys: %q", secret)
		}
	}
}
