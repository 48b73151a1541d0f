package dhcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Listener is a server with its sockets.
type Listener struct {
	server  *Server
	file    string // of the leases; "" for none
	sockets []*socket
	name    string // of the interface
	note    func(Note)

	mu    sync.Mutex // guards server, and saved
	saved int        // changes of the leases that are in the file
}

// Setup is what Listen needs.
type Setup struct {
	Config
	Interface string     // name of the network interface
	Leases    string     // file that they are kept in, for Full; default none: who comes back after a restart may get another address
	Note      func(Note) // called for every message, one call at a time; default nobody is told
}

// Listen opens the ports of a server on an interface, and of no other. In Proxy mode
// it shares port 67 with a DHCP server on this machine if that one shares it; if not,
// the error is a *PortTaken for port 67 and the Listener, which is not nil, has only
// port 4011. It is one for port 68 where a DHCP client has that for itself: then
// machines may not find their menu, see standin.go.
func Listen(cfg Setup) (*Listener, error) {
	server, err := NewServer(cfg.Config)
	if err != nil {
		return nil, err
	}
	l := &Listener{server: server, file: cfg.Leases, name: cfg.Interface, note: cfg.Note}
	if l.note == nil {
		l.note = func(Note) {}
	}
	if err := l.load(); err != nil {
		return nil, err
	}
	// A proxy needs only what is sent to everybody. Bound to the broadcast address it
	// leaves what is sent to this machine's own, such as renewals, to the DHCP server
	// that may be here.
	all, share := everybody.Addr(), shared(true)
	if cfg.Mode == Full {
		all, share = netip.IPv4Unspecified(), false
	}
	pxe, err := open(cfg.Interface, netip.AddrPortFrom(cfg.Server, PXEPort), cfg.Server, false)
	if err != nil {
		return nil, taken(err, PXEPort)
	}
	l.sockets = append(l.sockets, pxe)
	main, err := open(cfg.Interface, netip.AddrPortFrom(all, ServerPort), cfg.Server, share)
	if err == nil {
		l.sockets = append(l.sockets, main)
		return l, l.overhear(cfg)
	}
	err = taken(err, ServerPort)
	if _, ok := errors.AsType[*PortTaken](err); ok && cfg.Mode == Proxy {
		return l, err
	}
	l.Close()
	return nil, err
}

// overhear opens the port on which a proxy hears the network's own server.
func (l *Listener) overhear(cfg Setup) error {
	if cfg.Mode != Proxy {
		return nil
	}
	s, err := open(cfg.Interface, netip.AddrPortFrom(everybody.Addr(), ClientPort), cfg.Server, true)
	if err != nil {
		l.server.between = nil // it neither hears nor asks that server
		return taken(err, ClientPort)
	}
	l.sockets = append(l.sockets, s)
	return nil
}

// Close closes a listener that does not run; for one that does, end its context.
func (l *Listener) Close() {
	for _, s := range l.sockets {
		s.conn.Close()
	}
}

// Run answers until ctx ends, which is no error, and closes l.
func (l *Listener) Run(ctx context.Context) error {
	defer l.Close()
	defer context.AfterFunc(ctx, l.Close)()
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range l.sockets {
		g.Go(func() error { return l.serve(ctx, s) })
	}
	if l.server.leases != nil {
		g.Go(func() error { return l.scout(ctx) })
	}
	return g.Wait()
}

// serve answers what comes to one socket.
func (l *Listener) serve(ctx context.Context, s *socket) error {
	b := make([]byte, longest+1)
	for {
		n, from, err := s.read(b)
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			// The interface is down, or an answer found nobody: the next may be heard.
			if !pause(ctx, 100*time.Millisecond) {
				return nil
			}
			continue
		}
		if p, err := Parse(b[:n]); err == nil {
			l.hear(s, p, from)
		}
	}
}

