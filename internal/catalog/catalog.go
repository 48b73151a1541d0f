// Package catalog is what a boot server and the machines that it booted say to
// each other: which images there are, what this machine is to do, and how it
// went. Everything that a machine acts on is in an Offer, which the server signs;
// what machines tell the server are reports, which it believes as far as it
// believes its network.
//
// The messages are JSON over HTTP, below the address that the kernel command line
// has as pxecast.server:
//
//	GET  /v1/offer?nonce=…&mac=…&…   a signed Offer for the Machine in the query
//	GET  /v1/scripts/<digest>        a script of an image in an offer
//	POST /v1/sessions                Request → Session: opens the session of an image, or finds it
//	POST /v1/events                  Event: how it goes on the machine
//
// An answer with another status than 2xx is a Refusal.
package catalog

import (
	"time"

	"github.com/pxecast/pxecast/internal/image"
)

// Paths of the HTTP interface.
const (
	OfferPath    = "/v1/offer"
	ScriptsPath  = "/v1/scripts/"
	SessionsPath = "/v1/sessions"
	EventsPath   = "/v1/events"
)

// Port is the TCP port of a server's HTTP service unless its owner says
// otherwise.
const Port = 26980

// Limits, checked by whoever reads.
const (
	MaxScript = 256 << 10 // bytes of a script
	MaxOffer  = 4 << 20   // bytes of a signed offer: 2000 images with a description each
	MaxEvent  = 64 << 10  // bytes of an event: the last lines of a script
	MaxImages = 2000      // in an offer
	MaxText   = 4 << 10   // bytes of a description, or of the output in an event
	MaxLines  = 40        // of that output
)

// Machine is what a machine says of itself. All of it can be made up.
type Machine struct {
	MAC      string `json:"mac"`      // of the card that it booted from, "52:54:00:12:34:56"
	UUID     string `json:"uuid"`     // of its firmware (SMBIOS), lower case; "" unknown
	Vendor   string `json:"vendor"`   // of the machine
	Product  string `json:"product"`  //
	Serial   string `json:"serial"`   //
	Name     string `json:"name"`     // host name
	Firmware string `json:"firmware"` // "bios", "uefi" or "uefi secure boot"
	Memory   int64  `json:"memory"`   // bytes
	CPUs     int    `json:"cpus"`
}

// Offer is what a server offers to one machine.
type Offer struct {
	Server string    `json:"server"` // its name, for people
	Made   time.Time `json:"made"`
	For    Machine   `json:"for"`    // who asked, as Clean has it: one for another machine is worth nothing, either
	Images []Image   `json:"images"` // in the order to show
	Orders Orders    `json:"orders"`
}

// Image is an image that a server has, or has not in the end.
type Image struct {
	ID          image.ID  `json:"id"` // of the packed image; zero while Problem is set
	Name        string    `json:"name"`
	Title       string    `json:"title"` // for people; the name where nobody gave one
	Description string    `json:"description"`
	RawSize     int64     `json:"raw_size"`    // bytes of the disk
	PackedSize  int64     `json:"packed_size"` // bytes
	Modified    time.Time `json:"modified"`
	Init        *Script   `json:"init,omitempty"`    // runs before the disk is written
	Post        *Script   `json:"post,omitempty"`    // runs after it
	Problem     string    `json:"problem,omitempty"` // why it can't be had now: it is being packed, it is broken
}

// Script is a program of an image, for the machine to run as root.
type Script struct {
	Digest  image.Digest  `json:"digest"` // of its bytes: what else comes is not run
	Size    int           `json:"size"`   // bytes
	Timeout time.Duration `json:"timeout"`
}

// Orders say what a machine does without being asked. The zero value leaves all to
// the person at the machine.
type Orders struct {
	Image      string `json:"image,omitempty"`      // its name or the beginning of its ID; "" the person chooses
	Disk       string `json:"disk,omitempty"`       // a DiskPolicy; "" the person chooses
	Unattended bool   `json:"unattended,omitempty"` // nobody is asked
	After      After  `json:"after,omitempty"`
	Verify     bool   `json:"verify,omitempty"` // read the disk back
}

// After is what a machine does when its disk is done.
type After string

// What there is to do; "" lets the person choose, after a countdown to reboot.
const (
	Reboot   After = "reboot"
	PowerOff After = "poweroff"
	Shell    After = "shell"
	Menu     After = "menu"
)

// Request asks for the session of an image.
type Request struct {
	Machine Machine  `json:"machine"`
	Image   image.ID `json:"image"`
}

// Session is the answer: the session is announced, or will be at once.
type Session struct {
	Image image.ID `json:"image"`
	Name  string   `json:"name"`
}

// Refusal is why a request was not granted.
type Refusal struct {
	Error string `json:"error"`
}

// Event is something that happened on a machine.
type Event struct {
	Machine Machine  `json:"machine"`
	Kind    Kind     `json:"kind"`
	Image   image.ID `json:"image"`            // zero: not about an image
	Disk    string   `json:"disk,omitempty"`   // "/dev/sda, 500 GB, Samsung … S4X…"
	Text    string   `json:"text,omitempty"`   // why, in words
	Script  string   `json:"script,omitempty"` // "init" or "post"
	Exit    int      `json:"exit,omitempty"`   // of the script
	Output  string   `json:"output,omitempty"` // its last lines
}

// Kind is what an Event tells.
type Kind string

// What machines tell.
const (
	Arrived   Kind = "arrived"   // the menu is there
	Refused   Kind = "refused"   // nothing was written: no disk by the policy, too small, image's signature
	Installed Kind = "installed" // the disk is done, and post too
	Failed    Kind = "failed"    // the disk is not done
	Ran       Kind = "script"    // a script ended
)
