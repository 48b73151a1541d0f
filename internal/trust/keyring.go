package trust

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Limits of what a trust file or a command line may hold. A room has a handful
// of senders; these keep a wrong file (an image, say) from being read at length.
const (
	maxKeys      = 1024
	maxName      = 64 // bytes; what fits a line of a menu
	maxTrustFile = 256 << 10
)

// Any on the command line accepts every sender.
const Any = "any"

// A Keyring is a set of accepted public keys, each with a name that people gave
// it, or all keys there are. The zero value accepts none. It is safe for
// concurrent use.
type Keyring struct {
	mu    sync.RWMutex
	any   bool
	names map[PublicKey]string
}

// ParseTrust reads what --trust or pxecast.trust= were given: words separated by
// commas or spaces in one or several values, each of them "any", a public key,
// or the path of a trust file (recognised by its slash).
func ParseTrust(values ...string) (*Keyring, error) {
	ring := new(Keyring)
	separator := func(r rune) bool { return r == ',' || unicode.IsSpace(r) }
	for _, value := range values {
		for word := range strings.FieldsFuncSeq(value, separator) {
			if err := ring.addWord(word); err != nil {
				return nil, err
			}
		}
	}
	if ring.Empty() {
		return nil, fmt.Errorf("no key to trust: give a sender's public key, a file of them, or %q", Any)
	}
	return ring, nil
}

func (r *Keyring) addWord(word string) error {
	switch {
	case strings.EqualFold(word, Any):
		r.any = true
		return nil
	case strings.Contains(word, "/"):
		return r.load(word)
	}
	key, err := ParsePublicKey(word)
	if err != nil {
		return fmt.Errorf("trust %q: %w (a file of keys is named with a slash: ./FILE)", abridge(word), err)
	}
	return r.add(key, "")
}

// Accepts reports whether a sender with this key may be believed.
func (r *Keyring) Accepts(key PublicKey) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, known := r.names[key]
	return known || r.any
}

// AcceptsAny reports whether every key is accepted.
func (r *Keyring) AcceptsAny() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.any
}

// Empty reports whether no key at all is accepted.
func (r *Keyring) Empty() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !r.any && len(r.names) == 0
}

// Name returns the name that a key was given in a trust file, "" if none.
func (r *Keyring) Name(key PublicKey) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.names[key]
}

// Keys returns the accepted keys and their names, in no order.
func (r *Keyring) Keys() iter.Seq2[PublicKey, string] {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return maps.All(maps.Clone(r.names))
}

// add accepts a key. A name replaces none or an earlier one.
func (r *Keyring) add(key PublicKey, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names == nil {
		r.names = make(map[PublicKey]string)
	}
	old, known := r.names[key]
	if !known && len(r.names) >= maxKeys {
		return fmt.Errorf("more than %d keys to trust", maxKeys)
	}
	if name == "" {
		name = old
	}
	r.names[key] = name
	return nil
}

// parse adds the keys of a trust file's text: one a line, optionally followed by
// a space and a name, with comments that start with #. A file never accepts any
// key: that has to be seen on the command line.
func (r *Keyring) parse(text string) error {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		word, name := words[0], strings.Join(words[1:], " ")
		if strings.EqualFold(word, Any) {
			return fmt.Errorf("line %d: %q is only taken on the command line: list the keys", n, Any)
		}
		key, err := ParsePublicKey(word)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := checkName(name); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := r.add(key, name); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}

// checkName refuses names that would not stay one line of a trust file, or that
// would play tricks on a terminal.
func checkName(name string) error {
	if len(name) > maxName || !utf8.ValidString(name) {
		return fmt.Errorf("a key's name has more than %d bytes or is not UTF-8", maxName)
	}
	if strings.ContainsRune(name, '#') || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return errors.New("a key's name holds a control character or #")
	}
	return nil
}

// abridge shortens what is quoted in an error. What it leaves of a secret key,
// given by mistake, is not even the whole prefix.
func abridge(s string) string {
	const limit = len(secretPrefix) - 1
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
