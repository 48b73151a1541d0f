package lane

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/gate"
)

// packet is one that came, and from where.
type packet struct {
	from netip.AddrPort
	data []byte
}

// answers sends a packet that nobody follows up, several times, waits until the
// server has forgotten them, and returns all that came.
func answers(t *testing.T, server *TFTPServer, request []byte, times int) (all []packet) {
	t.Helper()
	c := udp(t)
	c.SetReadBuffer(1 << 20)
	self := c.LocalAddr().(*net.UDPAddr).AddrPort()
	for range times {
		c.WriteToUDPAddrPort(request, server.Addr())
	}
	seen(t, server)
	eventually(t, "a request that nobody follows up is forgotten", func() bool { return server.Newcomers() == 0 })
	c.WriteToUDPAddrPort([]byte("the end"), self)
	for {
		b := make([]byte, 2000)
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatal(err)
		}
		if from == self {
			return all
		}
		all = append(all, packet{from, b[:n]})
	}
}

// seen waits until the server has seen all that was sent to it.
func seen(t *testing.T, server *TFTPServer) {
	t.Helper()
	first(t, server.Addr(), request(opRead, "what"))
}

// What is refused is refused in no more bytes.
func TestTFTPRefusalsAreShort(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)})
	for _, p := range []string{
		string(request(opRead, "x")), string(request(opRead, "")), string(request(opWrite, "x")), "\x00\x01images/" + s.m.ID().String() + "/manifest\x00mail\x00",
		"\x00\x01x", "\x00\x01\x00\x00", "\x00\x02\x00\x00", "\x00\x01a\x00\x00", string(request(opRead, "images/"+strings.Repeat("0", 64)+"/manifest")),
	} {
		for _, a := range answers(t, server, []byte(p), 1) {
			if len(a.data) > len(p) || a.data[1] != opError {
				t.Errorf("%q is answered with %q", p, a.data)
			}
		}
	}
}

// Anybody can write any address on a request. Who has that address gets the answers
// to eight of them, each as often as the library repeats it, and not to more; those
// to options are shorter than the request.
func TestTFTPBoundsWhatNobodyAskedFor(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)})
	long := name{id: s.m.ID(), kind: blocksKind, first: 0, last: 63}.String()
	for _, p := range [][]byte{request(opRead, long), request(opRead, long, "blksize", "65464", "tsize", "0")} {
		from := make(map[netip.AddrPort]int)
		for _, a := range answers(t, server, p, 50) {
			from[a.from]++
			if most := len(p); a.data[1] == opData && len(a.data) != 516 || a.data[1] != opData && len(a.data) > most {
				t.Errorf("%q is answered with %d bytes: %.30q", p, len(a.data), a.data)
			}
		}
		if len(from) != gate.NewcomersEach {
			t.Errorf("%d of 50 requests are answered, want %d", len(from), gate.NewcomersEach)
		}
		for _, n := range from {
			if n > 1+gate.QuickWaits.Times+1 {
				t.Errorf("%d packets for one request, want %d and an error", n, 1+gate.QuickWaits.Times)
			}
		}
	}
}

// Forged requests, however many, take no more than the newcomers' places, and those
// not for long.
func TestForgedRequestsLeaveTheOthersAlone(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s), Transfers: 8, PerClient: 4})
	n := name{id: s.m.ID(), kind: blocksKind, first: 0, last: 63}
	want := s.packed(n.first, n.last)
	c := newClient(t)
	c.silence = time.Hour
	var got bytes.Buffer
	var once sync.Once
	err := c.transfer(t.Context(), server.Addr(), n, int64(len(want)), writes(func(p []byte) {
		if got.Write(p); got.Len() < 4*gate.Block {
			return
		}
		once.Do(func() {
			for i := range 100 {
				udpOf(t, byte(1+i%50)).WriteToUDPAddrPort(request(opRead, n.String()), server.Addr())
			}
			seen(t, server)
			if n := server.Newcomers(); n != 2 {
				t.Errorf("%d have a newcomer's place, want 2", n)
			}
		})
	}))
	if err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("who was being served gets %d bytes, want %d; %v", got.Len(), len(want), err)
	}
	eventually(t, "forged requests are forgotten", func() bool { return server.Newcomers() == 0 })
	if !begun(t, server.Addr(), 1, s) {
		t.Error("nobody gets a place any more")
	}
}

// Where the library has no socket for what the gate let through, the place is free.
func TestGatesTakePlacesBack(t *testing.T) {
	s := newMade(t)
	server, c := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)}), udp(t)
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: files.Max})
	c.WriteToUDPAddrPort(request(opRead, "images/"+s.m.ID().String()+"/manifest"), server.Addr())
	c.WriteToUDPAddrPort(request(opRead, "what"), server.Addr())
	b := make([]byte, 600)
	n, err := c.Read(b)
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files)
	if err != nil || b[1] != opError {
		t.Errorf("%.30q, %v; want no answer to the first request", b[:n], err)
	}
	if n := server.Newcomers(); n != 0 {
		t.Errorf("%d have a place", n)
	}
}

