package main

import (
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

func heardOf(name string, id byte, key trust.PublicKey, state protocol.SessionState) receiver.Heard {
	return receiver.Heard{Announce: protocol.Announce{Name: name, ImageID: [32]byte{id, 0xcd}, PublicKey: key, State: state}}
}

func ringOf(t *testing.T, keys ...trust.PublicKey) *trust.Keyring {
	t.Helper()
	words := make([]string, len(keys))
	for i, k := range keys {
		words[i] = k.String()
	}
	ring, err := trust.ParseTrust(words...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestSortOffers(t *testing.T) {
	friend, rogue := trust.PublicKey{1}, trust.PublicKey{2}
	heard := []receiver.Heard{
		heardOf("lab", 0xab, rogue, protocol.SessionGathering),
		heardOf("Lab", 0xab, friend, protocol.SessionSending),
		heardOf("lab", 0xab, friend, protocol.SessionEnded),
		heardOf("lab", 0xab, friend, protocol.SessionCancelled),
		heardOf("other", 0xef, friend, protocol.SessionLingering),
	}
	ring := ringOf(t, friend)
	for _, c := range []struct {
		want                    string
		trusted, unknown, other int
	}{
		{"", 2, 1, 0}, {"lab", 1, 1, 1}, {"abcd", 1, 1, 1}, {"ABCD00", 1, 1, 1}, {"abc", 0, 0, 3}, {"efcd", 1, 0, 2}, {"nothing", 0, 0, 3},
	} {
		o := sortOffers(heard, c.want, ring, false)
		if len(o.trusted) != c.trusted || len(o.unknown) != c.unknown || len(o.other) != c.other {
			t.Errorf("--image %q: %d trusted, %d unknown, %d other; want %d, %d, %d", c.want, len(o.trusted), len(o.unknown), len(o.other), c.trusted, c.unknown, c.other)
		}
	}
}

// A rogue sender can neither be chosen nor keep a machine from its own sender.
func TestWhenToDecide(t *testing.T) {
	friend, rogue := trust.PublicKey{1}, trust.PublicKey{2}
	one := heardOf("lab", 1, friend, protocol.SessionSending)
	bad := heardOf("lab", 1, rogue, protocol.SessionSending)
	for name, c := range map[string]struct {
		ring     *trust.Keyring
		explicit bool
		offers   offers
		after    time.Duration // 0: never
	}{
		"one trusted":                  {ringOf(t, friend), false, offers{trusted: []receiver.Heard{one}}, listenFor},
		"one trusted beside a rogue":   {ringOf(t, friend), true, offers{trusted: []receiver.Heard{one}, unknown: []receiver.Heard{bad}}, listenFor},
		"two trusted":                  {ringOf(t, friend), false, offers{trusted: []receiver.Heard{one, one}}, severalFor},
		"--trust and only a rogue":     {ringOf(t, friend), true, offers{unknown: []receiver.Heard{bad}}, 0},
		"a keyring and only a rogue":   {ringOf(t, friend), false, offers{unknown: []receiver.Heard{bad}}, trustedFor},
		"nobody trusted yet, one here": {new(trust.Keyring), false, offers{unknown: []receiver.Heard{bad}}, listenFor},
		"nobody trusted yet, two here": {new(trust.Keyring), false, offers{unknown: []receiver.Heard{bad, bad}}, severalFor},
	} {
		choice := choice{ring: c.ring, explicit: c.explicit}
		if c.after == 0 {
			if choice.ripe(&c.offers, time.Hour, time.Hour) {
				t.Errorf("%s: decided; want to wait", name)
			}
			continue
		}
		if choice.ripe(&c.offers, c.after-1, c.after-1) || !choice.ripe(&c.offers, c.after, c.after) {
			t.Errorf("%s: not decided exactly after %v", name, c.after)
		}
		// Who has listened for long takes the only sender at once; of two, one
		// may have been killed just now.
		if choice.ripe(&c.offers, 0, time.Hour) != (c.after == listenFor) {
			t.Errorf("%s: decided at the first announcement %v", name, c.after != listenFor)
		}
	}
}
