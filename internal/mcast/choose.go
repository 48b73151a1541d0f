package mcast

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrNoInterface says that no network interface can be used; the error's text
// says which exist and why not.
var ErrNoInterface = errors.New("no usable network interface")

// Candidate is a network interface of this machine as seen by the choice.
type Candidate struct {
	Name     string
	Addr     netip.Addr // first IPv4 address; invalid if there is none
	MTU      int        // bytes
	LinkRate int64      // bit/s, 0 unknown

	up, running, loopback, multicast bool

	index int
}

// String returns "eth0 (192.168.1.2, 1 Gbit/s)".
func (c Candidate) String() string {
	addr := "no IPv4 address"
	if c.Addr.IsValid() {
		addr = c.Addr.String()
	}
	return fmt.Sprintf("%s (%s, %s)", c.Name, addr, rateText(c.LinkRate))
}

// AmbiguousError says that several interfaces could be used.
type AmbiguousError struct {
	Candidates []Candidate
}

// Error lists the candidates.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("several network interfaces could be used: %s: choose one with --interface NAME",
		list(e.Candidates, Candidate.String))
}

// choose picks the interface called name, or the only usable one.
func choose(all []Candidate, name string) (Candidate, error) {
	if name != "" {
		return named(all, name)
	}
	var usable []Candidate
	for _, c := range all {
		if c.unusable() == "" {
			usable = append(usable, c)
		}
	}
	switch len(usable) {
	case 1:
		return usable[0], nil
	case 0:
		return Candidate{}, fmt.Errorf("%w: %s", ErrNoInterface, list(all, func(c Candidate) string {
			return c.Name + " " + c.unusable()
		}))
	}
	return Candidate{}, &AmbiguousError{Candidates: usable}
}

// named accepts interfaces that lack the loopback or multicast property that
// the choice asks for: multicast over lo works although it lacks the flag.
func named(all []Candidate, name string) (Candidate, error) {
	for _, c := range all {
		if c.Name != name {
			continue
		}
		if why := c.unconnected(); why != "" {
			return c, fmt.Errorf("%w: %s %s", ErrNoInterface, name, why)
		}
		return c, nil
	}
	return Candidate{}, fmt.Errorf("%w: %q does not exist; this machine has %s",
		ErrNoInterface, name, list(all, Candidate.String))
}

// unconnected says why nothing can be sent through c, "" if it can.
func (c Candidate) unconnected() string {
	switch {
	case !c.up:
		return "is down"
	case !c.running:
		return "has no link (cable?)"
	case !c.Addr.IsValid():
		return "has no IPv4 address"
	}
	return ""
}

// unusable says why c is not chosen by itself, "" if it may be.
func (c Candidate) unusable() string {
	switch {
	case c.loopback:
		return "is the loopback"
	case c.unconnected() != "":
		return c.unconnected()
	case !c.multicast:
		return "cannot multicast"
	}
	return ""
}

func list(all []Candidate, text func(Candidate) string) string {
	if len(all) == 0 {
		return "none at all"
	}
	texts := make([]string, len(all))
	for i, c := range all {
		texts[i] = text(c)
	}
	return strings.Join(texts, ", ")
}

// rateText returns a link's speed for people: "2.5 Gbit/s".
func rateText(bits int64) string {
	switch {
	case bits <= 0:
		return "speed unknown"
	case bits < 1e9:
		return fmt.Sprintf("%g Mbit/s", float64(bits)/1e6)
	}
	return fmt.Sprintf("%g Gbit/s", float64(bits)/1e9)
}
