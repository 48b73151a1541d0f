package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// Stable is the name by which every mirror knows the release that Debian
// recommends now.
const Stable = "stable"

// ErrNoSuite is returned for a suite that the mirrors don't serve, or that no
// key on this machine vouches for.
var ErrNoSuite = errors.New("no such Debian suite")

// A Release is where the packages of one Debian release come from.
type Release struct {
	Codename string   // "trixie"
	Lines    []string // for sources.list(5)
	Note     string   // what the user should know about the choice, "" if nothing
}

// Find returns the release of that name ("trixie", "stable") on the mirrors
// that the host's apt uses, with its updates and security updates where the
// mirrors have them. An empty suite means Debian's current stable release if
// this machine has its keys and its mirrors serve it, and otherwise the release
// that the machine has itself. What the mirrors say counts only with Debian's
// signature. Errors: [ErrNoSources], [ErrNoSuite].
func Find(ctx context.Context, suite string, components ...string) (Release, error) {
	all, err := targets(ctx)
	if err != nil {
		return Release{}, err
	}
	m, err := mirrors(all)
	if err != nil {
		return Release{}, err
	}
	if suite != "" {
		return m.release(ctx, suite, components)
	}
	r, err := m.release(ctx, Stable, components)
	if err == nil || ctx.Err() != nil {
		return r, err
	}
	why := err
	if r, err = m.release(ctx, own(all), components); err != nil {
		return Release{}, err
	}
	r.Note = fmt.Sprintf("this machine's own Debian %s is taken: %v", r.Codename, why)
	return r, nil
}

// mirror is where the host gets Debian from.
type mirror struct {
	main     string // URI of the archive
	security string // URI of the security archive, "" if the host has none
}

func mirrors(all []target) (m mirror, err error) {
	codename := own(all)
	for _, t := range all {
		switch {
		case t.origin != "Debian":
		case t.codename == codename && m.main == "":
			m.main = t.uri
		case t.codename == codename+"-security" && m.security == "":
			m.security = t.uri
		}
	}
	if m.main == "" {
		return m, ErrNoSources
	}
	return m, nil
}

// suiteName is what a suite may be called: it becomes part of an address.
var suiteName = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)

// release asks the mirrors for a suite.
func (m mirror) release(ctx context.Context, suite string, components []string) (Release, error) {
	if !suiteName.MatchString(suite) {
		return Release{}, fmt.Errorf("%w: %q is not the name of one", ErrNoSuite, suite)
	}
	codename, err := signedCodename(ctx, line(m.main, suite, components[:1]))
	if err != nil {
		return Release{}, fmt.Errorf("%w: %s: %w", ErrNoSuite, suite, err)
	}
	r := Release{Codename: codename, Lines: []string{line(m.main, codename, components)}}
	if codename == "sid" {
		return r, nil // has no updates: it is one
	}
	more := []string{line(m.main, codename+"-updates", components)}
	if m.security != "" {
		more = append(more, line(m.security, codename+"-security", components))
	}
	for _, l := range more {
		// A release that is still being made has none of these.
		if _, err := signedCodename(ctx, l); err == nil {
			r.Lines = append(r.Lines, l)
		} else if ctx.Err() != nil {
			return Release{}, ctx.Err()
		} else {
			r.Note = strings.TrimPrefix(r.Note+"; ", "; ") + fmt.Sprintf("without %s: %v", strings.Fields(l)[3], err)
		}
	}
	return r, nil
}

// signedCodename has apt fetch the signed list of lists that a line of
// sources.list names, check it against Debian's keys, and tell its codename.
func signedCodename(ctx context.Context, line string) (string, error) {
	dir, err := os.MkdirTemp("", "pxecast-apt-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	// apt fetches as a user of its own.
	if err := errors.Join(os.Chmod(dir, 0o755), os.MkdirAll(filepath.Join(dir, "lists/partial"), 0o755)); err != nil {
		return "", err
	}
	list, conf := filepath.Join(dir, "sources.list"), filepath.Join(dir, "conf")
	if err := errors.Join(
		os.WriteFile(list, []byte(line+"\n"), 0o644),
		// No index targets: nothing but the release file is fetched.
		os.WriteFile(conf, []byte("#clear Acquire::IndexTargets;\n#clear APT::Update;\n"), 0o644),
	); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "apt-get", "-q", "update", "-c", conf,
		"-o", "Dir::State::Lists="+filepath.Join(dir, "lists"), "-o", "Dir::Cache="+dir,
		"-o", "Dir::Etc::SourceList="+list, "-o", "Dir::Etc::SourceParts=/dev/null", "-o", "APT::Update::Error-Mode=any")
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", errors.New(complaint(string(said)))
	}
	found, _ := filepath.Glob(filepath.Join(dir, "lists/*Release"))
	if len(found) != 1 {
		return "", errors.New(complaint(string(said)))
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return "", err
	}
	return codenameOf(string(text))
}

func codenameOf(release string) (string, error) {
	for line := range strings.Lines(release) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Codename: "); ok && suiteName.MatchString(name) {
			return strings.TrimSuffix(strings.TrimSuffix(name, "-security"), "-updates"), nil
		}
	}
	return "", errors.New("the mirror's release file names no codename")
}

// complaint returns the line of apt's output that says what is wrong.
func complaint(said string) string {
	last := "apt-get said nothing"
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		for _, mark := range []string{"E: ", "W: "} {
			if text, ok := strings.CutPrefix(line, mark); ok {
				return text
			}
		}
		if line != "" {
			last = line
		}
	}
	return last
}
