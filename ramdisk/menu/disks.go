package menu

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/screen"
)

// disksPage asks which disk the image goes to.
type disksPage struct {
	image  catalog.Image
	chosen string // path of the disk that Enter alone takes; "" none
	moved  bool
	first  int // disk that is shown first
}

// listDisksMost is how many disks are shown at a time.
const listDisksMost = 6

func newDisksPage(m *model, image catalog.Image) *disksPage {
	m.do(listDisks{})
	return &disksPage{image: image}
}

func (p *disksPage) tick(m *model) {
	if p.first >= len(m.disks) { // some are gone
		p.first = 0
	}
	if p.moved && p.at(m) >= 0 {
		return
	}
	p.moved = false
	p.chosen = ""
	// The same rules as where nobody is asked: never a removable one.
	if d, err := m.target(&p.image); err == nil {
		p.chosen = d.Path
	}
}

func (p *disksPage) view(m *model, f *frame) {
	f.body = append(f.body, line{text: fmt.Sprintf("  Choose the disk for %s, which needs %s.", name(&p.image), screen.Bytes(p.image.RawSize))}, line{})
	f.hints = m.hints("b back")
	f.prompt = "Number, then Enter"
	if len(m.disks) == 0 {
		f.body = append(f.body, paragraph(capital(m.noDisk()), bad)...)
		return
	}
	add := func(s style, number, path, size, model, serial, holds string) {
		f.body = append(f.body, line{text: "  " + left(number, 3) + "  " + left(path, 13) + right(size, 9) + "  " + left(model, 22) + " " + left(serial, 20) + " " + holds, style: s})
	}
	add(faint, "", "DISK", "SIZE", "MODEL", "SERIAL", "")
	last := min(len(m.disks), p.first+listDisksMost)
	for i := p.first; i < last; i++ {
		d := &m.disks[i]
		s, number, note := plain, strconv.Itoa(i+1), aside(d, m.bootMedium)
		why := unfit(d, p.image.RawSize)
		switch {
		case d.Path == p.chosen:
			s = chosen
		case why != "":
			s, number = faint, "-"
		}
		add(s, number, d.Path, screen.Bytes(d.Size), d.Model, d.Serial, "")
		f.body = append(f.body, line{text: "       " + holding(d, note, why), style: faint})
	}
	if last-p.first < len(m.disks) {
		f.body = append(f.body, line{text: fmt.Sprintf("       %d to %d of %d: n next, p previous", p.first+1, last, len(m.disks)), style: faint})
	}
	if i := p.at(m); i >= 0 {
		f.prompt += fmt.Sprintf(" [%d]", i+1)
	}
}

// at returns which disk is chosen, -1 for none.
func (p *disksPage) at(m *model) int {
	return slices.IndexFunc(m.disks, func(d disk.Info) bool { return d.Path == p.chosen })
}

// noDisk says why there is none.
func (m *model) noDisk() string {
	if m.disksErr != nil {
		return m.disksErr.Error()
	}
	return "this machine has no disk that its drivers see"
}

// holding says what is on a disk, and what speaks against it.
func holding(d *disk.Info, note, why string) string {
	s := "holds: " + cmp.Or(screen.Safe(d.Contents), "unknown data")
	for _, more := range []string{note, why} {
		if more != "" {
			s += "; " + more
		}
	}
	return s
}

func (p *disksPage) enter(m *model, word string) {
	if i := p.at(m); word == "" && i >= 0 {
		word = strconv.Itoa(i + 1)
	}
	n, err := strconv.Atoi(word)
	switch {
	case err == nil && (n < 1 || n > len(m.disks)):
		m.said = fmt.Sprintf("There is no disk %d.", n)
	case err == nil:
		d := m.disks[n-1]
		if why := unfit(&d, p.image.RawSize); why != "" {
			m.said = fmt.Sprintf("%s can't be used: %s.", d.Path, why)
			m.do(tellServer{catalog.Event{Machine: m.machine, Kind: catalog.Refused, Image: p.image.ID, Disk: diskLine(&d), Text: why}})
			return
		}
		m.turn(&confirmPage{job: m.newJob(p.image, d)})
	case word == "n":
		p.move(m, keyPageDown)
	case word == "p":
		p.move(m, keyPageUp)
	case word == "b":
		m.turn(&imagesPage{})
	case m.command(word):
	default:
		m.unknown(word)
	}
}