// hear answers one message.
func (l *Listener) hear(s *socket, p *Packet, from netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var reply *Reply
	var note Note
	if s.port == ClientPort {
		if reply, note = l.server.Overhear(p, time.Now()); reply == nil {
			return
		}
	} else {
		reply, note = l.server.Answer(p, s.port, from, time.Now())
	}
	for ; reply != nil; reply = reply.Next {
		if err := l.send(reply); err != nil {
			note.Told, note.Why = 0, "the answer can't be sent: "+err.Error()
		}
	}
	l.note(note)
	if err := l.save(); err != nil {
		l.note(Note{Client: note.Client, Why: "the leases can't be written down: " + err.Error()})
	}
}

func (l *Listener) send(r *Reply) error {
	b, err := r.Packet.AppendBinary(nil)
	if err != nil {
		return err
	}
	for _, s := range l.sockets {
		if s.port == r.From {
			return s.write(b, r.To)
		}
	}
	return fmt.Errorf("there is no socket with port %d", r.From)
}

// load reads the file of leases.
func (l *Listener) load() error {
	if l.file == "" || l.server.leases == nil {
		return nil
	}
	text, err := os.ReadFile(l.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the leases: %w", err)
	}
	l.server.leases.Load(text)
	return nil
}

// save writes the file of leases if they changed. It is called with mu held.
func (l *Listener) save() error {
	leases := l.server.leases
	if l.file == "" || leases == nil || leases.changes == l.saved {
		return nil
	}
	text, err := leases.AppendText(nil)
	if err == nil {
		err = writeFile(l.file, text)
	}
	if err == nil {
		l.saved = leases.changes
	}
	return err
}

// pause waits; it reports false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// How addresses are looked at that somebody may have taken without asking.
const (
	scoutEvery = time.Minute
	scoutMost  = 256 // addresses each time: the first of those that are free are given out first
	scoutWait  = 10 * time.Second
	discard    = 9 // port of RFC 863: the datagram is only for the kernel to ask by ARP who has the address
	neighbours = "/proc/net/arp"
)

// scout looks from time to time which free addresses somebody uses. So offers need
// not wait for it (RFC 2131 §2.2 wants a probe before each, and boot ROMs give up
// early): an address is looked at before anybody asks, and who finds it taken
// declines it.
func (l *Listener) scout(ctx context.Context) error {
	for {
		l.mu.Lock()
		free := l.server.leases.Free(nil, scoutMost, time.Now())
		l.mu.Unlock()
		for _, a := range free {
			l.sockets[0].write(nil, netip.AddrPortFrom(a, discard)) // one that fails finds nobody
		}
		if !pause(ctx, scoutWait) {
			return nil
		}
		if text, err := os.ReadFile(neighbours); err == nil {
			l.strangers(free, parseNeighbours(text, l.name))
		}
		if !pause(ctx, scoutEvery) {
			return nil
		}
	}
}

// strangers takes addresses out of the range that others answer for than those who
// had them from here.
func (l *Listener) strangers(looked []netip.Addr, found map[netip.Addr]MAC) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, a := range looked {
		who, there := found[a]
		have := l.server.leases.address[a]
		if !there || have != nil && (have.MAC == who || have.taken && now.Before(have.Until)) {
			continue // somebody took it since it was looked at, and would go on with it
		}
		l.server.leases.Bad(a, now)
		l.note(Note{Client: Client{MAC: who}, Why: "it uses " + a.String() + " without having it from here"})
	}
}

// parseNeighbours reads who answered ARP on an interface.
func parseNeighbours(text []byte, name string) map[netip.Addr]MAC {
	all := make(map[netip.Addr]MAC)
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) != 6 || string(f[2]) != "0x2" || string(f[5]) != name {
			continue
		}
		a, err := netip.ParseAddr(string(f[0]))
		m, ok := ParseMAC(string(f[3]))
		if err == nil && ok {
			all[a] = m
		}
	}
	return all
}
