package menu

import (
	"fmt"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
)

const (
	refresh       = 10 * time.Second // between offers while they are looked at
	retryOffer    = 3 * time.Second  // after one that did not come, or while one is waited for
	maxInput      = 64
	maxAttempts   = 20               // of an unattended job
	maxRetry      = 30 * time.Minute // without any progress, or for an image to be there
	beforeInstall = 3 * time.Second  // for people to step in
	afterAlone    = 3 * time.Second
	afterPeople   = 10 * time.Second
	diskPatience  = 15 * time.Second // for disks whose drivers take their time
)

// model is the menu: what it knows, where it is, and what was typed. It does
// nothing by itself: events go in, actions come out.
type model struct {
	opts       Options
	bootMedium string
	began      time.Time
	now        time.Time

	machine  catalog.Machine
	network  Network
	address  string // of the server; "" none is known
	offer    *catalog.Offer
	key      trust.PublicKey
	trouble  string // why there is no offer, or no newer one
	asking   bool   // an offer is on its way
	next     time.Time
	arrived  bool // the server knows of us
	disks    []disk.Info
	disksErr error
	listed   bool

	page    page
	input   string
	said    string // answer to the last input
	plan    Plan
	stopped bool // the last key stopped a countdown
	touched bool // a person is here: nothing is done unattended any more
	run     *run // the job that is at work, or was
	actions []action
}

// page is what the menu is at.
type page interface {
	view(m *model, f *frame)
	enter(m *model, word string) // somebody typed this and Enter
	tick(m *model)
}

// What comes in.
type (
	event     any
	keyEvent  struct{ key key }
	tickEvent struct{}
	netEvent  struct{ network Network }
	diskEvent struct {
		disks []disk.Info
		err   error
	}
	offerEvent struct {
		offer *catalog.Offer
		key   trust.PublicKey
		err   error
	}
	stageEvent struct {
		stage stage
		lines []string
	}
	statusEvent struct{ progress progress }
	endEvent    struct{ outcome outcome }
	powerEvent  struct{ err error } // the machine did not go off
)

// What goes out.
type (
	action   any
	askOffer struct {
		address string
		machine catalog.Machine
	}
	startJob struct {
		job     job
		address string
	}
	stopJob    struct{}
	openShell  struct{}
	power      struct{ off bool }
	tellServer struct{ event catalog.Event }
	repaint    struct{}
	listDisks  struct{}
)

func newModel(o Options, m catalog.Machine, bootMedium string, now time.Time) *model {
	if o.MAC != "" {
		m.MAC = o.MAC
	}
	mod := &model{opts: o, machine: m, bootMedium: bootMedium, began: now, now: now, address: o.Server, page: &imagesPage{}}
	mod.network.Problem = "waiting for the network"
	mod.plan = o.plan(catalog.Orders{})
	return mod
}

// handle takes an event at a time and returns what is to be done.
func (m *model) handle(ev event, now time.Time) []action {
	m.now, m.actions = now, nil
	switch e := ev.(type) {
	case keyEvent:
		m.press(e.key)
	case netEvent:
		m.setNetwork(e.network)
	case diskEvent:
		m.disks, m.disksErr, m.listed = e.disks, e.err, true
	case offerEvent:
		m.setOffer(e)
	case stageEvent:
		if m.run != nil {
			m.run.at(e.stage, e.lines, now)
		}
	case statusEvent:
		if m.run != nil {
			m.run.progress = &e.progress
		}
	case powerEvent:
		m.turn(&imagesPage{})
		m.said = "That did not work: " + screen.Safe(e.err.Error())
	case endEvent:
		if m.run != nil {
			m.ended(e.outcome)
		}
	}
	m.page.tick(m)
	return m.actions
}

func (m *model) do(a action) { m.actions = append(m.actions, a) }

func (m *model) turn(p page) { m.page, m.input, m.said = p, "", "" }

func (m *model) setNetwork(n Network) {
	m.network = n
	if n.Problem != "" {
		return
	}
	if m.machine.MAC == "" {
		m.machine.MAC = n.MAC
	}
	if n.Hostname != "" { // what it was called until now is what all are called before they have a network
		m.machine.Name = n.Hostname
	}
}