func (p *disksPage) move(m *model, k key) {
	switch {
	case k == keyPageDown && p.first+listDisksMost < len(m.disks):
		p.first += listDisksMost
	case k == keyPageUp:
		p.first = max(0, p.first-listDisksMost)
	}
	step := map[key]int{keyUp: -1, keyDown: 1}[k]
	if step == 0 {
		return
	}
	at := p.at(m)
	if at < 0 && step < 0 {
		at = len(m.disks)
	}
	for at += step; at >= 0 && at < len(m.disks); at += step {
		if unfit(&m.disks[at], p.image.RawSize) == "" {
			p.chosen, p.moved = m.disks[at].Path, true
			p.first = at / listDisksMost * listDisksMost
			return
		}
	}
}

// newJob is an image on a disk; it goes on from an earlier attempt at the same.
func (m *model) newJob(image catalog.Image, d disk.Info) job {
	j := job{image: image, disk: d, key: m.key, machine: m.machine, network: m.network, verify: m.plan.Verify}
	if m.run != nil && m.run.job.image.ID == image.ID && m.run.job.disk.Path == d.Path {
		j.initDone = m.run.job.initDone
	}
	return j
}

// confirmPage asks whether image and disk are what was meant.
type confirmPage struct{ job job }

func (p *confirmPage) tick(*model) {}

func (p *confirmPage) view(m *model, f *frame) {
	f.body = append(p.job.summary(),
		line{},
		line{text: "  Everything on " + p.job.disk.Path + " will be lost.", style: bad},
	)
	verify := "v also read back"
	if p.job.verify {
		verify = "v don't read back"
	}
	f.hints = []string{"yes go on", "b back", verify}
	f.prompt = "Type yes and Enter"
}

// summary names image and disk.
func (j *job) summary() []line {
	d := &j.disk
	lines := []line{
		{text: "  Image  " + name(&j.image), style: title},
		{text: fmt.Sprintf("         %s, %s to fetch, of %s, ID %s", screen.Bytes(j.image.RawSize), screen.Bytes(j.image.PackedSize), j.image.Modified.Format("2006-01-02"), j.image.ID.Short()), style: faint},
		{},
		{text: "  Disk   " + d.Path, style: title},
		{text: "         " + strings.TrimPrefix(diskLine(d), d.Path+", "), style: faint},
		{text: "         " + holding(d, aside(d, ""), ""), style: faint},
	}
	var also []string
	for i, s := range []*catalog.Script{j.image.Init, j.image.Post} {
		if s != nil {
			also = append(also, "its "+scriptNames[i]+" script runs")
		}
	}
	if j.verify {
		also = append(also, "the disk is read back")
	}
	if len(also) > 0 {
		lines = append(lines, line{}, line{text: "  Also   " + strings.Join(also, ", "), style: faint})
	}
	return lines
}

func (p *confirmPage) enter(m *model, word string) {
	switch strings.ToLower(word) {
	case "yes", "y":
		m.begin(p.job)
	case "b", "no", "n":
		m.turn(newDisksPage(m, p.job.image))
	case "v":
		p.job.verify = !p.job.verify
	case "":
		m.said = "Nothing is written unless you type yes."
	default:
		m.said = fmt.Sprintf("%q is not yes: nothing is written.", word)
	}
}

// soonPage is the time to step in before an unattended job begins, and for disks to
// show up whose drivers are slower than others: "only" is of all that there are.
type soonPage struct {
	job job
	at  time.Time
}

func newSoonPage(m *model, j job) *soonPage {
	m.do(listDisks{})
	return &soonPage{j, m.now.Add(beforeInstall)}
}

func (p *soonPage) tick(m *model) {
	if m.now.Before(p.at) {
		return
	}
	if d, err := m.target(&p.job.image); err != nil || d.Path != p.job.disk.Path {
		m.turn(&imagesPage{}) // which says why, or begins anew
		return
	}
	m.begin(p.job)
}

// target is the disk that the plan's policy takes.
func (m *model) target(image *catalog.Image) (disk.Info, error) {
	policy, err := ParsePolicy(m.plan.Disk)
	if err != nil {
		return disk.Info{}, err
	}
	return Choose(policy, m.disks, image.RawSize, m.bootMedium)
}

func (p *soonPage) view(m *model, f *frame) {
	f.body = p.job.summary()
	f.brief = fmt.Sprintf("Everything on %s is overwritten in %s. Any key stops that.", p.job.disk.Path, seconds(p.at, m.now))
	f.live = []line{{text: "  " + f.brief, style: bad}}
}

func (p *soonPage) enter(*model, string) {}

func (p *soonPage) interrupt(m *model) bool {
	m.touched = true
	m.turn(&imagesPage{})
	m.said = "Stopped: nothing was written. Choose by hand, or restart to run unattended."
	return true
}
