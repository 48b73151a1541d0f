package trust

import (
	"bytes"
	"crypto/sha256"
	b32 "encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// base32 is Crockford's: no i, l, o or u, which look or sound like others.
var base32 = b32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(b32.NoPadding)

// lookAlikes reads what people write for the characters that base32 leaves out.
var lookAlikes = strings.NewReplacer("o", "0", "i", "1", "l", "1")

// checksumSize makes 35 bytes of the body, which are exactly 56 characters. One
// slip of the finger in 16 million goes unnoticed.
const (
	checksumSize = 3
	bodyLen      = (32 + checksumSize) * 8 / 5
)

func encodeBody(prefix string, b [32]byte) string {
	return base32.EncodeToString(append(b[:], checksum(prefix, b)...))
}

// decodeBody reads the part after the prefix. Its errors continue a sentence
// and never quote the body.
func decodeBody(prefix, s string) (b [32]byte, err error) {
	if len(s) != bodyLen {
		return b, fmt.Errorf("has %d characters after %q instead of %d", len(s), prefix, bodyLen)
	}
	raw, err := base32.DecodeString(lookAlikes.Replace(strings.ToLower(s)))
	if err != nil || len(raw) != len(b)+checksumSize { // the decoder skips line breaks
		return b, errors.New("holds a character that no key has")
	}
	copy(b[:], raw)
	if !bytes.Equal(raw[len(b):], checksum(prefix, b)) {
		return b, errors.New("has a wrong character: its checksum does not match")
	}
	return b, nil
}

// checksum covers the prefix too, so that one kind of key never passes for
// another.
func checksum(prefix string, b [32]byte) []byte {
	sum := sha256.Sum256(append([]byte(prefix), b[:]...))
	return sum[:checksumSize]
}