func (m *model) setOffer(e offerEvent) {
	m.asking, m.next = false, m.now.Add(retryOffer)
	if e.err != nil {
		m.trouble = screen.Safe(e.err.Error())
		if isUntrusted(e.err) {
			m.offer = nil // and with it what was shown of an earlier one
		}
		return
	}
	m.offer, m.key, m.trouble = e.offer, e.key, ""
	m.plan = m.opts.plan(e.offer.Orders)
	if !m.alone() {
		m.next = m.now.Add(refresh)
	}
	if !m.arrived {
		m.arrived = true
		m.do(tellServer{catalog.Event{Machine: m.machine, Kind: catalog.Arrived}})
	}
}

// alone reports whether the menu acts by itself.
func (m *model) alone() bool { return m.plan.Unattended && !m.touched }

// keepAsking asks for an offer when it is time.
func (m *model) keepAsking() {
	if m.address == "" && m.network.Problem == "" {
		m.address, _ = parseServer(m.network.Server)
	}
	if m.asking || m.address == "" || m.network.Problem != "" || m.now.Before(m.next) {
		return
	}
	m.asking = true
	m.do(askOffer{m.address, m.machine})
}

// press takes a key.
func (m *model) press(k key) {
	if k == keyRepaint {
		m.do(repaint{})
		return
	}
	after := m.stopped
	m.stopped = false
	if s, ok := m.page.(interface{ interrupt(*model) bool }); ok && s.interrupt(m) {
		m.stopped = k != keyEnter
		return // the key that stopped a countdown means nothing more
	}
	if after && k == keyEnter {
		return // nor does the Enter that ends the line of it
	}
	switch {
	case k == keyEnter:
		word := strings.TrimSpace(m.input)
		m.input, m.said = "", ""
		m.page.enter(m, word)
	case k == keyBack && m.input != "":
		m.input = m.input[:len(m.input)-1]
	case k == keyEscape && m.input != "":
		m.input = ""
	case k == keyEscape:
		m.said = ""
		m.page.enter(m, "b")
	case k < keyEnter && len(m.input) < maxInput:
		m.input += string(rune(k))
	default:
		if s, ok := m.page.(interface{ move(*model, key) }); ok {
			s.move(m, k)
		}
	}
}

// command does what can be done on every page; it reports whether word is such a
// command.
func (m *model) command(word string) bool {
	switch strings.ToLower(word) {
	case "s":
		if m.opts.NoShell {
			m.said = "there is no shell on this machine (pxecast.shell=no)."
		} else {
			m.do(openShell{})
		}
	case "r":
		m.turn(&powerPage{})
	case "l":
		m.turn(&powerPage{local: true})
	case "o":
		m.turn(&powerPage{off: true})
	case "f":
		m.turn(&factsPage{back: m.page})
	default:
		return false
	}
	return true
}

// unknown answers what no page knows.
func (m *model) unknown(word string) {
	if word != "" {
		m.said = fmt.Sprintf("%q is none of these.", word)
	}
}

func (m *model) hints(own ...string) []string {
	all := append(own, "f facts")
	if !m.opts.NoShell {
		all = append(all, "s shell")
	}
	return append(all, "l local disk", "r restart", "o power off")
}

// frame returns what there is to see.
func (m *model) frame() frame {
	f := frame{head: []line{{text: m.headline(), style: title}}, input: m.input}
	m.page.view(m, &f)
	f.said = capital(m.said)
	return f
}

// headline is who and where this is.
func (m *model) headline() string {
	left := " pxecast"
	if m.offer != nil && m.offer.Server != "" {
		left += " from " + screen.Cut(screen.Safe(m.offer.Server), 24)
	}
	right := screen.Cut(m.machine.Name, 24)
	for _, s := range []string{m.network.Address, m.machine.MAC} {
		if s != "" {
			right += "  " + s
		}
	}
	return left + strings.Repeat(" ", max(2, columns-1-screen.Width(left)-screen.Width(right))) + right
}
