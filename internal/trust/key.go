// Package trust holds who may say what goes onto a disk: a sender's Ed25519 key,
// and the keys a receiver accepts.
//
// A sender makes its key at first start. It signs its announcements; these bind
// an image ID, and the image ID binds every byte. A receiver knows the sender's
// public key from the ramdisk it was built into, from the command line, or from
// a person who compared the fingerprint.
package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// Sizes in bytes.
const (
	PublicKeySize = ed25519.PublicKeySize
	SignatureSize = ed25519.SignatureSize
)

// Each textual form is a prefix, which says what it is and in which version, and
// a body: 32 bytes and a checksum in base 32. No form holds anything that a
// shell, a kernel command line or a URL would treat specially.
const (
	publicPrefix = "pxecast1-"
	secretPrefix = "PXECAST-SECRET-KEY-1-"
)

// A Context says what a signature is about, such as "pxecast announcement v1".
// A signature made in one context is worthless in another (RFC 8032 §5.1,
// Ed25519ctx). It must have 1 to 255 bytes.
type Context string

// A Signature is an Ed25519ctx signature.
type Signature [SignatureSize]byte

// A PublicKey is a sender's Ed25519 public key. Any 32 bytes are one, so that
// what comes from the network can be held against a [Keyring].
type PublicKey [PublicKeySize]byte

// ParsePublicKey reads the form that [PublicKey.String] writes. Letters may be
// of either case, and o, i and l pass for 0, 1 and 1, for keys that were typed.
func ParsePublicKey(s string) (PublicKey, error) {
	if hasPrefixFold(s, secretPrefix) {
		return PublicKey{}, errors.New("this is a secret key, it must not leave its sender: use the public key that `pxecast key` shows there")
	}
	if !hasPrefixFold(s, publicPrefix) {
		return PublicKey{}, fmt.Errorf("not a public key: it does not start with %q: use the one that `pxecast key` shows on the sender", publicPrefix)
	}
	body, err := decodeBody(publicPrefix, s[len(publicPrefix):])
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key %w: copy it again from `pxecast key` on the sender", err)
	}
	return PublicKey(body), nil
}

// String returns the key as one word of 65 characters, 0-9, a-z and one hyphen.
func (p PublicKey) String() string { return publicPrefix + encodeBody(publicPrefix, p) }

// Fingerprint returns 80 bits of the key's SHA-256 in four groups of four
// characters, for people to compare by eye or over the phone: "t3hx-09ab-…".
func (p PublicKey) Fingerprint() string {
	sum := sha256.Sum256(append([]byte("pxecast fingerprint v1\x00"), p[:]...))
	f := base32.EncodeToString(sum[:10])
	return f[0:4] + "-" + f[4:8] + "-" + f[8:12] + "-" + f[12:16]
}

// Verify reports whether sig is this key's signature of msg in this context.
func (p PublicKey) Verify(context Context, msg []byte, sig Signature) bool {
	if context == "" {
		return false // with no context it would be plain Ed25519
	}
	return ed25519.VerifyWithOptions(p[:], msg, sig[:], &ed25519.Options{Context: string(context)}) == nil
}

// A Key is a sender's secret key. It is safe for concurrent use.
type Key struct {
	private ed25519.PrivateKey
}

// Generate makes a new key.
func Generate() (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return &Key{private}, nil
}

// ParseKey reads the textual form of a secret key, one word. Its errors never
// hold any of it.
func ParseKey(s string) (*Key, error) {
	if !hasPrefixFold(s, secretPrefix) {
		return nil, fmt.Errorf("not a secret key: it does not start with %q", secretPrefix)
	}
	seed, err := decodeBody(secretPrefix, s[len(secretPrefix):])
	if err != nil {
		return nil, fmt.Errorf("secret key %w", err)
	}
	return &Key{ed25519.NewKeyFromSeed(seed[:])}, nil
}

// Public returns the key that receivers are given.
func (k *Key) Public() PublicKey { return PublicKey(k.private.Public().(ed25519.PublicKey)) }

// Sign signs msg in a context. It returns an error only for a context that is
// empty or longer than 255 bytes.
func (k *Key) Sign(context Context, msg []byte) (Signature, error) {
	if context == "" {
		return Signature{}, errors.New("sign: empty context")
	}
	sig, err := k.private.Sign(nil, msg, &ed25519.Options{Context: string(context)})
	if err != nil {
		return Signature{}, fmt.Errorf("sign: %w", err)
	}
	return Signature(sig), nil
}

// String names the key without giving it away, as do %v and %#v.
func (k *Key) String() string { return "secret key of " + k.Public().String() }

// GoString is String.
func (k *Key) GoString() string { return k.String() }

// secret returns the textual form of the secret key.
func (k *Key) secret() string {
	return secretPrefix + encodeBody(secretPrefix, [32]byte(k.private.Seed()))
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
