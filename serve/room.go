package serve

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/sender"
)

// State is how far a machine is.
type State string

// The states, in the order in which a machine goes through them.
const (
	Booting   State = "booting"   // it fetches boot loader, kernel or ramdisk
	AtMenu    State = "menu"      // the menu is on its screen
	Imaging   State = "imaging"   // it receives
	Installed State = "installed" // disk and scripts are done
	Failed    State = "failed"
	Refused   State = "refused" // nothing was written, and why
)

// MachineStatus is a machine as the server knows it.
type MachineStatus struct {
	catalog.Machine
	Address  netip.Addr
	State    State
	Text     string    // what it is doing, or why it failed
	Image    image.ID  // that it gets or got; zero for none
	Progress float64   // 0 to 1, while it receives
	Seen     time.Time // when it was last heard of

	done bool      // it had been installed when it booted again
	told time.Time // when we last saw it boot or it told something; what a session heard before is older
}

// Title is what people call a machine.
func (m *MachineStatus) Title() string {
	return cmp.Or(m.Name, m.MAC, m.Address.String())
}

// mostMachines bounds what a flood of invented machines makes us remember; those
// that were not heard of for the longest are forgotten first.
const mostMachines = 4096

// room is all machines that were seen. It is safe for concurrent use.
type room struct {
	mu     sync.Mutex
	all    map[string]*MachineStatus // by MAC address, or IP address while that is not known
	holder map[netip.Addr]string     // the key of the machine that was seen last with an address
}

func newRoom() *room {
	return &room{all: map[string]*MachineStatus{}, holder: map[netip.Addr]string{}}
}

// at returns the machine of a MAC or, where that is unknown, an IP address.
func (r *room) at(now time.Time, mac string, a netip.Addr) *MachineStatus {
	key := cmp.Or(mac, r.holder[a], a.String())
	m := r.all[key]
	if m == nil {
		if len(r.all) >= mostMachines {
			r.forgetOne()
		}
		m = &MachineStatus{Machine: catalog.Machine{MAC: mac}}
		r.all[key] = m
	}
	if a.IsValid() {
		if key != a.String() { // what booted under this address before its MAC was known
			delete(r.all, a.String())
		}
		if m.Address != a {
			r.leaves(key, m.Address)
		}
		r.holder[a], m.Address = key, a
	}
	m.Seen = now
	return m
}

// leaves forgets that a machine had an address, unless another has it by now.
func (r *room) leaves(key string, a netip.Addr) {
	if r.holder[a] == key {
		delete(r.holder, a)
	}
}

func (r *room) forgetOne() {
	oldest := ""
	for key, m := range r.all {
		if oldest == "" || m.Seen.Before(r.all[oldest].Seen) {
			oldest = key
		}
	}
	r.leaves(oldest, r.all[oldest].Address)
	delete(r.all, oldest)
}

// boots notes that a machine fetches what it boots from. It reports whether that
// is news.
func (r *room) boots(now time.Time, mac string, a netip.Addr, what string) (m MachineStatus, news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.at(now, mac, a)
	news = one.State != Booting || one.Text != what
	one.done, one.told = one.done || one.State == Installed, now
	one.State, one.Text, one.Image, one.Progress = Booting, what, image.ID{}, 0
	return *one, news
}

// installed reports whether a machine has got an image, and nothing else since.
func (r *room) installed(mac string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.all[mac]
	return m != nil && (m.done || m.State == Installed)
}

// says notes what a machine tells of itself.
func (r *room) says(now time.Time, a netip.Addr, e *catalog.Event) MachineStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.at(now, e.Machine.MAC, a)
	m.Machine, m.done, m.told = e.Machine, false, now
	switch e.Kind {
	case catalog.Arrived:
		m.State, m.Text, m.Image, m.Progress = AtMenu, "", image.ID{}, 0
	case catalog.Refused:
		m.State, m.Text, m.Image = Refused, e.Text, e.Image
	case catalog.Failed:
		m.State, m.Text, m.Image = Failed, e.Text, e.Image
	case catalog.Installed:
		m.State, m.Text, m.Image, m.Progress = Installed, e.Text, e.Image, 1
	case catalog.Ran:
		m.Text = scriptText(e)
	}
	return *m
}

// receives notes how far the receivers of a session are. A session believes for some
// seconds that a machine still receives which was switched off and boots again, or has
// told us that it failed.
func (r *room) receives(now time.Time, st *sender.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range st.Receivers {
		rec := &st.Receivers[i]
		a, err := netip.ParseAddr(rec.Address)
		if err != nil {
			continue
		}
		m := r.all[r.holder[a]]
		if m == nil && rec.State.Over() {
			continue // it is at another address by now, or was here before us
		}
		if m == nil {
			m = r.at(now, "", a)
			m.Name = rec.Name
		}
		switch {
		case rec.State == protocol.ReceiverGone || rec.State == protocol.ReceiverFailed:
			if m.State == Imaging { // else it has told us why, or came again
				m.State, m.Text, m.Image = Failed, rec.Error, st.ImageID
			}
		case !rec.State.Over() && rec.Heard.After(m.told):
			m.State, m.Text, m.Image, m.Seen = Imaging, rec.State.String(), st.ImageID, rec.Heard
		}
		if m.Image == st.ImageID && st.RawSize > 0 && m.State == Imaging {
			m.Progress = float64(rec.Counters.Written) / float64(st.RawSize)
		}
	}
}

// machines returns all, by name.
func (r *room) machines() []MachineStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]MachineStatus, 0, len(r.all))
	for _, m := range r.all {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b MachineStatus) int {
		return cmp.Or(cmp.Compare(a.Title(), b.Title()), a.Address.Compare(b.Address))
	})
	return list
}
