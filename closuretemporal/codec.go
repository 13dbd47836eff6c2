package closuretemporal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

// ClientOptions are base with payloads and failures encrypted by the keyring: what
// goes into and comes out of workflows and activities, updates and signals
// included, and the texts of errors. What comes back in clear is refused, because
// whoever can write into the history could put it there. Search attributes and
// headers are not encrypted; this package uses none.
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
	base.DataConverter = converter.NewCodecDataConverter(inner, c)
	base.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter:          base.DataConverter,
		EncodeCommonAttributes: true,
	})
	return base, nil
}

// The metadata of an encrypted payload, as in Temporal's own samples, so that
// their codec servers read it.
const (
	encoding   = "binary/encrypted"
	keyIDField = "encryption-key-id"
)

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
			Data:     aead.Seal(nonce, nonce, data, nil),
		}, nil
	})
}

// Decode decrypts by the key that the payload names.
func (c *codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, func(sealed *commonpb.Payload) (*commonpb.Payload, error) {
		if string(sealed.GetMetadata()[converter.MetadataEncoding]) != encoding {
			return nil, errPlaintext
		}
		aead, ok := c.ciphers[string(sealed.GetMetadata()[keyIDField])]
		if !ok {
			return nil, errUnknownKey
		}
		size := aead.NonceSize()
		if len(sealed.GetData()) < size {
			return nil, errTampered
		}
		data, err := aead.Open(nil, sealed.GetData()[:size], sealed.GetData()[size:], nil)
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
