package adversary

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// An hpackReader decodes the header blocks (RFC 7541) of one connection. Of the static table
// it knows only the names and values that the adversary needs.
type hpackReader struct {
	dynamic []field // the newest first
}

type field struct{ name, value string }

// static is the needed part of the static table; the rest decodes as "".
var static = map[int]field{
	2: {":method", "GET"},
	3: {":method", "POST"},
	4: {":path", "/"},
	5: {":path", "/index.html"},
}

const (
	staticEntries  = 61
	dynamicEntries = 4096 / 32 // the most entries that fit; it is harmless to keep more than the writer does
)

var errHPACK = errors.New("adversary: broken header block")

// fields decodes one header block.
func (r *hpackReader) fields(block []byte) ([]field, error) {
	var fields []field
	for len(block) > 0 {
		var f field
		var err error
		first := block[0]
		switch {
		case first&0x80 != 0: // indexed
			var index int
			if index, block, err = hpackInt(block, 7); err == nil {
				f, err = r.at(index)
			}
		case first&0xe0 == 0x20: // table size update
			if _, block, err = hpackInt(block, 5); err == nil {
				continue
			}
		case first&0xc0 == 0x40: // literal, with indexing
			if f, block, err = r.literal(block, 6); err == nil {
				r.remember(f)
			}
		default: // literal, without indexing
			f, block, err = r.literal(block, 4)
		}
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func (r *hpackReader) at(index int) (field, error) {
	if index <= staticEntries {
		return static[index], nil
	}
	if index -= staticEntries + 1; index < len(r.dynamic) {
		return r.dynamic[index], nil
	}
	return field{}, errHPACK
}

func (r *hpackReader) remember(f field) {
	r.dynamic = append([]field{f}, r.dynamic[:min(len(r.dynamic), dynamicEntries)]...)
}

func (r *hpackReader) literal(block []byte, prefix int) (f field, rest []byte, err error) {
	index, rest, err := hpackInt(block, prefix)
	if err != nil {
		return f, nil, err
	}
	if index > 0 {
		f, err = r.at(index)
	} else {
		f.name, rest, err = hpackText(rest)
	}
	if err == nil {
		f.value, rest, err = hpackText(rest)
	}
	return f, rest, err
}

func hpackInt(block []byte, prefix int) (n int, rest []byte, err error) {
	if len(block) == 0 {
		return 0, nil, errHPACK
	}
	limit := 1<<prefix - 1
	n, rest = int(block[0])&limit, block[1:]
	if n < limit {
		return n, rest, nil
	}
	for shift := 0; len(rest) > 0 && shift < 28; shift += 7 {
		b := rest[0]
		rest = rest[1:]
		n += int(b&0x7f) << shift
		if b&0x80 == 0 {
			return n, rest, nil
		}
	}
	return 0, nil, errHPACK
}

func hpackText(block []byte) (text string, rest []byte, err error) {
	n, rest, err := hpackInt(block, 7)
	if err != nil || n > len(rest) {
		return "", nil, errHPACK
	}
	raw, rest := rest[:n], rest[n:]
	if block[0]&0x80 != 0 {
		return unhuffman(raw), rest, nil
	}
	return string(raw), rest, nil
}

// huffmanLengths are the lengths of the codes of RFC 7541, appendix B, with 'A' for 5 bits.
// The code is canonical, so the codes follow from their lengths.
const huffmanLengths = "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHF" +
	"IBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIX" +
	"PRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRS" +
	"VVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWV"

// huffmanCodes maps (length, code) to the byte.
var huffmanCodes = func() map[[2]int]byte {
	codes, code := map[[2]int]byte{}, 0
	for length := 5; length <= 30; length++ {
		code <<= 1
		for b := range huffmanLengths {
			if int(huffmanLengths[b]-'A')+5 == length {
				codes[[2]int{length, code}] = byte(b)
				code++
			}
		}
	}
	return codes
}()

func unhuffman(raw []byte) string {
	var text strings.Builder
	length, code := 0, 0
	for i := range 8 * len(raw) {
		code = code<<1 | int(raw[i/8]>>(7-i%8))&1
		length++
		if b, found := huffmanCodes[[2]int{length, code}]; found {
			text.WriteByte(b)
			length, code = 0, 0
		}
	}
	return text.String() // the rest is padding
}

// appendText writes an HPACK string without Huffman coding.
func appendText(block []byte, text string) []byte {
	if len(text) < 0x7f {
		return append(append(block, byte(len(text))), text...)
	}
	block = append(block, 0x7f)
	n := len(text) - 0x7f
	for ; n >= 0x80; n >>= 7 {
		block = append(block, byte(n)|0x80)
	}
	return append(append(block, byte(n)), text...)
}

// appendField writes a field without indexing.
func appendField(block []byte, name, value string) []byte {
	return appendText(appendText(append(block, 0), name), value)
}

// TestHPACK decodes the requests of RFC 7541, C.4.
func TestHPACK(t *testing.T) {
	var r hpackReader
	for _, c := range []struct{ block, path, last string }{
		{"828684418cf1e3c2e5f23a6ba0ab90f4ff", "/", "www.example.com"},
		{"828684be5886a8eb10649cbf", "/", "no-cache"},
		{"828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", "/index.html", "custom-value"},
	} {
		block, _ := hex.DecodeString(c.block)
		fields, err := r.fields(block)
		if err != nil || fields[0].value != "GET" || fields[2].value != c.path || fields[len(fields)-1].value != c.last {
			t.Errorf("%s: %v, %v", c.block, fields, err)
		}
	}
}
