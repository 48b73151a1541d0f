package menu

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/trust"
)

// Both consoles show the same, and either takes keys.
func TestTwoConsoles(t *testing.T) {
	w := newWorld(t)
	lab := &w.offer.Images[0]
	lab.Init = w.script("#!/bin/sh\necho before $PXECAST_DISK\n", time.Minute)
	lab.Post = w.script("#!/bin/sh\necho pc-07 > $PXECAST_DISK.hostname\necho after of $PXECAST_IMAGE by $PXECAST_MAC\n", time.Minute)
	w.boot("")
	w.vt.shows("The lab", "Number, then Enter [1]>", "1.0 GB memory")
	w.serial.said("The lab", "Number, then Enter [1]>")
	w.event(catalog.Arrived)
	w.serial.types("1")
	w.serial.said("1") // the echo
	w.vt.shows("Number, then Enter [1]> 1")
	w.serial.types("\r")
	w.serial.said("Choose the disk for The lab", "Number, then Enter [1]>")
	w.vt.shows("Choose the disk for The lab", "A file", "F1")
	w.vt.types("1\r")
	w.vt.shows("Image  The lab", "Disk   "+w.dir[:10], "will be lost", "Type yes")
	w.serial.said("will be lost", "Type yes and Enter>")
	w.vt.types("yes\r")
	w.serial.said("Done", "Restarts in", "Any key stops that.")
	w.vt.shows("Done", "Restarts in")
	if !w.imaged() {
		t.Error("the disk does not hold the image")
	}
	if b, err := os.ReadFile(w.dir + "/disk.hostname"); string(b) != "pc-07\n" {
		t.Errorf("post wrote %q, %v", b, err)
	}
	if e := w.event(catalog.Ran); e.Script != "init" || e.Exit != 0 || e.Output != "before "+w.dir+"/disk" {
		t.Errorf("%+v", e)
	}
	if e := w.event(catalog.Ran); e.Script != "post" || e.Output != "after of lab by 52:54:00:12:34:56" || e.Machine.MAC != "52:54:00:12:34:56" {
		t.Errorf("%+v", e)
	}
	if e := w.event(catalog.Installed); e.Image != w.offer.Images[0].ID || !strings.Contains(e.Disk, "serial F1") {
		t.Errorf("%+v", e)
	}
	w.serial.types("x") // stops the countdown
	w.serial.said("Stopped.", "Number or letter, then Enter>")
	w.vt.types("r\r")
	w.serial.said("This machine restarts in")
	if off := <-w.power; off {
		t.Error("it was switched off")
	}
}

func TestUnattended(t *testing.T) {
	w := newWorld(t)
	w.offer.Orders = catalog.Orders{Image: "lab", Unattended: true, After: catalog.PowerOff, Verify: true}
	w.boot("")
	w.serial.said("is overwritten in", "Done")
	if off := <-w.power; !off || !w.imaged() {
		t.Errorf("off %v, imaged %v", off, w.imaged())
	}
	w.event(catalog.Arrived)
	w.event(catalog.Installed) // told before it was switched off
}

func TestUntrustedServerIsNotFollowed(t *testing.T) {
	w := newWorld(t)
	w.offer.Orders = catalog.Orders{Image: "lab", Unattended: true}
	other, err := trust.Generate()
	if err != nil {
		t.Fatal(err)
	}
	w.boot("pxecast.trust=" + other.Public().String() + " pxecast.image=lab pxecast.confirm=no")
	w.vt.shows("The server can't be used", "not signed by a key that this machine trusts")
	w.serial.said("not signed by a key that this machine")
	w.serial.types("f\r") // local things work
	w.serial.said("Stopped")
	w.serial.types("f\r")
	w.serial.said("Memory", "1.0 GB")
	if !w.untouched() {
		t.Error("something was written")
	}
}

// Who is between machine and server can ask it in the name of another machine.
func TestOfferForAnotherMachineIsRefused(t *testing.T) {
	w := newWorld(t)
	w.offer.Orders = catalog.Orders{Image: "lab", Unattended: true}
	w.other = "52:54:00:00:00:99"
	w.boot("")
	w.vt.shows("The server can't be used", "offers to another machine", "52:54:00:00:00:99")
	if !w.untouched() {
		t.Error("something was written")
	}
}

func TestChangedScriptIsRefused(t *testing.T) {
	w := newWorld(t)
	w.offer.Images[0].Post = w.script("#!/bin/sh\ntrue\n", time.Minute)
	w.forge = true
	w.boot("pxecast.image=lab pxecast.confirm=no")
	w.vt.shows("Nothing was written.", "the script is not the one that the server signed")
	w.event(catalog.Arrived)
	if e := w.event(catalog.Refused); !strings.Contains(e.Text, "post script: the script is not the one") {
		t.Errorf("%+v", e)
	}
	if !w.untouched() {
		t.Error("something was written")
	}
}

