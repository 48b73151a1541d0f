package gate

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// made is content in memory.
type made struct{ *bytes.Reader }

func (made) Done(bool, error) {}

// A newcomer is who has not acknowledged a whole packet, and not who got one that is
// shorter.
func TestNewcomersBecomeProven(t *testing.T) {
	server := &TFTP{newcomers: newQuota(9, 9), proven: newQuota(9, 9)}
	for _, size := range []int{0, 1, 511, 512, 513, 1500} {
		server.newcomers.enter(loopback)
		o := &outgoing{server: server, client: loopback, among: server.newcomers, until: time.Now().Add(time.Hour), Content: made{bytes.NewReader(make([]byte, size))}}
		packet := make([]byte, 512)
		if n, err := io.ReadFull(o, packet); n < len(packet) && err == nil || o.among != server.newcomers {
			t.Errorf("of %d bytes: %d, %v, and proven is %v", size, n, err, o.among == server.proven)
		}
		if size < len(packet) {
			continue
		}
		if io.ReadFull(o, packet); o.among != server.proven {
			t.Errorf("of %d bytes: not proven by an ACK", size)
		}
	}
	if in, out := server.newcomers.taken(), server.proven.taken(); in != 3 || out != 3 {
		t.Errorf("%d newcomers and %d others, want 3 and 3", in, out)
	}
	server.proven.most = 3
	o := &outgoing{server: server, client: loopback, among: server.newcomers, full: true}
	if _, err := o.Read(make([]byte, 512)); err != ErrBusy || o.among != server.newcomers {
		t.Errorf("without a place among the others: %v, want %v", err, ErrBusy)
	}
}

// onlyGood is a Check that knows one name.
func onlyGood(name string) error {
	if name != "good" {
		return ErrName
	}
	return nil
}

func TestRequestsAreChecked(t *testing.T) {
	for packet, want := range map[string]error{
		"\x00\x01good\x00octet\x00":                                     nil,
		"\x00\x01good\x00OcTeT\x00BlkSize\x00512\x00TSIZE\x000\x00":     nil,
		"\x00\x01good\x00octet\x00blksize\x00":                          nil,
		"\x00\x01good\x00netascii\x00":                                  ErrMode,
		"\x00\x02good\x00octet\x00":                                     ErrWrite,
		"\x00\x01../x\x00octet\x00":                                     ErrName,
		"\x00\x01good\x00octet":                                         errUnanswered,
		"\x00\x01good\x00":                                              errUnanswered,
		"\x00\x01good\x00octet\x00x\x00" + strings.Repeat("1\x00", 300): errUnanswered,
		"\x00\x04\x00\x01":                                              errUnanswered,
		"\x01\x01good\x00octet\x00":                                     errUnanswered,
		"\x00":                                                          errUnanswered,
		"":                                                              errUnanswered,
	} {
		if err := checkRequest([]byte(packet), onlyGood); err != want {
			t.Errorf("%.100q: %v, want %v", packet, err, want)
		}
	}
}

// Whatever comes, what is let through is a request to read with a name that Check
// knows, and a refusal is never longer than what it refuses.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{"\x00\x01good\x00octet\x00", "\x00\x02good\x00octet\x00", "\x00\x01x\x00netascii\x00blksize\x00512\x00", "\x00\x03\x00\x01", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		err := checkRequest(p, onlyGood)
		if err == nil && !bytes.HasPrefix(p, []byte("\x00\x01good\x00")) {
			t.Errorf("let through: %q", p)
		}
		if err == nil {
			return
		}
		if r := refusal(err, len(p)); len(r) > len(p) {
			t.Errorf("%q is refused with %q", p, r)
		}
	})
}

func TestOthersThanTheSubnetMayNotAsk(t *testing.T) {
	if Admits(netip.Prefix{}, netip.MustParseAddr("192.0.2.64")) {
		t.Error("without a subnet others than this machine may ask")
	}
	if !Admits(netip.Prefix{}, loopback) {
		t.Error("this machine may not ask")
	}
}

// A client has 2.4 seconds, unless its server says otherwise.
func TestWaits(t *testing.T) {
	sum := func(w Waits) (all time.Duration) {
		for n := range w.Times {
			all += w.First + w.Backoff(n)
		}
		return all
	}
	if got := sum(QuickWaits); got < 2*time.Second || got > 3*time.Second {
		t.Errorf("a client has %v", got)
	}
	if got := (Waits{First: time.Second, Longest: time.Second, Times: 3}).Backoff(2); got != 0 {
		t.Errorf("%v more than the longest", got)
	}
}
