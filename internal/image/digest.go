package image

import (
	"encoding/hex"
	"fmt"

	"github.com/zeebo/blake3"
)

// A Digest is the BLAKE3-256 of the raw bytes of a block.
type Digest [32]byte

// Sum returns the digest of p. It does not allocate.
func Sum(p []byte) Digest { return blake3.Sum256(p) }

// String returns 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler: 64 hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(b []byte) error {
	id, err := ParseID(string(b))
	*d = Digest(id)
	return err
}

// An ID names an image: the BLAKE3-256 of its manifest, and so of every byte
// of the image.
type ID [32]byte

// String returns 64 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 12 hexadecimal digits, for people.
func (id ID) Short() string { return hex.EncodeToString(id[:6]) }

// ParseID parses what String returns.
func ParseID(s string) (ID, error) {
	var id ID
	if b, err := hex.DecodeString(s); err == nil && len(b) == len(id) {
		return ID(b), nil
	}
	return id, fmt.Errorf("image ID %q: want 64 hexadecimal digits", s)
}

// MarshalText implements encoding.TextMarshaler: what String returns.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: what ParseID does.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}
