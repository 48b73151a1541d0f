package boot

import (
	"net/netip"
	"sync"

	"github.com/pxecast/pxecast/internal/boot/dhcp"
)

// Event is something that a machine did, or that was done with it.
type Event struct {
	Kind    EventKind
	Machine Machine
	Addr    netip.Addr // of the machine; the zero Addr if it has none yet
	What    string     // Asked: what it is, "64-bit UEFI"; Loading, Loaded, Failed: the file's name
	Size    int64      // bytes of the file
	Sent    int64      // bytes of it that were sent
	By      string     // "DHCP", "TFTP" or "HTTP"
	Text    string     // Ignored, Failed: why
}

// EventKind is what an Event tells.
type EventKind string

const (
	Asked   EventKind = "asked"   // it was told what to boot
	Ignored EventKind = "ignored" // it wanted something, and isn't answered; once for each machine and reason
	Leased  EventKind = "leased"  // it has its address
	Loading EventKind = "loading" // a file is on its way
	Loaded  EventKind = "loaded"  // it has the file
	Failed  EventKind = "failed"  // it hasn't
)

// machinesMost is how many machines are remembered. All that they say can be made up:
// so that is bounded, and when it is full those seen first are forgotten, as a room
// is smaller.
const machinesMost = 4096

// machines remembers who asked for DHCP, and what was said about it. The zero value
// is ready.
type machines struct {
	mu     sync.Mutex
	uuids  map[string]string     // by MAC
	macs   map[netip.Addr]string // by address
	said   map[string]bool       // MAC and reason
	recent []string              // MACs, the first is the next to be forgotten
}

// note remembers a client. It reports whether text is news about it.
func (m *machines) note(c dhcp.Client, a netip.Addr, text string) (news bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.uuids == nil || len(m.said) > 4*machinesMost || len(m.macs) > 2*machinesMost {
		m.uuids, m.macs, m.said = make(map[string]string), make(map[netip.Addr]string), make(map[string]bool)
		m.recent = nil
	}
	mac := c.MAC.String()
	if _, known := m.uuids[mac]; !known {
		if len(m.recent) >= machinesMost {
			delete(m.uuids, m.recent[0])
			m.recent = m.recent[1:]
		}
		m.recent = append(m.recent, mac)
	}
	if c.UUID != "" || m.uuids[mac] == "" {
		m.uuids[mac] = c.UUID
	}
	if a.IsValid() {
		m.macs[a] = mac
	}
	key := mac + " " + text
	news = !m.said[key]
	m.said[key] = true
	return news
}

// at returns who has an address, as far as it is known.
func (m *machines) at(a netip.Addr) Machine {
	m.mu.Lock()
	mac := m.macs[a]
	m.mu.Unlock()
	if mac == "" {
		mac = neighbour(a)
	}
	return m.of(mac)
}

// of returns the machine of a MAC address.
func (m *machines) of(mac string) Machine {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Machine{MAC: mac, UUID: m.uuids[mac]}
}

// noteDHCP makes events of what DHCP does.
func (s *server) noteDHCP(n dhcp.Note) {
	e := Event{Machine: Machine{n.Client.MAC.String(), n.Client.UUID}, Addr: n.Addr, By: "DHCP", Text: n.Why}
	if n.Client.Kind != dhcp.Other {
		e.What = n.Client.Arch.String()
	}
	news := s.known.note(n.Client, n.Addr, n.Why)
	switch {
	case n.Why != "":
		if !news {
			return
		}
		e.Kind = Ignored
	case n.File != "" && (n.Told == dhcp.Offer || n.Told == dhcp.Ack && !n.Addr.IsValid()):
		e.Kind = Asked
	case n.Told == dhcp.Ack && n.Addr.IsValid():
		e.Kind = Leased
	default:
		return
	}
	s.cfg.Events(e)
}
