package ramdisk

import (
	"bufio"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/pxecast/pxecast/internal/debian"
)

//go:embed files/hook.sh
var hook string

// The unstripped root: packages as Debian ships them, unpacked, nothing removed.
// It is kept as a tar archive, so that it is fetched once.
const (
	rootTar  = "root.tar"
	rootInfo = "root.json"
	notesDir = "pxecast" // in the root, by hook.sh
)

// Errors that say what this machine lacks.
var (
	ErrNotRoot      = errors.New("building a ramdisk needs root: packages are unpacked with their owners")
	ErrNoMmdebstrap = errors.New("mmdebstrap is not installed: apt-get install mmdebstrap")
)

// CanFetch returns what this machine lacks to fetch packages: ErrNotRoot or
// ErrNoMmdebstrap.
func CanFetch() error {
	if os.Geteuid() != 0 {
		return ErrNotRoot
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return ErrNoMmdebstrap
	}
	return nil
}

// rootFacts is kept beside root.tar.
type rootFacts struct {
	Key      string `json:"key"`      // of what it was asked to hold
	Codename string `json:"codename"` // of the Debian release
	Note     string `json:"note,omitempty"`
	Size     int64  `json:"size"`
	ModTime  int64  `json:"mtime"` // of root.tar, in nanoseconds: ties the two
}

// rootKey tells requests for different roots apart.
func rootKey(c *Config) string {
	text, err := json.Marshal([]any{c.Suite, c.Packages, localeOf(c), hook, programs, kernelPackage, loaders, firmware})
	if err != nil {
		panic(err) // strings only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// localeOf returns the locale that has to be made, "" if none.
func localeOf(c *Config) string {
	if ownLocale(c.Locale) {
		return ""
	}
	return c.Locale
}

// keptRoot returns the facts of the root.tar in folder, if it holds what is asked
// for.
func keptRoot(folder string, c *Config) (rootFacts, bool) {
	var f rootFacts
	text, err := os.ReadFile(filepath.Join(folder, rootInfo))
	if err != nil || json.Unmarshal(text, &f) != nil {
		return f, false
	}
	info, err := os.Stat(filepath.Join(folder, rootTar))
	return f, err == nil && info.Size() == f.Size && info.ModTime().UnixNano() == f.ModTime && f.Key == rootKey(c)
}

// fetchRoot makes root.tar in folder; scratch is on the same file system.
func (b *builder) fetchRoot(folder, scratch string) (rootFacts, error) {
	if err := CanFetch(); err != nil {
		return rootFacts{}, err
	}
	b.step("asking the mirrors", "")
	release, err := debian.Find(b.ctx, b.Suite, "main", "non-free-firmware")
	if err != nil {
		return rootFacts{}, err
	}
	temp := filepath.Join(scratch, rootTar)
	if err := b.mmdebstrap(release, temp, scratch); err != nil {
		return rootFacts{}, err
	}
	info, err := os.Stat(temp)
	if err != nil {
		return rootFacts{}, err
	}
	f := rootFacts{Key: rootKey(&b.Config), Codename: release.Codename, Note: release.Note, Size: info.Size(), ModTime: info.ModTime().UnixNano()}
	text, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return f, err
	}
	// The facts come last: without those that fit, an archive does not count.
	return f, errors.Join(syncFile(temp), os.Rename(temp, filepath.Join(folder, rootTar)),
		replaceFile(filepath.Join(folder, rootInfo), append(text, '\n')))
}

func (b *builder) mmdebstrap(release debian.Release, temp, scratch string) error {
	script := filepath.Join(scratch, "hook.sh")
	if err := os.WriteFile(script, []byte(hook), 0o755); err != nil {
		return err
	}
	var own []string
	for _, p := range programs {
		own = append(own, p.name)
	}
	include := append(own[:len(own):len(own)], b.Packages...)
	if localeOf(&b.Config) != "" {
		include = append(include, "locales", "libc-bin")
	}
	args := append([]string{"--mode=root", "--variant=extract", "--format=tar", "--architectures=amd64",
		"--include=" + strings.Join(include, ","), "--extract-hook=" + script}, debian.MmdebstrapOptions(b.ctx)...)
	cmd := command(b.ctx, "mmdebstrap", append(args, release.Codename, temp, "-")...)
	cmd.Stdin = strings.NewReader(strings.Join(release.Lines, "\n") + "\n")
	cmd.Env = append(cmd.Env, "PXECAST_PACKAGES="+strings.Join(own, " "), "PXECAST_KERNEL="+kernelPackage,
		"PXECAST_LOADERS="+strings.Join(loaders, " "), "PXECAST_FIRMWARE="+strings.Join(firmware, " "), "PXECAST_LOCALE="+localeOf(&b.Config))
	b.step("fetching packages", "Debian "+release.Codename)
	said, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	tail := make(chan string)
	go func() { tail <- b.follow(said) }()
	_, err := output(b.ctx, cmd)
	w.Close()
	words := <-tail
	if err != nil && b.ctx.Err() == nil {
		return fmt.Errorf("%w%s", err, lastWords(words))
	}
	return err
}

// aptFetches takes apart a line such as
// "Get:7 http://mirror.example/debian trixie/main amd64 kmod amd64 34.2-2 [96.5 kB]".
var aptFetches = regexp.MustCompile(`^Get:\d+ \S+ \S+ \S+ (\S+) \S+ \S+ \[([0-9.]+ k?M?B)\]`)

// follow tells the progress of what mmdebstrap and apt say, and returns the last
// of it.
func (b *builder) follow(said io.Reader) string {
	var tail []string
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		line := lines.Text()
		if m := aptFetches.FindStringSubmatch(line); m != nil {
			b.step("fetching packages", m[1]+", "+m[2])
		} else if strings.HasPrefix(line, "I: creating tarball") {
			b.step("keeping them in root.tar", "")
		}
		if tail = append(tail, line); len(tail) > 30 {
			tail = tail[1:]
		}
	}
	io.Copy(io.Discard, said) // who says more in a line than was foreseen must not wait for us
	return strings.Join(tail, "\n")
}