// What goes out fits the network in one piece.
func TestTFTPPacketsFitTheNetwork(t *testing.T) {
	s := newMade(t)
	for mtu, want := range map[int]string{0: "1468", 1280: "1248", 9000: "1468", 545: "513", 544: "512", 300: "512"} {
		server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s), MTU: mtu})
		b := first(t, server.Addr(), request(opRead, "images/"+s.m.ID().String()+"/manifest", "blksize", "65464"))
		if got := string(b); got != "\x00\x06blksize\x00"+want+"\x00" {
			t.Errorf("MTU %d: %q, want packets of %s", mtu, got, want)
		}
	}
}

// Who is being served is told when the server ends, and the library's server ends too.
func TestTFTPClientsAreToldOfTheEnd(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)})
	c := newClient(t)
	c.silence, c.total = time.Hour, func(int64) time.Duration { return time.Hour }
	var once sync.Once
	err := c.transfer(t.Context(), server.Addr(), name{id: s.m.ID(), kind: blocksKind, first: 0, last: 63}, 1,
		writes(func([]byte) { once.Do(server.Close) }))
	if f, ok := errors.AsType[*Fault](err); !ok || f.Did != Closed {
		t.Errorf("%v, want that it %v", err, Closed)
	}
}

// The library's loop is over when its socket is closed, though clients are silent.
func TestTFTPServersEndWithTheirTransfers(t *testing.T) {
	s := newMade(t)
	for _, end := range []string{"Close", "context"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		server, err := ServeTFTP(ctx, TFTPConfig{Store: NewPackedStore(s), Addr: loopback})
		if err != nil {
			t.Fatal(err)
		}
		silent := udp(t)
		silent.WriteToUDPAddrPort(request(opRead, "images/"+s.m.ID().String()+"/manifest"), server.Addr())
		seen(t, server)
		if end == "Close" {
			server.Close()
		} else {
			cancel()
		}
		all := make([]byte, 1<<20)
		eventually(t, end+" ends the library's server", func() bool {
			running := all[:runtime.Stack(all, true)]
			return !bytes.Contains(running, []byte("tftp/v3.(*Server).Serve(")) && server.Newcomers() == 0
		})
	}
}

// writes is called for every packet's data.
type writes func(p []byte)

func (w writes) Write(p []byte) (int, error) { w(p); return len(p), nil }

// elsewhere returns an address of this machine that is not its loopback's.
func elsewhere(t *testing.T) netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range all {
		if p, err := netip.ParsePrefix(each.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr()
		}
	}
	t.Skip("this machine has the loopback only")
	return netip.Addr{}
}

// Who is not of the subnet is not answered at all: not even with an error.
func TestTFTPIsForTheSubnet(t *testing.T) {
	here, s := elsewhere(t), newMade(t)
	server, err := ServeTFTP(t.Context(), TFTPConfig{Store: NewPackedStore(s), Addr: here, Allowed: netip.MustParsePrefix("203.0.113.0/24")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: here.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	self := stranger.LocalAddr().(*net.UDPAddr).AddrPort()
	stranger.SetDeadline(time.Now().Add(20 * time.Second))
	for _, name := range []string{"no such name", "images/" + s.m.ID().String() + "/manifest"} {
		stranger.WriteToUDPAddrPort(request(opRead, name), server.Addr())
	}
	if b := first(t, server.Addr(), request(opRead, "images/"+s.m.ID().String()+"/manifest")); b[1] != opData {
		t.Errorf("this machine itself gets %.30q", b)
	}
	stranger.WriteToUDPAddrPort([]byte("the end"), self)
	b := make([]byte, 600)
	if n, from, err := stranger.ReadFromUDPAddrPort(b); err != nil || from != self {
		t.Errorf("a stranger gets %.60q, %v", b[:n], err)
	}
}

// However a server goes on, a call ends, and there are never more transfers than
// places: the library has one for as long as it is agreed with.
func TestEndlessAgreementKeepsNoMoreThanThePlaces(t *testing.T) {
	server, c := udp(t), impatient(t)
	asked := make(map[netip.AddrPort]bool)
	var mu sync.Mutex
	go func() {
		b := make([]byte, 600)
		for {
			_, from, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			mu.Lock()
			asked[from] = true
			mu.Unlock()
			server.WriteToUDPAddrPort([]byte("\x00\x06blksize\x001468\x00"), from)
		}
	}()
	fetch := func(ctx context.Context) error {
		return c.transfer(ctx, server.LocalAddr().(*net.UDPAddr).AddrPort(), name{kind: manifestKind}, 7, io.Discard)
	}
	var calls sync.WaitGroup
	for range parallel {
		calls.Go(func() {
			if err := fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing for 200ms") {
				t.Errorf("%v, want that nothing came", err)
			}
		})
	}
	calls.Wait()
	c.total = func(int64) time.Duration { return c.silence }
	if err := fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "before this one") {
		t.Errorf("%v, want that there is no place", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fetch(ctx); err != context.Canceled {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	transfers := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(asked)
	}
	eventually(t, "all places are taken", func() bool { return transfers() >= parallel })
	if n := transfers(); n > parallel {
		t.Errorf("%d transfers at a time, want %d", n, parallel)
	}
	server.Close()
	eventually(t, "the places are free when the server is silent", func() bool { return len(c.tftp) == 0 })
}
