package boot

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/boot/dhcp"
	"github.com/pxecast/pxecast/internal/boot/tree"
	"github.com/pxecast/pxecast/internal/gate"
)

const (
	tftpPort = 69
	// transfersEach is how many transfers one machine may have at a time: ROMs and
	// GRUB load one file after the other, and leave behind those that they break off
	// without a word.
	transfersEach = 8
	// transfers is how many there may be in all. Firmware that is told to come again
	// later doesn't: the largest room has to have its places.
	transfers = 1024
)

// patient is how long a boot loader may be busy with something else before it
// acknowledges: half a minute. GRUB doesn't hear the network while it checks a
// signature or draws its menu.
var patient = gate.Waits{First: 200 * time.Millisecond, Longest: 2 * time.Second, Times: 18}

// made returns the files that are made up for a machine.
func (s *server) made(who Machine) func(name string) ([]byte, bool) {
	return func(name string) ([]byte, bool) {
		mac, machine := strings.CutPrefix(name, grubMachine)
		if !machine {
			// A newer GRUB asks by itself, in PXELINUX's way.
			mac, machine = strings.CutPrefix(name, grubName+"-01-")
		}
		switch {
		case name == grubName:
			return []byte(grubStart), true
		case name == ipxeName:
			return s.menu(who).ipxe(s.http), true
		case machine:
			if m, ok := dhcp.ParseMAC(mac); ok {
				who = s.known.of(m.String())
			} else if mac != anyMachine {
				return nil, false
			}
			return s.menu(who).grub(s.http), true
		}
		return nil, false
	}
}

// menu returns a machine's menu. One that boot loaders would read more in than is
// there gives way to that for everybody, which Run checked.
func (s *server) menu(who Machine) *Menu {
	m := s.cfg.Menu(who)
	if err := m.validate(); err != nil {
		s.cfg.Log.Error("a machine's boot menu can't be used", "mac", who.MAC, "error", err)
		m = s.cfg.Menu(Machine{})
	}
	return &m
}

// checkTFTP takes names that there could be.
func checkTFTP(name string) error {
	if _, err := tree.Clean(name); err != nil {
		return gate.ErrName
	}
	return nil
}

// openTFTP opens a file for a machine that asks by TFTP.
func (s *server) openTFTP(from netip.Addr, name string) (gate.Content, error) {
	who := s.known.at(from)
	f, err := s.tree.Open(name, s.made(who))
	if err != nil {
		s.refused(who, from, name, "TFTP", err)
		return nil, gate.ErrName
	}
	return &sending{File: f, server: s, event: Event{Machine: who, Addr: from, What: f.Name, Size: f.Size, By: "TFTP"}}, nil
}

// optional begins the names of what boot loaders look for and do without.
var optional = []string{"grub/", "revocations", "shim_certificate", "boot.ipxe"}

// refused tells of a file that a machine does not get, once.
func (s *server) refused(who Machine, from netip.Addr, asked, by string, err error) {
	// What is no name can be of any length, and always another: it is told once.
	text, what := err.Error(), asked
	if len(what) > tree.LongestName {
		what = strings.ToValidUTF8(what[:tree.LongestName], "") + " …"
	}
	if !errors.Is(err, tree.ErrName) {
		text = asked + ": " + text
	}
	if errors.Is(err, tree.ErrNone) {
		name, _ := tree.Clean(asked)
		for _, o := range optional {
			if strings.HasPrefix(name, o) {
				return
			}
		}
	}
	mac, _ := dhcp.ParseMAC(who.MAC)
	if s.known.note(dhcp.Client{MAC: mac, UUID: who.UUID}, netip.Addr{}, text) {
		s.cfg.Events(Event{Kind: Failed, Machine: who, Addr: from, What: what, By: by, Text: err.Error()})
	}
}

// sending is a file on its way, of which is told.
type sending struct {
	*tree.File
	server *server
	event  Event
	begun  bool
}

// Size implements gate.Content.
func (t *sending) Size() int64 { return t.File.Size }

// Read implements io.Reader.
func (t *sending) Read(p []byte) (int, error) {
	if !t.begun {
		t.begun = true
		t.tell(Loading)
	}
	n, err := t.File.Read(p)
	t.event.Sent += int64(n)
	return n, err
}

// Done implements gate.Content. Who only asks for the size, as ROMs do before they
// load, hasn't failed.
func (t *sending) Done(started bool, err error) {
	t.Close()
	switch {
	case err == nil:
		t.tell(Loaded)
	case started:
		t.event.Text = err.Error()
		t.tell(Failed)
	}
}

func (t *sending) tell(kind EventKind) {
	e := t.event
	e.Kind = kind
	t.server.cfg.Events(e)
}

// portError says what to do about a port that can't be had.
func portError(err error, protocol string, port uint16) error {
	if _, ok := errors.AsType[*net.OpError](err); ok && inUse(err) {
		return takenError(err, protocol, port)
	}
	return err
}
