// Package ramdisk builds what machines boot into: Debian's kernel, a small
// Debian in memory that finds the machine's hardware and runs `pxecast menu`,
// and the boot loaders that bring both there. docs/ramdisk.md walks through it.
package ramdisk

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pxecast/pxecast/internal/trust"
)

// DefaultOutput is where `pxecast serve` looks for what it lets machines boot.
const DefaultOutput = "/var/lib/pxecast/boot"

// Config says what to build. Its zero value, with a Binary and Trust, is a
// ramdisk for everyday use.
type Config struct {
	// Output is the folder to build in. Default: [DefaultOutput].
	Output string
	// Suite is the Debian release to build from, such as "trixie". Default:
	// Debian's current stable release, if this machine has its keys and its
	// mirrors serve it; otherwise the machine's own.
	Suite string
	// Packages are Debian packages that are put into the ramdisk beside those
	// that it has by itself, with all that they depend on.
	Packages []string
	// Files are put into the ramdisk beside those of packages, and over them.
	Files []File
	// Keymap is the name of the keyboard's layout, such as "de". Default: "us".
	// The kernel's command line can name another (pxecast.keymap=).
	Keymap string
	// Locale is what LANG is set to. Default: "C.UTF-8".
	Locale string
	// SerialSpeed is the speed of serial consoles in bits per second.
	// Default: 115200.
	SerialSpeed int
	// NoShell leaves out the root shell on the second console.
	NoShell bool
	// Trust are the senders whose images the machines write.
	Trust []trust.PublicKey
	// Binary is the static pxecast program that runs on the machines. Default:
	// the program that is running.
	Binary string
	// Version is that program's version, for the report.
	Version string
	// Epoch is the time that files have in the ramdisk, in seconds since 1970.
	// Default: the time of the newest file in the packages.
	Epoch int64
	// Fresh fetches all packages anew, also if they were kept.
	Fresh bool
	// Progress is told what is being done, from the goroutine that called Build.
	Progress func(Progress)
}

// A File of the host that goes into the ramdisk. Folders go with their contents.
type File struct {
	From string `json:"from"` // on this machine
	To   string `json:"to"`   // in the ramdisk, absolute
}

// ParseFile reads HOST:PATH, as in "keys/authorized:/root/.ssh/authorized_keys".
// Without ":PATH" the file has the path that it has on the host.
func ParseFile(text string) (File, error) {
	from, to, ok := strings.Cut(text, ":")
	if !ok {
		abs, err := filepath.Abs(from)
		if err != nil {
			return File{}, err
		}
		to = abs
	}
	if from == "" || !path.IsAbs(to) || path.Clean(to) == "/" {
		return File{}, fmt.Errorf("%q: give HOST:PATH, a file here and its absolute path in the ramdisk, such as ./motd:/etc/motd", text)
	}
	return File{From: from, To: path.Clean(to)}, nil
}

// Progress is a step of a build.
type Progress struct {
	Step  string // what is being done: "fetching packages"
	Text  string // what there is to say of it, "" if nothing
	Done  int64  // of Total, in a unit of the step's own
	Total int64  // 0 if not known
}

// What names may look like. They end up in shell scripts, in apt's arguments and
// on the kernel's command line.
var (
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]+$`)
	suiteName   = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)
	keymapName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	localeName  = regexp.MustCompile(`^(C|POSIX|[a-z]{2,3}_[A-Z]{2})(\.UTF-8)?$`)
)

// serialSpeeds are those that Linux's console and GRUB both know.
var serialSpeeds = []int{9600, 19200, 38400, 57600, 115200}

// Check returns what is wrong with the words in a Config, before anything is
// looked at that they name.
func (c Config) Check() error {
	c.defaults()
	return c.checkNames()
}

// validate fills in the defaults and checks everything that can be checked
// before the work begins.
func (c *Config) validate() error {
	c.defaults()
	if err := c.checkNames(); err != nil {
		return err
	}
	for _, f := range c.Files {
		if _, err := os.Stat(f.From); err != nil {
			return fmt.Errorf("extra file: %w", err)
		}
	}
	if len(c.Trust) == 0 {
		return errors.New("no key to trust: without one the machines would write nothing")
	}
	if c.Binary == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		c.Binary = self
	}
	return checkBinary(c.Binary)
}

func (c *Config) defaults() {
	if c.Output == "" {
		c.Output = DefaultOutput
	}
	if c.Keymap == "" {
		c.Keymap = "us"
	}
	if c.Locale == "" {
		c.Locale = "C.UTF-8"
	}
	if c.SerialSpeed == 0 {
		c.SerialSpeed = 115200
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	c.Packages = slices.Clone(c.Packages)
	slices.Sort(c.Packages)
	c.Packages = slices.Compact(c.Packages)
}

func (c *Config) checkNames() error {
	for _, p := range c.Packages {
		if !packageName.MatchString(p) {
			return fmt.Errorf("package %q: that is not a Debian package's name", p)
		}
	}
	switch {
	case c.Suite != "" && !suiteName.MatchString(c.Suite):
		return fmt.Errorf("suite %q: give the name of a Debian release, such as trixie", c.Suite)
	case !keymapName.MatchString(c.Keymap):
		return fmt.Errorf("keymap %q: give the name of a console keymap, such as us, uk, de or fr", c.Keymap)
	case !localeName.MatchString(c.Locale):
		return fmt.Errorf("locale %q: give one such as C.UTF-8 or de_DE.UTF-8", c.Locale)
	case !slices.Contains(serialSpeeds, c.SerialSpeed):
		return fmt.Errorf("serial speed %d: give one of %v", c.SerialSpeed, serialSpeeds)
	case c.Epoch < 0 || c.Epoch >= 1<<32:
		return fmt.Errorf("SOURCE_DATE_EPOCH %d: a time in an image fits 32 bits", c.Epoch)
	}
	return nil
}

// ownLocale reports whether the C library has the locale built in.
func ownLocale(name string) bool { return strings.HasPrefix(name, "C") || name == "POSIX" }
