package simulation

import (
	"hash/fnv"
	"io"
	"math/bits"
	"time"
)

// dice are random numbers that depend only on a name, such as (seed, patient, request), and
// not on what was drawn elsewhere.
type dice struct{ state uint64 }

func newDice(name ...uint64) *dice {
	d := &dice{state: 0x9e3779b97f4a7c15}
	for _, part := range name {
		d.state = mix(d.state ^ part)
	}
	return d
}

// mix is the last step of splitmix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	return mix(d.state)
}

// below returns a number from 0 to n-1.
func (d *dice) below(n int) int {
	high, _ := bits.Mul64(d.next(), uint64(n))
	return int(high)
}

func (d *dice) chance(p float64) bool { return float64(d.next()>>11)/(1<<53) < p }

// between returns a duration from least up to most. It has nanoseconds, so that no two things
// happen at the same instant.
func (d *dice) between(least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(d.below(int(most-least)))
}

func pick[T any](d *dice, from []T) T { return from[d.below(len(from))] }

func hash(texts ...string) uint64 {
	h := fnv.New64a()
	for _, text := range texts {
		_, _ = io.WriteString(h, text) // can't fail
		_, _ = h.Write([]byte{0xff})
	}
	return h.Sum64()
}
