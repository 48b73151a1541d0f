package menu

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
)

// TestInteractions plays the scripts in testdata, which read like a log of
// somebody at a machine: what happens, what the menu then does ("=> …"), and what
// it shows ("|…", 80×25). PXECAST_UPDATE=1 writes what is now.
func TestInteractions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no scripts")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := new(scene).play(t, string(b))
			if os.Getenv("PXECAST_UPDATE") != "" {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(b) {
				t.Errorf("%s is now:\n%s", f, got)
			}
		})
	}
}

// scene is a machine of which only the menu's mind is there.
type scene struct {
	m      *model
	now    time.Time
	out    strings.Builder
	serial linePainter
	line   strings.Builder // what came over the serial line
}

var sceneMachine = catalog.Machine{
	MAC: "52:54:00:12:34:56", UUID: "4c4c4544-0042-3510-8052-b4c04f4d3332", Vendor: "Dell Inc.", Product: "OptiPlex 7080", Serial: "B5BRM32",
	Name: "pc-01", Firmware: "uefi secure boot", Memory: 17e9, CPUs: 8,
}

var sceneDisks = map[string]disk.Info{
	"nvme": nvme, "sda": sda, "sdb": sdb, "stick": stick, "usb": usbDisk, "card": card, "emmc": emmc, "tiny": tiny, "locked": locked, "mounted": mounted,
}

var day = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

var sceneImages = map[string]catalog.Image{
	"lab":     {ID: image.ID{0xab, 0xcd, 1}, Name: "lab", Title: "Debian 12 for room 4", Description: "Compilers of the course; log in as student", RawSize: 12e9, PackedSize: 3.1e9, Modified: day},
	"win":     {ID: image.ID{0xab, 0xcd, 2}, Name: "win", Title: "Windows 11", RawSize: 64e9, PackedSize: 20e9, Modified: day.AddDate(0, -1, 0)},
	"scripts": {ID: image.ID{3}, Name: "scripts", Title: "With scripts", RawSize: 12e9, PackedSize: 3e9, Modified: day, Init: &catalog.Script{}, Post: &catalog.Script{}},
	"half":    {Name: "half", Title: "half.img.gz", Problem: "is still being copied"},
	"evil":    {ID: image.ID{4}, Name: "evil", Title: "\x1b[2Jclear \u202eme" + strings.Repeat(" and more", 20), Description: "two\nlines", RawSize: 1e9, PackedSize: 1e9, Modified: day},
}

// play runs a script and returns it with what came out.
func (s *scene) play(t *testing.T, script string) string {
	for text := range strings.Lines(script) {
		text = strings.TrimSuffix(text, "\n")
		if strings.HasPrefix(text, "|") || strings.HasPrefix(text, "=> ") {
			continue
		}
		fmt.Fprintln(&s.out, text)
		if text == "" || text[0] == '#' {
			continue
		}
		verb, rest, _ := strings.Cut(text, " ")
		if err := s.step(verb, rest); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		f := s.m.frame()
		s.fits(t, &f)
		if verb == "serial" {
			s.overSerial()
		}
		if verb == "screen" {
			for _, l := range f.lines() {
				fmt.Fprintln(&s.out, strings.TrimRight("|"+mark(l), " "))
			}
		}
	}
	return s.out.String()
}

// overSerial is what came since it was looked at last.
func (s *scene) overSerial() {
	text := strings.NewReplacer("\r\n", "\n", "\b", "^H").Replace(s.line.String())
	for l := range strings.Lines(text) {
		fmt.Fprintln(&s.out, strings.TrimRight("|"+l, " \n"))
	}
	s.line.Reset()
}

// mark shows what a console shows in reverse.
func mark(l line) string {
	if l.style == chosen && strings.HasPrefix(l.text, " ") {
		return ">" + l.text[1:]
	}
	return l.text
}

// fits: nothing is ever larger than the smallest screen, or obeyed by it.
func (s *scene) fits(t *testing.T, f *frame) {
	lines := f.lines()
	if len(lines) > rows {
		t.Fatalf("%d lines", len(lines))
	}
	for _, l := range lines {
		if screen.Width(l.text) > columns || strings.ContainsFunc(l.text, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2000 }) {
			t.Fatalf("line %q", l.text)
		}
	}
}

