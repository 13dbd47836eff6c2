package closuretemporal

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/closurehealth/closure-go"
)

func options(t *testing.T, k Keyring) client.Options {
	t.Helper()
	set, err := ClientOptions(client.Options{}, k)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestPayloadsAreEncrypted(t *testing.T) {
	dc := options(t, testKeyring()).DataConverter
	payloads, err := dc.ToPayloads(bookingInput{Order: slotOrder(guide())})
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := proto.Marshal(payloads)
	for _, secret := range []string{"pt_", "sch_", "2022", "patient"} {
		if bytes.Contains(stored, []byte(secret)) {
			t.Errorf("the stored payload shows %q", secret)
		}
	}
	var read bookingInput
	if err := dc.FromPayloads(payloads, &read); err != nil || read.Order.Patient != guide().PatientID {
		t.Errorf("%+v, %v", read, err)
	}
}

func TestTheSameIsNeverEncryptedToTheSame(t *testing.T) {
	dc := options(t, testKeyring()).DataConverter
	one, _ := dc.ToPayload("pt_1")
	two, _ := dc.ToPayload("pt_1")
	if bytes.Equal(one.Data, two.Data) {
		t.Error("they are equal")
	}
}

func TestWhatIsNotFromTheKeyringIsRefused(t *testing.T) {
	dc := options(t, testKeyring()).DataConverter
	sealed := func() *commonpb.Payload {
		payload, err := dc.ToPayload("pt_1")
		if err != nil {
			t.Fatal(err)
		}
		return payload
	}
	plain, _ := converter.GetDefaultDataConverter().ToPayload("pt_1")
	renamed, flipped, short, disguised, unbound := sealed(), sealed(), sealed(), sealed(), sealed()
	renamed.Metadata[keyIDField] = []byte("another")
	c, _ := newCodec(testKeyring())
	unbound.Data = c.ciphers["a"].Seal(unbound.Data[:12], unbound.Data[:12], nil, []byte(encoding+"\x00b"))
	flipped.Data[len(flipped.Data)-1] ^= 1
	short.Data = short.Data[:5]
	disguised.Metadata[converter.MetadataEncoding] = []byte("json/plain")
	for _, tt := range []struct {
		name    string
		payload *commonpb.Payload
		want    error
	}{
		{"in clear", plain, errPlaintext},
		{"empty", &commonpb.Payload{}, errPlaintext},
		{"another encoding", disguised, errPlaintext},
		{"an unknown key", renamed, errUnknownKey},
		{"changed", flipped, errTampered},
		{"cut short", short, errTampered},
		{"sealed under another key's name", unbound, errTampered},
		{"nil", nil, errPlaintext},
	} {
		var read string
		if err := dc.FromPayload(tt.payload, &read); !errors.Is(err, tt.want) || read != "" {
			t.Errorf("%s: %q, %v, want %v", tt.name, read, err, tt.want)
		}
	}
}

func TestAnOldKeyStillDecrypts(t *testing.T) {
	old := testKeyring()
	payload, _ := options(t, old).DataConverter.ToPayload("pt_1")
	rotated := testKeyring()
	rotated.Current = "b"
	dc := options(t, rotated).DataConverter
	var read string
	if err := dc.FromPayload(payload, &read); err != nil || read != "pt_1" {
		t.Errorf("%q, %v", read, err)
	}
	if payload, _ = dc.ToPayload("pt_1"); string(payload.Metadata[keyIDField]) != "b" {
		t.Errorf("encrypted by %s", payload.Metadata[keyIDField])
	}
}

func TestFailuresAreEncrypted(t *testing.T) {
	set := options(t, testKeyring())
	failure := set.FailureConverter.ErrorToFailure(temporal.NewApplicationError("pt_1 was refused", "T", "pt_1"))
	if stored, _ := proto.Marshal(failure); bytes.Contains(stored, []byte("pt_1")) {
		t.Error("the stored failure shows the patient")
	}
}

func TestClientOptionsRefuse(t *testing.T) {
	for name, spoil := range map[string]func(*Keyring, *client.Options){
		"no id key":                    func(k *Keyring, _ *client.Options) { k.IDKey = nil },
		"no current key":               func(k *Keyring, _ *client.Options) { k.Current = "c" },
		"a short key":                  func(k *Keyring, _ *client.Options) { k.Keys["b"] = k.Keys["b"][:16] },
		"an id key of zeros":           func(k *Keyring, _ *client.Options) { clear(k.IDKey) },
		"a key of zeros":               func(k *Keyring, _ *client.Options) { clear(k.Keys["b"]) },
		"a key without a name":         func(k *Keyring, _ *client.Options) { k.Keys[""] = k.Keys["b"] },
		"an id key that encrypts, too": func(k *Keyring, _ *client.Options) { k.IDKey = k.Keys["b"] },
		"a failure converter": func(_ *Keyring, o *client.Options) {
			o.FailureConverter = temporal.GetDefaultFailureConverter()
		},
	} {
		k, base := testKeyring(), client.Options{}
		spoil(&k, &base)
		if _, err := ClientOptions(base, k); !errors.Is(err, closure.ErrInvalidInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWorkflowIDs(t *testing.T) {
	k := testKeyring()
	id := func(change func(*closure.BookSlotParams)) string {
		p := guide()
		change(&p)
		return k.workflowID(slotOrder(p), "")
	}
	same := func(*closure.BookSlotParams) {}
	keyed := func(p *closure.BookSlotParams) { p.IdempotencyKey = "order-1" }
	ids := map[string]string{
		id(same):  "the slot",
		id(keyed): "the key",
		id(func(p *closure.BookSlotParams) { p.PatientID = "pt_2" }):                   "another patient",
		id(func(p *closure.BookSlotParams) { p.ScheduleID = "sch_2" }):                 "another schedule",
		id(func(p *closure.BookSlotParams) { p.StartAt = p.StartAt.Add(time.Minute) }): "another start",
		id(func(p *closure.BookSlotParams) { p.IdempotencyKey = "order-2" }):           "another key",
		k.workflowID(slotOrder(guide()), "closure-booking-1"):                          "again",
		Keyring{IDKey: make([]byte, keySize)}.workflowID(slotOrder(guide()), ""):       "another IDKey",
		k.workflowID(order{Patient: "p", Slot: &slot{Schedule: "ab"}}, ""):             "parts that",
		k.workflowID(order{Patient: "pa", Slot: &slot{Schedule: "b"}}, ""):             "join alike",
	}
	if len(ids) != 10 {
		t.Errorf("%d different ids, want 10: %v", len(ids), ids)
	}
	for id, name := range ids {
		if !regexp.MustCompile("^closure-booking-[0-9a-f]{40}$").MatchString(id) {
			t.Errorf("%s: %s", name, id)
		}
	}
	other := id(func(p *closure.BookSlotParams) { p.StartAt = p.StartAt.In(time.FixedZone("", 3600)) })
	if other != id(same) {
		t.Error("the same instant in another zone has another id")
	}
}

func TestTheKeyringIsCopied(t *testing.T) {
	c, err := client.NewLazyClient(client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := testKeyring()
	set := options(t, k)
	bookings, err := New(c, "queue", k, Policy{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range k.Keys {
		clear(key)
	}
	clear(k.IDKey)
	clear(k.Keys)
	kept, want := bookings.keyring, testKeyring()
	if kept.workflowID(slotOrder(guide()), "") != want.workflowID(slotOrder(guide()), "") {
		t.Error("the ids change with the caller's IDKey")
	}
	if !bytes.Equal(kept.Keys["a"], want.Keys["a"]) || len(kept.Keys) != 2 {
		t.Error("the keys change with the caller's")
	}
	var read string
	payload, _ := set.DataConverter.ToPayload("pt_1")
	if err := options(t, want).DataConverter.FromPayload(payload, &read); err != nil {
		t.Errorf("the converter's key changes with the caller's: %v", err)
	}
}

func TestNothingPrints(t *testing.T) {
	k := testKeyring()
	k.Keys["a"][1] = 211
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%t"} {
		text := fmt.Sprintf(verb+verb+verb, k, &k, Booked("appt_1"))
		if bytes.ContainsAny([]byte(text), "0123456789") {
			t.Errorf("%s: %s", verb, text)
		}
	}
	if k.LogValue().String() != "closuretemporal.Keyring{redacted}" {
		t.Error(k.LogValue())
	}
}
