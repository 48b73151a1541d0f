package receiver

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

// By which lanes blocks come.
func TestModes(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		signs
		want mode
	}{
		"all is well":                     {signs{lacking: true, admitted: true}, modeMulticast},
		"nothing is lacking":              {signs{admitted: true, silent: 9 * s, symbol: 9 * s, cut: true}, modeMulticast},
		"no symbol though some were sent": {signs{lacking: true, admitted: true, symbol: deafAfter, cut: true}, modeDeaf},
		"no symbol, and none was sent":    {signs{lacking: true, admitted: true, symbol: 99 * s}, modeMulticast},
		"no symbol for a moment":          {signs{lacking: true, admitted: true, symbol: 2 * s, cut: true}, modeMulticast},
		"not admitted":                    {signs{lacking: true, symbol: 9 * s, cut: true}, modeMulticast},
		"deaf, and little is sent":        {signs{mode: modeDeaf, lacking: true, admitted: true, symbol: 60 * s}, modeDeaf},
		"deaf, and a symbol came":         {signs{mode: modeDeaf, lacking: true, admitted: true, back: true}, modeMulticast},
		"deaf, and has all":               {signs{mode: modeDeaf, admitted: true, symbol: 60 * s, cut: true}, modeMulticast},
		"deaf, and the sender dies":       {signs{mode: modeDeaf, lacking: true, admitted: true, symbol: 60 * s, silent: 3 * s}, modeOrphan},
		"the sender is silent":            {signs{lacking: true, admitted: true, silent: 3 * s, symbol: 3 * s}, modeOrphan},
		"silent before it admitted us":    {signs{lacking: true, silent: 3 * s}, modeOrphan},
		"silent for a moment":             {signs{lacking: true, admitted: true, silent: 2 * s}, modeMulticast},
		"the sender is back":              {signs{mode: modeOrphan, lacking: true, admitted: true, symbol: s}, modeMulticast},
		"it is back, but not its data":    {signs{mode: modeOrphan, lacking: true, admitted: true, symbol: 9 * s, cut: true}, modeDeaf},
	} {
		if got := c.next(); got != c.want {
			t.Errorf("%s: mode %d, want %d", name, got, c.want)
		}
	}
}

// What people are told for what does and does not arrive.
func TestCauses(t *testing.T) {
	for _, c := range []struct {
		traces
		want, never string
	}{
		{traces{short: true, announced: true}, "MTU", "snooping"},
		{traces{announced: true}, "snooping without a querier", "MTU"},
		{traces{announced: true, before: true}, "has forgotten this machine", "MTU"},
		{traces{}, "firewall here", "querier"},
		{traces{before: true}, "querier", "announcements"},
		{traces{remote: true}, "routers", "querier"},
		{traces{remote: true, announced: true}, "snooping", "routers"},
	} {
		got := c.cause()
		if !strings.Contains(got, c.want) || strings.Contains(got, c.never) {
			t.Errorf("%+v: %q, want %q and not %q", c.traces, got, c.want, c.never)
		}
	}
}

// TestSignsOfLife: who may have forged a datagram keeps a silent sender alive for
// a few seconds; a signed one, or a block with its digest, shows that it lives.
func TestSignsOfLife(t *testing.T) {
	last := time.Now()
	m := imagetest.Manifest(t, 60_000)
	symbol, err := (&protocol.Data{Session: 7, Object: 1, FrameLen: 60_000, Seq: 5, Symbol: make([]byte, protocol.DefaultSymbolSize)}).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	far, _ := (&protocol.Flush{Session: 7, Seq: 1 << 40}).AppendBinary(nil)
	near, _ := (&protocol.Flush{Session: 7, Seq: 9}).AppendBinary(nil)
	other, _ := (&protocol.Flush{Session: 8, Seq: 9}).AppendBinary(nil)
	roster, _ := (&protocol.Roster{Session: 7}).AppendBinary(nil)
	for name, c := range map[string]struct {
		datagram []byte
		ours     bool
	}{
		"nothing": {nil, false}, "garbage": {[]byte("garbage"), false}, "another session": {other, false},
		"a sequence number that cannot be": {far, false}, "a flush": {near, true}, "a symbol": {symbol, true}, "a roster": {roster, true},
	} {
		s, _ := newTestSession(m, nil)
		if s.datagram(c.datagram); s.ours != c.ours {
			t.Errorf("%s counts: %v", name, s.ours)
		}
	}
	for _, c := range []struct {
		after, silent time.Duration // of the datagram, after the last announcement; a second later
		change        func(s *session, at time.Time)
	}{
		{3 * time.Second, time.Second, func(s *session, at time.Time) { s.dataAt = at }},
		{time.Minute, time.Minute + time.Second - unsignedFor, func(s *session, at time.Time) { s.dataAt, s.answeredAt = at, at }},
		{time.Minute, time.Second, func(s *session, at time.Time) { s.right(&block{came: at}, at) }},
		{time.Minute, time.Minute + time.Second, func(s *session, at time.Time) { s.right(&block{way: wayPeer}, at) }},
		{time.Minute, time.Second, func(s *session, at time.Time) {
			s.nonces[3] = at
			s.welcome(protocol.Welcome{Receiver: 5, Nonce: 3, Status: protocol.WelcomeAdmitted}, at)
		}},
		{time.Minute, time.Minute + time.Second, func(s *session, at time.Time) {
			s.welcome(protocol.Welcome{Receiver: 5, Nonce: 3, Status: protocol.WelcomeAdmitted}, at)
		}},
	} {
		s, _ := newTestSession(m, nil)
		s.begun.Report = netip.MustParseAddrPort("10.0.0.1:9")
		s.heardAt = last
		at := last.Add(c.after)
		if c.change(s, at); s.silent(at.Add(time.Second)) != c.silent {
			t.Errorf("silent for %v, want %v", s.silent(at.Add(time.Second)), c.silent)
		}
	}
}
