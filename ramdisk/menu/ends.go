package menu

import (
	"fmt"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/screen"
)

// seconds is how long it is until at.
func seconds(at, now time.Time) string {
	return screen.Duration(max(0, at.Sub(now)+time.Second-1).Truncate(time.Second))
}

// againPage waits before an unattended job is tried again.
type againPage struct {
	text string
	at   time.Time
}

// tick goes by the first page: the offer there is a new one, and if the server is
// gone it says so.
func (p *againPage) tick(m *model) {
	if !m.now.Before(p.at) {
		m.offer, m.next = nil, m.now
		m.turn(&imagesPage{})
	}
}

func (p *againPage) view(m *model, f *frame) {
	f.body = append([]line{{text: "  It did not work", style: bad}, {}}, paragraph(capital(p.text), plain)...)
	f.brief = fmt.Sprintf("Tried again in %s (attempt %d of %d at most). Any key stops that.", seconds(p.at, m.now), m.run.attempts+1, maxAttempts)
	f.live = []line{{text: "  " + f.brief, style: trouble}}
}

func (p *againPage) enter(*model, string) {}

func (p *againPage) interrupt(m *model) bool {
	m.fail(catalog.Failed, m.run.job.image.ID, p.text, nil)
	return true
}

// failedPage says why the disk is not done, and what can be done.
type failedPage struct {
	id        image.ID
	text      string
	lines     []string
	untouched bool // nothing was written
}

func (p *failedPage) tick(*model) {}

func (p *failedPage) view(m *model, f *frame) {
	head := "This disk is not done. Until it is, it does not boot."
	if p.untouched {
		head = "Nothing was written."
	}
	f.body = append([]line{{text: "  " + head, style: bad}, {}}, paragraph(capital(p.text), plain)...)
	if len(p.lines) > 0 {
		f.body = append(f.body, line{}, line{text: "  The script's last lines:", style: faint})
		for _, l := range p.lines[max(0, len(p.lines)-9):] {
			f.body = append(f.body, line{text: "  | " + l})
		}
	}
	f.hints = m.hints("1 try again", "2 another disk", "3 all images")
	f.prompt = "Number or letter, then Enter"
}

func (p *failedPage) enter(m *model, word string) {
	mine := m.run != nil && m.run.job.image.ID == p.id
	switch {
	case word == "1" && mine:
		m.begin(m.newJob(m.run.job.image, m.run.job.disk))
	case word == "2" && mine:
		m.turn(newDisksPage(m, m.run.job.image))
	case word == "1", word == "2":
		m.again(p.id)
	case word == "3", word == "b":
		m.turn(&imagesPage{})
	case m.command(word):
	default:
		m.unknown(word)
	}
}

// again asks for the disk of an image that no job was about yet.
func (m *model) again(id image.ID) {
	if m.offer != nil && id != (image.ID{}) {
		for _, e := range m.offer.Images {
			if e.ID == id {
				m.turn(newDisksPage(m, e))
				return
			}
		}
	}
	m.turn(&imagesPage{})
}

// donePage says that it is done, and counts down to what comes after.
type donePage struct {
	after   catalog.After
	in      time.Duration
	at      time.Time
	stopped bool // the countdown
	gone    bool // and did what it counted down to
}

func (p *donePage) tick(m *model) {
	if p.stopped || m.now.Before(p.at) {
		return
	}
	p.stopped, p.gone = true, true
	switch p.after {
	case catalog.Reboot:
		m.do(power{})
	case catalog.PowerOff:
		m.do(power{off: true})
	case catalog.Shell:
		m.do(openShell{})
	case catalog.Menu:
		m.turn(&imagesPage{})
	}
}

