package closuretemporal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strconv"

	"github.com/closurehealth/closure-go"
)

// A Keyring encrypts what Temporal stores, and names the workflows. All workers
// and programs of a namespace share one. It prints redacted.
//
// To rotate, first give all of them the new key in Keys, then make it Current.
// Remove the old one when the last workflow that used it is past the namespace's
// retention. A key may encrypt 2^32 payloads: rotate it well before that.
type Keyring struct {
	Current string            // the key of Keys that encrypts; its name is stored in clear
	Keys    map[string][]byte // by name; 32 random bytes each (AES-256-GCM); all of them decrypt

	// IDKey turns what is booked into workflow ids. It has at least 32 random bytes.
	// Never rotate it: with another one, a booking under way is not found, and is sent
	// again.
	IDKey []byte
}

// Format prints no more than the type, under every verb.
func (k Keyring) Format(f fmt.State, _ rune) { printRedacted(f, "Keyring") }

// LogValue shows no more than the type.
func (k Keyring) LogValue() slog.Value { return redactedValue("Keyring") }

func printRedacted(f fmt.State, name string) { _, _ = io.WriteString(f, redactedText(name)) }

func redactedValue(name string) slog.Value { return slog.StringValue(redactedText(name)) }

func redactedText(name string) string { return "closuretemporal." + name + "{redacted}" }

const keySize = 32

func (k Keyring) check() error {
	if len(k.IDKey) < keySize {
		return refuse("Keyring", "IDKey", "is shorter than 32 bytes")
	}
	if _, ok := k.Keys[k.Current]; !ok {
		return refuse("Keyring", "Current", "is not a name in Keys")
	}
	if isZero(k.IDKey) {
		return refuse("Keyring", "IDKey", "is all zeros")
	}
	for name, key := range k.Keys {
		switch {
		case name == "":
			return refuse("Keyring", "Keys", "holds a key without a name")
		case len(key) != keySize:
			return refuse("Keyring", "Keys", "holds a key that is not 32 bytes long")
		case isZero(key):
			return refuse("Keyring", "Keys", "holds a key that is all zeros")
		case bytes.Equal(key, k.IDKey):
			return refuse("Keyring", "IDKey", "is also in Keys")
		}
	}
	return nil
}

func isZero(key []byte) bool { return len(bytes.Trim(key, "\x00")) == 0 }

// clone returns a copy that shares no bytes with the caller's keyring.
func (k Keyring) clone() Keyring {
	k.IDKey, k.Keys = bytes.Clone(k.IDKey), maps.Clone(k.Keys)
	for name, key := range k.Keys {
		k.Keys[name] = bytes.Clone(key)
	}
	return k
}

func refuse(op, field, reason string) error {
	return &closure.InputError{Op: op, Field: field, Reason: reason}
}

// hash returns the same text for the same parts, and the text reveals nothing about them.
// Each part is hashed with its length, so that no two lists of parts are the same bytes.
func (k Keyring) hash(parts ...string) string {
	mac := hmac.New(sha256.New, k.IDKey)
	for _, part := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return hex.EncodeToString(mac.Sum(nil)[:20])
}

// workflowID returns the id for the idempotency key or, without one, for the patient,
// schedule and start.
func (k Keyring) workflowID(o order, after string) string {
	parts := []string{"booking", "key", o.Key, after}
	if o.Key == "" {
		start := strconv.FormatInt(o.Slot.StartAt.UnixMilli(), 10)
		parts = []string{"booking", "slot", string(o.Patient), string(o.Slot.Schedule), start, after}
	}
	return "closure-booking-" + k.hash(parts...)
}

// fingerprint shows whether an idempotency key is used again for the same booking or for
// another one.
func (k Keyring) fingerprint(o order) string {
	if o.Slot == nil {
		return k.hash("wish", string(o.Patient))
	}
	start := strconv.FormatInt(o.Slot.StartAt.UnixMilli(), 10)
	return k.hash("wish", string(o.Patient), string(o.Slot.Schedule), start)
}