// A script that fails, and one that hangs, end the machine as failed, with the
// last lines on the screen and at the server.
func TestPostFails(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		exit   int
		words  string
	}{
		"fails": {"#!/bin/sh\necho no such partition\nexit 3\n", 3, "the post script failed with exit status 3"},
		"hangs": {"#!/bin/sh\necho no such partition\nsleep 1000\n", -1, "the post script did not end within 1 s and was killed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer.Images[0].Post = w.script(c.script, time.Second)
			w.boot("pxecast.image=lab pxecast.confirm=no")
			w.vt.shows("This disk is not done", c.words[5:], "| no such partition", "1 try again")
			w.event(catalog.Arrived)
			if e := w.event(catalog.Ran); e.Script != "post" || e.Exit != c.exit || e.Output != "no such partition" || e.Text != c.words {
				t.Errorf("%+v", e)
			}
			if e := w.event(catalog.Failed); e.Text != c.words || e.Output != "no such partition" {
				t.Errorf("%+v", e)
			}
			w.serial.types("3\r")
			w.vt.shows("Choose the image") // and stays usable
		})
	}
}

func TestDiskThatIsTooSmall(t *testing.T) {
	w := newWorld(t)
	small := w.disk()
	small.Size = worldSize - 1
	w.boot("pxecast.image=lab pxecast.confirm=no", small, stick)
	w.vt.shows("Nothing was written.", "too small: the", "1 try again")
	w.event(catalog.Arrived)
	w.event(catalog.Refused)
	w.serial.types("1\r")
	w.serial.said("Choose the disk", "too small")
	w.serial.types("1\r")
	w.serial.said("can't be used: too small")
}

// The server is started again in mid-session; nobody is at the machine.
func TestServerComesBack(t *testing.T) {
	w := newWorld(t)
	w.rate = "2M"
	w.boot("pxecast.image=lab pxecast.confirm=no pxecast.after=menu")
	w.serial.said("Receiving")
	w.crash()
	w.rate = "auto"
	w.serve()
	w.serial.said("Done")
	if !w.imaged() {
		t.Error("the disk does not hold the image")
	}
}

// And where somebody chose image and disk, nobody has to come again.
func TestServerComesBackToWhatPeopleBegan(t *testing.T) {
	w := newWorld(t)
	w.rate = "2M"
	w.boot("pxecast.after=menu")
	w.serial.said("Number, then Enter [1]>")
	w.serial.types("1\r")
	w.serial.said("Choose the disk")
	w.serial.types("1\r")
	w.serial.said("Type yes and Enter>")
	w.serial.types("yes\r")
	w.serial.said("Receiving")
	w.crash()
	w.rate = "auto"
	w.serve()
	w.serial.said("Done")
	if !w.imaged() {
		t.Error("the disk does not hold the image")
	}
}

func TestNoServerYet(t *testing.T) {
	w := newWorld(t)
	w.crash()
	w.boot("pxecast.image=lab pxecast.confirm=no pxecast.after=menu")
	w.vt.shows("Nothing listens at "+w.address, "Unattended: lab")
	w.serve()
	w.vt.shows("Done")
}

// A shell gets a console to itself, with job control, and the others go on.
func TestShell(t *testing.T) {
	w := newWorld(t)
	w.boot("")
	w.serial.said("Number, then Enter [1]>")
	w.serial.types("s\r")
	w.serial.said("exit brings the menu back.")
	w.serial.types("echo $((6*7)) $TERM on $(tty)\r")
	w.serial.said("42 vt100 on " + w.serial.path)
	// A ^C before the command is the terminal's foreground job would not be for it, and
	// dash takes none while it forks.
	w.serial.types("sh -c 'echo $((6*8)) runs; exec sleep 1000'; echo was $?\r")
	w.serial.said("48 runs\r\n")
	w.serial.types("\x03")
	w.serial.said("^C", "ready> ")
	w.vt.types("1\r")
	w.vt.shows("Choose the disk")
	w.serial.types("exit\r")
	w.serial.said("Choose the disk", "Enter [1]>")
}

// A console that nobody reads holds up no other.
func TestConsoleThatBlocks(t *testing.T) {
	w := newWorld(t)
	w.serial = newTerminal(t, false)
	w.boot("")
	w.vt.shows("Number, then Enter [1]>")
	for range 150 { // far more than a terminal buffers
		w.vt.types("f\r")
		w.vt.shows("Letter, then Enter>")
		w.vt.types("b\r")
		w.vt.shows("Number, then Enter [1]>")
	}
}

// What the kernel writes over a screen goes when somebody asks for that.
func TestRepaint(t *testing.T) {
	w := newWorld(t)
	w.boot("")
	w.vt.shows("Number, then Enter [1]>")
	w.vt.mu.Lock()
	w.vt.draw("\x1b[2J\x1b[3;1Hsd 0:0:0:0: [sda] Attached SCSI disk")
	w.vt.mu.Unlock()
	w.vt.types("\x0c")
	w.vt.shows("The lab")
	w.vt.mu.Lock()
	defer w.vt.mu.Unlock()
	if s := w.vt.screen(); strings.Contains(s, "Attached") {
		t.Errorf("still there:\n%s", s)
	}
}

func TestNothingTrustedAndNoDisk(t *testing.T) {
	w := newWorld(t)
	w.boot("pxecast.trust=nonsense", []disk.Info{}...)
	w.vt.shows("trust \"nonsense\"")
}