func (p *donePage) view(m *model, f *frame) {
	r := m.run
	f.body = append([]line{{text: "  Done", style: good}, {}}, r.job.summary()...)
	if g := r.progress; g != nil {
		text := fmt.Sprintf("%s in %s, %s", screen.Bytes(g.BytesWritten), screen.Duration(time.Duration(g.Seconds*float64(time.Second))), screen.Rate(g.MBPerS*1e6))
		if g.BytesReused > 0 {
			text += fmt.Sprintf("; %s of it were there already", screen.Bytes(g.BytesReused))
		}
		f.body = append(f.body, line{}, line{text: "  Took   " + text}, line{text: "         " + g.losses()}, line{text: "         " + g.lanes()})
	}
	f.hints = m.hints("3 all images")
	f.prompt = "Number or letter, then Enter"
	if !p.stopped {
		what := map[catalog.After]string{catalog.Reboot: "Restarts", catalog.PowerOff: "Switches off", catalog.Shell: "Opens a shell", catalog.Menu: "Goes to the menu"}[p.after]
		f.brief = fmt.Sprintf("%s in %s. Any key stops that.", what, seconds(p.at, m.now))
		f.live = []line{{text: "  " + f.brief, style: good}}
	}
	if p.gone && (p.after == catalog.Reboot || p.after == catalog.PowerOff) {
		f.brief, f.phase, f.prompt = map[catalog.After]string{catalog.Reboot: "Restarting.", catalog.PowerOff: "Switching off."}[p.after], "now", ""
		f.live = []line{{text: "  " + f.brief, style: good}}
	}
}

func (p *donePage) interrupt(m *model) bool {
	if p.stopped {
		return false
	}
	p.stopped, m.said = true, "Stopped."
	return true
}

func (p *donePage) enter(m *model, word string) {
	switch {
	case word == "3", word == "b":
		m.turn(&imagesPage{})
	case m.command(word):
	default:
		m.unknown(word)
	}
}

// powerPage leaves time to think again.
type powerPage struct {
	off, local bool
	at         time.Time
	gone       bool
}

func (p *powerPage) tick(m *model) {
	if p.at.IsZero() {
		p.at = m.now.Add(afterAlone)
	}
	if !p.gone && !m.now.Before(p.at) {
		p.gone = true
		m.do(power{off: p.off})
	}
}

func (p *powerPage) view(m *model, f *frame) {
	what := "This machine restarts"
	if p.off {
		what = "This machine switches off"
	}
	f.body = []line{{}, {text: "  " + what, style: title}, {}}
	if p.local {
		f.body = append(f.body, paragraph("To start from its disk, press nothing: the network's boot menu goes on to the disk by itself after a few seconds. Or choose the disk in the firmware's boot menu.", plain)...)
	}
	f.brief = "Now."
	if !p.gone {
		f.brief = fmt.Sprintf("%s in %s. Any key stops that.", what, seconds(p.at, m.now))
	}
	f.live, f.phase = []line{{text: "  " + f.brief}}, fmt.Sprint(p.gone)
}

func (p *powerPage) interrupt(m *model) bool {
	m.turn(&imagesPage{})
	return true
}

func (p *powerPage) enter(*model, string) {}

// factsPage tells all that is known of this machine.
type factsPage struct{ back page }

func (p *factsPage) tick(*model) {}

func (p *factsPage) view(m *model, f *frame) {
	add := func(label, value string) {
		if value = strings.TrimSpace(value); value != "" {
			f.body = append(f.body, line{text: "  " + left(label, 12) + value})
		}
	}
	c := &m.machine
	add("Machine", c.Vendor+" "+c.Product)
	add("Serial", c.Serial)
	add("UUID", c.UUID)
	add("Firmware", c.Firmware)
	add("Memory", screen.Bytes(c.Memory))
	add("Processors", fmt.Sprint(c.CPUs))
	add("Network", strings.TrimSpace(strings.Join([]string{m.network.Interface, m.network.Address, m.network.Problem}, " ")))
	add("MAC", c.MAC)
	add("Server", m.address)
	if m.offer != nil {
		add("Signed by", m.key.Fingerprint())
	}
	f.body = append(f.body, line{})
	for i := range m.disks {
		d := &m.disks[i]
		add("Disk", diskLine(d))
		add("", holding(d, aside(d, m.bootMedium), unfit(d, 0)))
	}
	f.hints = m.hints("b back")
	f.prompt = "Letter, then Enter"
}

func (p *factsPage) enter(m *model, word string) {
	switch {
	case word == "", word == "b":
		m.turn(p.back)
	case word == "f":
	case m.command(word):
	default:
		m.unknown(word)
	}
}
