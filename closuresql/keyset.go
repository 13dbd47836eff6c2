package closuresql

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
)

// What is wrong with an entry, or with a table. Neither text says anything of the
// entry.
var (
	// ErrWrongKey says that it was written with another keyset, or with none.
	ErrWrongKey = errors.New(
		"closuresql: this was written with another keyset, or with none: open it with the same")
	// ErrDamaged says that an entry isn't what was written: it was cut short, changed,
	// or moved to another row.
	ErrDamaged = errors.New("closuresql: an entry is not what was written")
)

// KeySize is the length of each key of a [Keyset], in bytes.
const KeySize = 32

// A Keyset seals entries, by AES-256-GCM, and hashes what must be unique, by
// HMAC-SHA-256, both of the standard library. It prints nothing of its keys. The
// zero Keyset has none.
type Keyset struct {
	keys func() *keys // a function, so that no verb prints them where the Keyset is a field
}

type keys struct {
	hash  []byte
	seals []seal
}

// A seal is one key that seals, with its name in what it sealed.
type seal struct {
	id   []byte
	aead cipher.AEAD
}

const sealIDSize = 8

// NewKeyset makes a keyset of keys of [KeySize] random bytes each.
//
// The first sealing key seals what is written; all of them open what they sealed. To
// rotate, put a new one in front and keep the old ones for as long as their entries
// are there: give all processes the new key as a second one first, and then as the
// first one. hash must never change, and all processes must share it: with another
// hash key, existing entries are not found.
func NewKeyset(hash []byte, seals ...[]byte) (Keyset, error) {
	if len(seals) == 0 {
		return Keyset{}, errors.New("closuresql: NewKeyset: there is no key to seal with")
	}
	if !usable(hash) {
		return Keyset{}, fmt.Errorf("closuresql: NewKeyset: the hash key is not of %d random bytes", KeySize)
	}
	k := &keys{hash: bytes.Clone(hash)}
	for i, key := range seals {
		if !usable(key) {
			return Keyset{}, fmt.Errorf("closuresql: NewKeyset: sealing key %d is not of %d random bytes", i+1, KeySize)
		}
		if hmac.Equal(key, hash) {
			return Keyset{}, errors.New("closuresql: NewKeyset: a sealing key is the hash key")
		}
		s, err := newSeal(key)
		if err != nil {
			return Keyset{}, fmt.Errorf("closuresql: NewKeyset: %w", err)
		}
		k.seals = append(k.seals, s)
	}
	return Keyset{func() *keys { return k }}, nil
}

// usable refuses a key of another length, and one that nobody has filled in.
func usable(key []byte) bool {
	return len(key) == KeySize && !hmac.Equal(key, make([]byte, KeySize))
}

func newSeal(key []byte) (s seal, err error) {
	if s.id, err = hkdf.Expand(sha256.New, key, "closuresql: name of a key", sealIDSize); err != nil {
		return s, err
	}
	derived, err := hkdf.Expand(sha256.New, key, "closuresql: AES-256-GCM", KeySize)
	if err != nil {
		return s, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return s, err
	}
	s.aead, err = cipher.NewGCMWithRandomNonce(block)
	return s, err
}

// Format prints that it is a keyset, under every verb.
func (k Keyset) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("closuresql.Keyset")) }

// LogValue shows that it is a keyset.
func (k Keyset) LogValue() slog.Value { return slog.StringValue("closuresql.Keyset") }

func (k Keyset) sealed() bool { return k.keys != nil }

// hash is what a unique column holds of the parts. Without a keyset it has no key.
func (k Keyset) hash(of string, parts ...string) []byte {
	h := sha256.New()
	if k.sealed() {
		h = hmac.New(sha256.New, k.keys().hash)
	}
	writeParts(h.Write, of, parts)
	return h.Sum(nil)
}

// bound is what sealed bytes are bound to.
func bound(to string, parts ...string) []byte {
	var b bytes.Buffer
	writeParts(b.Write, to, parts)
	return b.Bytes()
}

// writeParts writes parts so that no others give the same bytes.
func writeParts(write func([]byte) (int, error), label string, parts []string) {
	for _, part := range append([]string{label}, parts...) {
		_, _ = write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		_, _ = write([]byte(part))
	}
}

// The first byte of what is written.
const (
	inClear = 0
	isSeal  = 1
)

// seal seals text, bound to what must be beside it.
func (k Keyset) seal(text, boundTo []byte) []byte {
	if !k.sealed() {
		return append([]byte{inClear}, text...)
	}
	with := k.keys().seals[0]
	written := append([]byte{isSeal}, with.id...)
	return with.aead.Seal(written, nil, text, boundTo)
}

// open opens what seal returned.
func (k Keyset) open(written, boundTo []byte) ([]byte, error) {
	switch {
	case len(written) == 0:
		return nil, ErrDamaged
	case written[0] == inClear && !k.sealed():
		return written[1:], nil
	case written[0] == isSeal && !k.sealed():
		return nil, ErrWrongKey
	case written[0] != isSeal || len(written) < 1+sealIDSize:
		return nil, ErrDamaged
	}
	id, sealed := written[1:1+sealIDSize], written[1+sealIDSize:]
	for _, s := range k.keys().seals {
		if !bytes.Equal(s.id, id) {
			continue
		}
		text, err := s.aead.Open(nil, nil, sealed, boundTo)
		if err != nil {
			return nil, ErrDamaged
		}
		return text, nil
	}
	return nil, ErrWrongKey
}