func (s *scene) step(verb, rest string) error {
	words := strings.Fields(rest)
	switch verb {
	case "start":
		s.now, s.serial = day, linePainter{}
		s.m = newModel(ParseOptions(rest), sceneMachine, "", s.now)
	case "net":
		if rest != "" {
			return s.happens(netEvent{Network{Problem: rest}})
		}
		return s.happens(netEvent{Network{Interface: "eth0", Address: "192.168.1.50", MAC: "52:54:00:12:34:56"}})
	case "disks":
		var list []disk.Info
		for _, w := range words {
			list = append(list, sceneDisks[w])
		}
		return s.happens(diskEvent{disks: list})
	case "offer":
		return s.happens(offerEvent{offer: offerOf(words), key: trust.PublicKey{1}})
	case "no-offer":
		return s.happens(offerEvent{err: errors.New(rest)})
	case "untrusted":
		return s.happens(offerEvent{err: fmt.Errorf("%w: its key is not among those that this machine was built with", catalog.ErrUntrusted)})
	case "type":
		return s.typed(rest)
	case "wait":
		return s.waits(rest)
	case "stage":
		return s.happens(stageEvent{stage: map[string]stage{"init": preparing, "wait": waiting, "receive": receiving, "post": finishing}[words[0]], lines: words[1:]})
	case "status":
		p := progress{RawBytes: 12e9}
		if err := json.Unmarshal([]byte(rest), &p); err != nil {
			return err
		}
		return s.happens(statusEvent{p})
	case "done":
		return s.happens(endEvent{outcome{received: &progress{RawBytes: 12e9, BytesWritten: 12e9, BytesReused: 2e9, Seconds: 100, MBPerS: 120}}})
	case "failed":
		return s.happens(endEvent{outcome{err: errors.New(rest)}})
	case "failed-for-now":
		return s.happens(endEvent{outcome{err: errors.New(rest), again: true}})
	case "refused":
		return s.happens(endEvent{outcome{err: errors.New(rest), refused: true}})
	case "script-failed":
		return s.happens(endEvent{outcome{err: &scriptError{"the post script failed with exit status 3", 3}, lines: words}})
	case "screen", "serial":
	default:
		return errors.New("no such step")
	}
	return nil
}

func offerOf(words []string) *catalog.Offer {
	o := &catalog.Offer{Server: "srv", Made: day}
	for _, w := range words {
		key, value, isOrder := strings.Cut(w, "=")
		switch {
		case key == "many":
			for i := range 30 {
				o.Images = append(o.Images, catalog.Image{ID: image.ID{9, byte(i)}, Name: fmt.Sprint("image-", i+1), Description: "One of many", RawSize: 1e9, PackedSize: 5e8, Modified: day})
			}
		case !isOrder:
			o.Images = append(o.Images, sceneImages[w])
		case key == "image":
			o.Orders.Image = value
		case key == "disk":
			o.Orders.Disk = value
		case key == "after":
			o.Orders.After = catalog.After(value)
		case key == "unattended":
			o.Orders.Unattended = value == "yes"
		}
	}
	return o
}

var typedKeys = strings.NewReplacer("<enter>", "\r", "<up>", "\x1b[A", "<down>", "\x1b[B", "<next>", "\x1b[6~", "<back>", "\x7f", "<esc>", "\x03")

func (s *scene) typed(text string) error {
	var d decoder
	for _, k := range d.feed([]byte(typedKeys.Replace(text))) {
		if err := s.happens(keyEvent{k}); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) waits(text string) error {
	d, err := time.ParseDuration(text)
	for end := s.now.Add(d); err == nil && s.now.Before(end); {
		s.now = s.now.Add(tickEach)
		err = s.happens(tickEvent{})
	}
	return err
}

// happens writes down what the menu does about an event.
func (s *scene) happens(e event) error {
	for _, a := range s.m.handle(e, s.now) {
		switch a := a.(type) {
		case askOffer:
			fmt.Fprintf(&s.out, "=> asks %s\n", a.address)
		case listDisks:
			fmt.Fprintln(&s.out, "=> looks at the disks")
		case startJob:
			fmt.Fprintf(&s.out, "=> puts %s on %s, verify %v, init done %v\n", a.job.image.Name, a.job.disk.Path, a.job.verify, a.job.initDone)
		case stopJob:
			fmt.Fprintln(&s.out, "=> stops the job")
		case openShell:
			fmt.Fprintln(&s.out, "=> opens a shell")
		case power:
			fmt.Fprintf(&s.out, "=> %s\n", map[bool]string{true: "switches off", false: "restarts"}[a.off])
		case tellServer:
			fmt.Fprintf(&s.out, "=> tells the server: %s %s %q\n", a.event.Kind, a.event.Disk, a.event.Text)
		case repaint:
		default:
			return fmt.Errorf("an action %T", a)
		}
	}
	f := s.m.frame()
	s.line.Write(s.serial.paint(&f, false, s.now))
	return nil
}

// Before a machine has a network all are called the same.
func TestNameOfTheNetwork(t *testing.T) {
	machine := sceneMachine
	machine.Name = "pxecast" // as the ramdisk's init has it
	m := newModel(Options{}, machine, "", day)
	m.handle(netEvent{Network{Interface: "eth0", Address: "192.168.1.50", Hostname: "pc-17"}}, day)
	if m.machine.Name != "pc-17" {
		t.Errorf("scripts and server get the name %q", m.machine.Name)
	}
}

// What is no image may be called as one is.
func TestFindImage(t *testing.T) {
	folder := catalog.Image{Name: "lab", Problem: "a folder, not an image"}
	list := []catalog.Image{folder, sceneImages["win"], sceneImages["lab"]}
	if i, err := findImage(list, "lab"); i != 2 || err != nil {
		t.Errorf("lab is %d, %v", i, err)
	}
	if i, err := findImage(list[:2], "lab"); i != 0 || err != nil {
		t.Errorf("lab that can't be had is %d, %v", i, err)
	}
	if i, err := findImage(list, sceneImages["win"].ID.String()[:6]); i != 1 || err != nil {
		t.Errorf("win by its ID is %d, %v", i, err)
	}
}
