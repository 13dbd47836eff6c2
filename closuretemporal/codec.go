package closuretemporal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

// ClientOptions are base with payloads and failures encrypted by the keyring: what
// goes into and comes out of workflows and activities, updates and signals
// included, and the texts of errors. What comes back in clear is refused, because
// whoever can write into the history could put it there. Search attributes and
// headers are not encrypted; this package doesn't use them.
//
// A keyring that can't be used and a base that has a FailureConverter are a
// [closure.InputError].
func ClientOptions(base client.Options, k Keyring) (client.Options, error) {
	if base.FailureConverter != nil {
		return base, refuse("ClientOptions", "FailureConverter", "is set: it would not be encrypted")
	}
	c, err := newCodec(k)
	if err != nil {
		return base, err
	}
	inner := base.DataConverter
	if inner == nil {
		inner = converter.GetDefaultDataConverter()
	}
	base.DataConverter = inputConverter{converter.NewCodecDataConverter(inner, c)}
	base.FailureConverter = failureConverter{temporal.NewDefaultFailureConverter(
		temporal.DefaultFailureConverterOptions{DataConverter: base.DataConverter, EncodeCommonAttributes: true},
	)}
	return base, nil
}

// NewCodec makes the keyring's codec alone: for a codec server
// (converter.NewPayloadCodecHTTPHandler), by which Temporal's UI shows payloads. Such a
// server shows patients' data: it needs access control. A keyring that can't be used is
// a [closure.InputError].
func NewCodec(k Keyring) (converter.PayloadCodec, error) {
	c, err := newCodec(k)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// An inputConverter hands an input that can't be read to the step that it is of. The SDK
// itself would fail the workflow, or say nothing of whether the activity ran.
type inputConverter struct{ converter.DataConverter }

// An input is embedded in what workflows and activities of this package are given.
type input struct{ unread error }

func (i *input) cannotRead(err error) { i.unread = err }

func (i *input) isUnread() bool { return i.unread != nil }

// FromPayload also refuses that there is no payload.
func (c inputConverter) FromPayload(payload *commonpb.Payload, value any) error {
	if payload == nil {
		return errPlaintext
	}
	return c.DataConverter.FromPayload(payload, value)
}

// FromPayloads also refuses that there are no payloads.
func (c inputConverter) FromPayloads(payloads *commonpb.Payloads, values ...any) error {
	err := c.DataConverter.FromPayloads(payloads, values...)
	if len(values) > 0 && len(payloads.GetPayloads()) == 0 {
		err = errPlaintext
	}
	if err == nil || len(values) != 1 {
		return err
	}
	in, ok := values[0].(interface{ cannotRead(error) })
	if !ok {
		return err
	}
	in.cannotRead(err)
	return nil
}

// WithSerializationContext hands the context to the converter that the caller gave.
func (c inputConverter) WithSerializationContext(ctx converter.SerializationContext) converter.DataConverter {
	inner, ok := c.DataConverter.(converter.DataConverterWithSerializationContext)
	if !ok {
		return c
	}
	return inputConverter{inner.WithSerializationContext(ctx)}
}

// A failureConverter shows no text that came in clear where a worker would have
// encrypted it.
type failureConverter struct{ converter.FailureConverter }

func (c failureConverter) FailureToError(failure *failurepb.Failure) error {
	if failure == nil {
		return nil
	}
	clean, _ := proto.Clone(failure).(*failurepb.Failure)
	for f := clean; f != nil; f = f.GetCause() {
		ofWorker := f.GetApplicationFailureInfo() != nil || f.GetCanceledFailureInfo() != nil
		if ofWorker && f.GetEncodedAttributes() == nil {
			f.Message, f.StackTrace = errPlaintext.Error(), ""
		}
	}
	return c.FailureConverter.FailureToError(clean)
}

// The metadata of an encrypted payload. Both are authenticated with its data.
const (
	encoding   = "closure/aes-256-gcm"
	keyIDField = "encryption-key-id"
)

func additional(keyID string) []byte { return []byte(encoding + "\x00" + keyID) }

// What the codec refuses. None of the texts holds anything of the payload.
var (
	errPlaintext  = errors.New("closuretemporal: a payload is not encrypted")
	errUnknownKey = errors.New("closuretemporal: a payload is encrypted by a key that is not in the keyring")
	errTampered   = errors.New("closuretemporal: a payload can't be decrypted")
)

// codec encrypts payloads one by one by AES-256-GCM, with a random nonce before
// each.
type codec struct {
	current string
	ciphers map[string]cipher.AEAD
}

func newCodec(k Keyring) (*codec, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	c := &codec{current: k.Current, ciphers: make(map[string]cipher.AEAD, len(k.Keys))}
	for id, key := range k.Keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		if c.ciphers[id], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Encode encrypts by the current key.
func (c *codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, func(plain *commonpb.Payload) (*commonpb.Payload, error) {
		data, err := proto.Marshal(plain)
		if err != nil {
			return nil, err
		}
		aead := c.ciphers[c.current]
		nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(data)+aead.Overhead())
		if _, err := rand.Read(nonce); err != nil {
			return nil, err
		}
		return &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding), keyIDField: []byte(c.current)},
			Data:     aead.Seal(nonce, nonce, data, additional(c.current)),
		}, nil
	})
}

// Decode decrypts by the key that the payload names.
func (c *codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, func(sealed *commonpb.Payload) (*commonpb.Payload, error) {
		if string(sealed.GetMetadata()[converter.MetadataEncoding]) != encoding {
			return nil, errPlaintext
		}
		keyID := string(sealed.GetMetadata()[keyIDField])
		aead, ok := c.ciphers[keyID]
		if !ok {
			return nil, errUnknownKey
		}
		size := aead.NonceSize()
		if len(sealed.GetData()) < size {
			return nil, errTampered
		}
		data, err := aead.Open(nil, sealed.GetData()[:size], sealed.GetData()[size:], additional(keyID))
		if err != nil {
			return nil, errTampered
		}
		plain := &commonpb.Payload{}
		if proto.Unmarshal(data, plain) != nil {
			return nil, errTampered
		}
		return plain, nil
	})
}

func each(
	payloads []*commonpb.Payload, convert func(*commonpb.Payload) (*commonpb.Payload, error),
) ([]*commonpb.Payload, error) {
	converted := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		var err error
		if converted[i], err = convert(payload); err != nil {
			return nil, err
		}
	}
	return converted, nil
}