// A Package is a Debian package that the ramdisk or a boot loader came from.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Files   int    `json:"files"` // in the ramdisk
	Bytes   int64  `json:"bytes"` // of these, unpacked
}

// notes is what hook.sh wrote down.
type notes struct {
	packages []Package
	owner    map[string]string // path in the root → package
	files    map[string][]string
	own      map[string]bool // packages that the ramdisk's own programs need
}

func readNotes(root string) (n notes, err error) {
	dir := filepath.Join(root, notesDir)
	n = notes{owner: make(map[string]string), files: make(map[string][]string), own: make(map[string]bool)}
	versions, err := os.ReadFile(filepath.Join(dir, "versions"))
	if err != nil {
		return n, err
	}
	for line := range strings.Lines(string(versions)) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		n.packages = append(n.packages, Package{Name: name, Version: version})
		list, err := os.ReadFile(filepath.Join(dir, "files", name))
		if err != nil {
			return n, err
		}
		for p := range strings.Lines(string(list)) {
			p = merged(strings.TrimPrefix(strings.TrimSpace(p), "."))
			if !strings.HasSuffix(p, "/") {
				n.owner[p] = name
				n.files[name] = append(n.files[name], p)
			}
		}
	}
	own, err := os.ReadFile(filepath.Join(dir, "own"))
	for name := range strings.Lines(string(own)) {
		n.own[strings.TrimSpace(name)] = true
	}
	return n, err
}

// merged returns the path in /usr of what a package has in /bin, /sbin or /lib,
// which are links.
func merged(p string) string {
	for _, dir := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(p, dir) {
			return "/usr" + p
		}
	}
	return p
}

// newest returns the time of the newest file of the root's packages, in seconds.
func newest(ctx context.Context, root string) (int64, error) {
	var latest int64
	out, err := output(ctx, command(ctx, "find", filepath.Join(root, "usr"), filepath.Join(root, "boot"), "-type", "f", "-not", "-path", "*/modules/*/modules.*",
		"-not", "-path", "*/keymaps/*", "-not", "-path", "*/locale/*", "-printf", "%T@\n"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(out)) {
		whole, _, _ := strings.Cut(line, ".")
		t, err := strconv.ParseInt(strings.TrimSpace(whole), 10, 64)
		if err != nil {
			return 0, err
		}
		latest = max(latest, t)
	}
	return latest, nil
}
