package receiver

import (
	"net/netip"
	"testing"

	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

// TestOnlySignedAndFreshIsHeard: an announcement that bears a key it was not
// signed with, that is signed for another purpose, or that was heard before, is
// as if it had never come.
func TestOnlySignedAndFreshIsHeard(t *testing.T) {
	newKey := func() *trust.Key {
		k, err := trust.Generate()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	own, other := newKey(), newKey()
	datagram := func(counter uint64, signer *trust.Key, context trust.Context) []byte {
		a := protocol.Announce{
			Session: 5, Counter: counter, State: protocol.SessionSending, RawSize: 1, PackedSize: 1, ManifestSize: 1,
			SymbolSize: protocol.DefaultSymbolSize, IntervalMS: 20, Name: "lab", PublicKey: own.Public(),
			Data:   netip.MustParseAddrPort("232.1.2.3:26970"),
			Report: netip.MustParseAddrPort("10.0.0.1:4000"),
		}
		d, err := a.AppendBinary(nil, func(msg []byte) [protocol.SignatureSize]byte {
			sig, err := signer.Sign(context, msg)
			if err != nil {
				t.Fatal(err)
			}
			return sig
		})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	seen := map[sessionKey]uint64{}
	for _, c := range []struct {
		name   string
		d      []byte
		wanted bool
	}{
		{"another's signature", datagram(1, other, protocol.ContextAnnounce), false},
		{"signed for another purpose", datagram(2, own, protocol.ContextWelcome), false},
		{"the sender's own", datagram(10, own, protocol.ContextAnnounce), true},
		{"the same again", datagram(10, own, protocol.ContextAnnounce), false},
		{"an older one", datagram(9, own, protocol.ContextAnnounce), false},
		{"a newer one by another", datagram(12, other, protocol.ContextAnnounce), false},
		{"the next one", datagram(11, own, protocol.ContextAnnounce), true},
	} {
		if _, ok := fresh(c.d, seen); ok != c.wanted {
			t.Errorf("%s: heard %v, want %v", c.name, ok, c.wanted)
		}
	}
}

// TestOnlyTheSenderAdmits: who answers a JOIN without the sender's key is not
// heard; a challenge needs none, it admits nobody.
func TestOnlyTheSenderAdmits(t *testing.T) {
	own, err := trust.Generate()
	if err != nil {
		t.Fatal(err)
	}
	other, err := trust.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status protocol.WelcomeStatus
		signer *trust.Key
		wanted int
	}{
		{protocol.WelcomeAdmitted, own, 1}, {protocol.WelcomeAdmitted, other, 0},
		{protocol.WelcomeFull, other, 0}, {protocol.WelcomeChallenge, other, 1},
	} {
		h := Heard{Announce: protocol.Announce{Session: 5, PublicKey: own.Public()}}
		s := &session{news: make(chan any, 1)}
		s.sender.Store(&h)
		w := protocol.Welcome{Session: 5, Status: c.status}
		d, err := w.AppendBinary(nil, func(msg []byte) [protocol.SignatureSize]byte {
			sig, err := c.signer.Sign(protocol.ContextWelcome, msg)
			if err != nil {
				t.Fatal(err)
			}
			return sig
		})
		if err != nil {
			t.Fatal(err)
		}
		if s.unicast(d); len(s.news) != c.wanted {
			t.Errorf("status %d: heard %d times, want %d", c.status, len(s.news), c.wanted)
		}
	}
}
