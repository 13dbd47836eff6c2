package wire

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"unsafe"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The bounds of a list, and the length above which reading checks the context.
const (
	// maxGrowth is how many bytes the records of a list may take for each byte of the text.
	// Even a record that has only an id takes less.
	maxGrowth = 16
	// allowance is how many bytes the records of any list may take.
	allowance = 1 << 20
	// quick is the longest text that is read without checking the context.
	quick = 1 << 20
)

// Reasons why a text was not read, besides the JSON library's errors.
var (
	ErrTooLarge     = errors.New("wire: the records of the list take too much memory")
	ErrContextEnded = errors.New("wire: the context ended")

	errNoList   = errors.New("wire: not a list")
	errNoRecord = errors.New("wire: a record of the list is not one")
)

var byteOrderMark = []byte("\ufeff")

// Read reads exactly one JSON value: strictly and, if that fails, leniently. If the context ends
// while a long text is read, the error is [ErrContextEnded].
func Read[T any](ctx context.Context, data []byte, v *T, lenient *Lenient) error {
	data = bytes.TrimPrefix(data, byteOrderMark)
	err := readOne(ctx, data, v, reading)
	if !mayBeLenient(err) {
		return err
	}
	*v = *new(T)
	return readOne(ctx, data, v, lenient.options)
}

func readOne(ctx context.Context, data []byte, v any, opts json.Options) error {
	if len(data) <= quick {
		return json.Unmarshal(data, v, opts) // Unmarshal reuses its decoders
	}
	dec := newDecoder(ctx, data, opts)
	if err := json.UnmarshalDecode(dec, v); err != nil {
		return err
	}
	return atEnd(dec)
}

// ReadList reads exactly one JSON array like [Read], record by record. It stops at the first
// record that accept refuses. If the records take more than 16 times the bytes of the text, and
// more than 1 MiB, the error is [ErrTooLarge].
func ReadList[T any](ctx context.Context, data []byte, lenient *Lenient, accept func(*T) bool) ([]T, error) {
	data = bytes.TrimPrefix(data, byteOrderMark)
	l := &list[T]{ctx: ctx, data: data, accept: accept, records: []T{}}
	err := readOne(ctx, data, l, reading)
	if l.refused == nil && mayBeLenient(err) {
		l.records = []T{}
		err = readOne(ctx, data, l, lenient.options)
	}
	if err := cmp.Or(l.refused, err); err != nil {
		return nil, err
	}
	return l.records, nil
}

// A list unmarshals itself, so that it can check each record as soon as it is read.
type list[T any] struct {
	ctx     context.Context
	data    []byte
	accept  func(*T) bool
	records []T
	refused error // set if a second try won't help
}

// UnmarshalJSONFrom reads the array.
func (l *list[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if err := openList(dec); err != nil {
		l.refused = err
		return err
	}
	for dec.PeekKind() != ']' {
		if len(l.records) == cap(l.records) {
			if l.refused = l.grow(dec.InputOffset()); l.refused != nil {
				return l.refused
			}
		}
		n := len(l.records)
		l.records = l.records[:n+1] // the new element is zero, because nothing was written there before
		if err := json.UnmarshalDecode(dec, &l.records[n]); err != nil {
			return err
		}
		if !l.accept(&l.records[n]) {
			l.refused = errNoRecord
			return errNoRecord
		}
	}
	_, err := dec.ReadToken()
	return err
}

func openList(dec *jsontext.Decoder) error {
	start, err := dec.ReadToken()
	if err == nil && start.Kind() != '[' {
		return errNoList
	}
	return err
}

// grow makes room for more records. It estimates their number from the records that end before
// the offset. If that many would take much memory, it counts them instead.
func (l *list[T]) grow(offset int64) error {
	n, size, length := int64(len(l.records)), int64(unsafe.Sizeof(*new(T))), int64(len(l.data))
	room := n + n/4 + 1
	if n > 0 {
		room = max(room, n*length/offset+1)
	}
	if room*size > allowance {
		count, err := countRecords(l.ctx, l.data)
		if err != nil {
			return err
		}
		if count*size > maxGrowth*length+allowance {
			return ErrTooLarge
		}
		room = count
	}
	records := make([]T, n, room)
	copy(records, l.records)
	l.records = records
	return nil
}

func countRecords(ctx context.Context, data []byte) (n int64, err error) {
	dec := newDecoder(ctx, data, reading)
	if err := openList(dec); err != nil {
		return 0, err
	}
	for ; dec.PeekKind() != ']'; n++ {
		if err := dec.SkipValue(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// atEnd returns an error unless only white space is left.
func atEnd(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("wire: text after the end"), err)
	}
	return nil
}

// mayBeLenient reports whether the text is valid JSON that doesn't fit the type.
func mayBeLenient(err error) bool {
	_, ok := errors.AsType[*json.SemanticError](err)
	return ok
}

// newDecoder returns a decoder that checks the context every few KiB of a long text.
func newDecoder(ctx context.Context, data []byte, opts json.Options) *jsontext.Decoder {
	if len(data) <= quick {
		return jsontext.NewDecoder(bytes.NewBuffer(data), opts) // doesn't copy the text
	}
	return jsontext.NewDecoder(&contextReader{ctx, *bytes.NewReader(data)}, opts)
}

type contextReader struct {
	ctx context.Context
	bytes.Reader
}

func (r *contextReader) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, ErrContextEnded
	}
	return r.Reader.Read(b)
}

// Texts reads the first max strings of an array, or a single string. A value that isn't a
// string becomes the text of its JSON, without white space.
func Texts(data []byte, max int) []string {
	dec := newDecoder(context.Background(), data, reading)
	if dec.PeekKind() == '[' {
		_, _ = dec.ReadToken()
	}
	var texts []string
	for len(texts) < max {
		value, err := dec.ReadValue()
		if err != nil {
			break // the end of the array
		}
		texts = append(texts, textOf(value))
	}
	return texts
}

func textOf(value jsontext.Value) string {
	switch value.Kind() {
	case '"':
		text, _ := jsontext.AppendUnquote(nil, value) // the only error is invalid UTF-8, which is replaced
		return string(text)
	default:
		compact := value.Clone()
		_ = compact.Compact(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) // can't fail, because the value is valid JSON
		return string(compact)
	}
}
