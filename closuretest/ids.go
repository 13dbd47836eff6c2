package closuretest

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
)

// The alphabet and the length of the guide's ids.
const (
	idAlphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	idLength   = 22
)

// stream returns the random numbers of a seed and a name. Every record has its own stream, so
// that its draws do not depend on those of other records.
func stream(seed uint64, name ...string) *rand.Rand {
	return rand.New(rand.NewPCG(seed, digest(name...)))
}

// digest makes a number from a list of texts, the same one on every machine.
func digest(texts ...string) uint64 {
	h := fnv.New64a()
	for _, text := range texts {
		_, _ = h.Write([]byte(text)) // a hash never fails
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}

// makeID makes the id of a record from the seed and the record's data, and not from how many
// were made before: concurrent calls get the same ids in any order. If the id is taken, it
// tries the next one.
func makeID[ID ~string](seed uint64, prefix string, taken func(ID) bool, name ...string) ID {
	for n := 0; ; n++ {
		rng := stream(seed, append([]string{prefix, strconv.Itoa(n)}, name...)...)
		id := append(make([]byte, 0, len(prefix)+idLength), prefix...)
		for range idLength {
			id = append(id, idAlphabet[rng.IntN(len(idAlphabet))])
		}
		if !taken(ID(id)) {
			return ID(id)
		}
	}
}
