package menu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/screen"
)

// listRows is how many rows the list of images has.
const listRows = 11

// imagesPage is the menu's first page: what the server offers, or why it offers
// nothing.
type imagesPage struct {
	chosen int    // what Enter alone takes; -1 none
	moved  string // name of the image that somebody went to by hand; "" nobody did
	wait   string
	since  time.Time // of wait
}

func (p *imagesPage) tick(m *model) {
	m.keepAsking()
	if m.offer == nil {
		p.retryForEver(m)
		return
	}
	images := m.offer.Images // maybe others than before, in another order
	if p.moved == "" {
		p.chosen = preselected(images, m.plan.Image)
	} else if p.chosen = indexOf(images, p.moved); p.chosen >= 0 && images[p.chosen].Problem != "" {
		p.chosen = -1
	}
	if p.chosen < 0 {
		p.moved = ""
	}
	switch {
	case m.alone() && m.listed:
		p.unattended(m)
	case m.alone():
		p.wait = "looking at the disks"
	}
}

// retryForEver ends the wait for a server that went in mid-job.
func (p *imagesPage) retryForEver(m *model) {
	if m.alone() && m.run != nil && m.now.Sub(m.run.trouble) > maxRetry {
		m.giveUp(m.run.job.image.ID, fmt.Sprintf("the server did not come back: %s", m.trouble))
	}
}

// preselected is the image that the plan names, else the first that can be had.
func preselected(images []catalog.Image, want string) int {
	if i, _ := findImage(images, want); want != "" && i >= 0 && images[i].Problem == "" {
		return i
	}
	for i := range images {
		if images[i].Problem == "" {
			return i
		}
	}
	return -1
}

// indexOf returns where the image with a name is, -1 for nowhere. One that can be had
// comes before what lies in the server's folder under the same name: a folder lab
// beside lab.img.gz.
func indexOf(images []catalog.Image, name string) int {
	at := slices.IndexFunc(images, func(e catalog.Image) bool { return e.Name == name && e.Problem == "" })
	if at < 0 {
		at = slices.IndexFunc(images, func(e catalog.Image) bool { return e.Name == name })
	}
	return at
}

// findImage finds the image with a name, or whose ID begins so; the error tells
// why there is none.
func findImage(images []catalog.Image, want string) (int, error) {
	found := -1
	if i := indexOf(images, want); i >= 0 {
		return i, nil
	}
	for i := range images {
		id := images[i].ID.String()
		if len(want) < 4 || images[i].Problem != "" || !strings.HasPrefix(id, strings.ToLower(want)) {
			continue
		}
		if found >= 0 {
			return -1, fmt.Errorf("the IDs of several images begin with %s", screen.Safe(want))
		}
		found = i
	}
	if found < 0 {
		return -1, fmt.Errorf("the server has no image %s", screen.Safe(want))
	}
	return found, nil
}

// unattended goes on without anybody: to the countdown before the disk is
// written, or to the reason why not.
func (p *imagesPage) unattended(m *model) {
	wait, patience := "", maxRetry
	i, err := findImage(m.offer.Images, m.plan.Image)
	switch {
	case err != nil:
		wait = err.Error()
	case m.offer.Images[i].Problem != "":
		wait = fmt.Sprintf("%s: %s", screen.Safe(m.offer.Images[i].Name), screen.Safe(m.offer.Images[i].Problem))
	case len(m.disks) == 0:
		wait, patience = m.noDisk(), diskPatience
	}
	if p.since.IsZero() {
		p.since = m.now
	}
	if p.wait = wait; wait != "" {
		if m.now.Sub(p.since) > patience {
			m.giveUp(imageID(m.offer.Images, i), wait)
		}
		return
	}
	image := m.offer.Images[i]
	target, err := m.target(&image)
	if err != nil {
		m.giveUp(image.ID, err.Error())
		return
	}
	m.turn(newSoonPage(m, m.newJob(image, target)))
}

func (p *imagesPage) view(m *model, f *frame) {
	f.hints = m.hints()
	if m.offer == nil || len(m.offer.Images) == 0 {
		p.nothing(m, f)
	} else {
		p.list(m, f)
	}
	if m.alone() && m.plan.Image != "" {
		text := "Unattended: " + screen.Safe(m.plan.Image)
		if p.wait != "" {
			text = "Unattended, waiting: " + p.wait
		}
		f.live = append(f.live, line{text: "  " + text + ". Any key stops that.", style: trouble})
		f.brief, f.phase = text, p.wait
	}
	for _, w := range m.opts.Wrong {
		f.body = append(f.body, paragraph("On the kernel command line: "+w+" makes no sense, so nothing runs unattended.", bad)...)
	}
	f.body = append(f.body, line{})
	for _, l := range paragraph("This machine: "+m.hardware(), plain) {
		l.quiet = true
		f.body = append(f.body, l)
	}
}

// nothing says why there is nothing to choose.
func (p *imagesPage) nothing(m *model, f *frame) {
	say := func(head, why string) {
		f.body = append(f.body, line{}, line{text: "  " + head, style: trouble}, line{})
		f.body = append(f.body, paragraph(capital(why), plain)...)
	}
	f.prompt = "A letter, then Enter"
	switch {
	case m.network.Problem != "":
		say("No network yet", m.network.Problem)
	case m.address == "":
		say("No server was named", "The kernel command line has no pxecast.server=ADDRESS:PORT. Type the address of the machine that runs pxecast serve, such as 192.168.1.2.")
		f.prompt = "An address or a letter, then Enter"
	case m.offer != nil:
		say("The server has no images", "Put one into its folder of images: it appears here by itself.")
	case m.trouble != "":
		say("The server can't be used", m.trouble)
		f.body = append(f.body, line{}, line{text: "  It is asked again every few seconds.", style: faint})
	default:
		f.body = append(f.body, line{}, line{text: "  Asking the server " + m.address})
	}
}

