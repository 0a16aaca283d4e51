package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Digest is SHA-256 of an object in the form that docs/fingerprint.md describes byte by byte.
type Digest [sha256.Size]byte

// digester computes digests, one after the other: it keeps the room for the bytes.
type digester struct{ room []byte }

func (d *digester) digest(o *weaviate.Object) Digest {
	out := append(d.room[:0], o.ID[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(o.Created))
	out = binary.BigEndian.AppendUint64(out, uint64(o.Updated))
	out = append(binary.AppendUvarint(out, uint64(len(o.Properties))), o.Properties...)
	out = binary.AppendUvarint(out, uint64(len(o.Vectors)))
	for _, v := range o.Vectors {
		out = append(binary.AppendUvarint(out, uint64(len(v.Name))), v.Name...)
		kind := byte(0)
		if v.Multi {
			kind = 1
		}
		out = append(out, kind)
		out = append(binary.AppendUvarint(out, uint64(len(v.Bytes))), v.Bytes...)
	}
	d.room = out
	return sha256.Sum256(out)
}

// Sum is a sum of digests, each taken as a number, modulo 2^256. The order of the objects does not matter to it, and what was summed up in parts can be added. An exclusive or would not do: there an object
// that is listed twice vanishes, and two objects that are both listed three times look like both listed once.
type Sum [4]uint64 // the lowest 64 bits first

// Add takes one more digest into the sum.
func (s *Sum) Add(d Digest) { s.Merge(sumOf(d)) }

// Merge takes in the digests of another sum.
func (s *Sum) Merge(t Sum) {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], t[i], carry)
	}
}

func sumOf(d Digest) (s Sum) {
	for i := range s {
		s[i] = binary.BigEndian.Uint64(d[24-8*i:])
	}
	return s
}

// MarshalText writes the sum in hexadecimal, the highest digit first.
func (s Sum) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%016x%016x%016x%016x", s[3], s[2], s[1], s[0]), nil
}

// UnmarshalText reads what MarshalText writes, and nothing else.
func (s *Sum) UnmarshalText(text []byte) error {
	var d Digest
	err := d.UnmarshalText(text)
	*s = sumOf(d)
	return err
}

// MarshalText writes the digest in hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads what MarshalText writes, and nothing else.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("a digest has %d hexadecimal digits, and this has %d", hex.EncodedLen(len(d)), len(text))
	}
	for _, c := range text {
		if c >= 'A' && c <= 'F' {
			return fmt.Errorf("a digest is written in small letters")
		}
	}
	_, err := hex.Decode(d[:], text)
	return err
}