// list shows the part of the images around the chosen one.
func (p *imagesPage) list(m *model, f *frame) {
	images := m.offer.Images
	add := func(s style, quiet bool, number, name, size, packed, date string) {
		f.body = append(f.body, line{text: "  " + left(number, 3) + "  " + left(name, 38) + right(size, 9) + right(packed, 11) + "  " + date, style: s, quiet: quiet})
	}
	f.body = append(f.body, line{text: "  Choose the image to put on this machine.", style: plain}, line{})
	add(faint, false, "", "IMAGE", "DISK", "TO FETCH", "DATE")
	first, last, all := window(images, max(0, p.chosen))
	for i := first; i < last; i++ {
		e := &images[i]
		s, number := plain, strconv.Itoa(i+1)
		if i == p.chosen {
			s = chosen
		}
		if e.Problem != "" {
			text := "  " + left("-", 3) + "  " + left(name(e), 24) + " " + e.Problem
			f.body = append(f.body, line{text: text, style: faint, quiet: true})
			continue
		}
		add(s, false, number, name(e), screen.Bytes(e.RawSize), screen.Bytes(e.PackedSize), e.Modified.Format("2006-01-02"))
		if e.Description != "" && (all || i == p.chosen) {
			f.body = append(f.body, line{text: "       " + screen.Safe(e.Description), style: faint, quiet: !all})
		}
	}
	if len(images) > last-first {
		f.body = append(f.body, line{text: fmt.Sprintf("       %d to %d of %d: n next, p previous", first+1, last, len(images)), style: faint})
	}
	if m.trouble != "" {
		f.body = append(f.body, line{}, line{text: "  " + capital(m.trouble), style: trouble, quiet: true})
	}
	f.prompt = "Number, then Enter"
	if p.chosen >= 0 {
		f.prompt += fmt.Sprintf(" [%d]", p.chosen+1)
	}
}

// window returns which images are shown, and whether all of them with their
// descriptions.
func window(images []catalog.Image, at int) (first, last int, all bool) {
	described := 0
	for i := range images {
		if images[i].Description != "" && images[i].Problem == "" {
			described++
		}
	}
	if len(images)+described <= listRows {
		return 0, len(images), true
	}
	page := listRows - 2 // the description of the chosen one, and which part this is
	first = at / page * page
	return first, min(len(images), first+page), false
}

func (p *imagesPage) enter(m *model, word string) {
	var images []catalog.Image
	if m.offer != nil {
		images = m.offer.Images
	}
	if word == "" && p.chosen >= 0 && p.chosen < len(images) {
		word = strconv.Itoa(p.chosen + 1)
	}
	n, err := strconv.Atoi(word)
	switch {
	case m.address == "" && m.takeAddress(word):
	case err == nil && (n < 1 || n > len(images)):
		m.said = fmt.Sprintf("There is no image %d.", n)
	case err == nil && images[n-1].Problem != "":
		m.said = fmt.Sprintf("%s can't be had: %s", name(&images[n-1]), screen.Safe(images[n-1].Problem))
	case err == nil:
		m.turn(newDisksPage(m, images[n-1]))
	case word == "n":
		p.move(m, keyPageDown)
	case word == "p":
		p.move(m, keyPageUp)
	case word == "b", m.command(word):
	default:
		m.unknown(word)
	}
}

// takeAddress is for machines that were not told their server.
func (m *model) takeAddress(word string) bool {
	address, ok := parseServer(word)
	if ok {
		m.address = address
	}
	return ok
}

// move goes to the next image that can be had.
func (p *imagesPage) move(m *model, k key) {
	if m.offer == nil {
		return
	}
	step, far := map[key]int{keyUp: -1, keyDown: 1, keyPageUp: -1, keyPageDown: 1}[k], 1
	if k == keyPageUp || k == keyPageDown {
		far = listRows - 2
	}
	at := p.chosen + step*far
	at = min(max(at, 0), len(m.offer.Images)-1)
	if step == 0 {
		return
	}
	for ; at >= 0 && at < len(m.offer.Images); at += step {
		if m.offer.Images[at].Problem == "" {
			p.chosen, p.moved = at, m.offer.Images[at].Name
			return
		}
	}
}

// interrupt: while the menu acts by itself, any key takes it over.
func (p *imagesPage) interrupt(m *model) bool {
	if !m.alone() {
		return false
	}
	m.touched = true
	m.said = "Stopped: choose by hand, or restart to run unattended."
	return true
}

func name(e *catalog.Image) string {
	if e.Title != "" {
		return screen.Safe(e.Title)
	}
	return screen.Safe(e.Name)
}

// hardware is this machine on a line.
func (m *model) hardware() string {
	s := fmt.Sprintf("%s memory, %d processors, %s", screen.Bytes(m.machine.Memory), m.machine.CPUs, m.machine.Firmware)
	for _, d := range m.disks {
		s += ", " + joined(screen.Safe(strings.TrimPrefix(d.Path, "/dev/"))+" "+screen.Bytes(d.Size))
	}
	if m.listed && len(m.disks) == 0 {
		s += ", no disk"
	}
	return s
}

func left(s string, width int) string {
	s = screen.Cut(screen.Safe(s), width)
	return s + strings.Repeat(" ", width-screen.Width(s))
}

func right(s string, width int) string {
	s = screen.Cut(screen.Safe(s), width)
	return strings.Repeat(" ", width-screen.Width(s)) + s
}
