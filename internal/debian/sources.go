// Package debian knows where this machine's apt gets Debian from: its mirrors,
// its keys, its proxies. What pxecast installs from packages comes from there.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// Keyring holds the keys of the Debian archive (package
// debian-archive-keyring). Naming it for every source makes apt refuse
// whatever is not Debian's own, however it calls itself.
const Keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// ErrNoSources is returned when the host's apt knows no Debian archive.
var ErrNoSources = errors.New("apt on this machine knows no package lists of the Debian archive (run apt-get update; the machine must be a Debian)")

// target is one package list of the host's apt configuration.
type target struct {
	uri, release, component, origin, codename, arch string
}

// Sources returns lines for sources.list(5) with the mirrors that the host's
// own apt uses for the Debian release that it has itself, component main, and
// that release's name.
func Sources(ctx context.Context) (lines []string, codename string, err error) {
	all, err := targets(ctx)
	if err != nil {
		return nil, "", err
	}
	return choose(all)
}

func targets(ctx context.Context) ([]target, error) {
	cmd := exec.CommandContext(ctx, "apt-get", "indextargets", "--format",
		"$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(CODENAME)|$(ARCHITECTURE)", "Created-By: Packages")
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%w: there is no apt-get", ErrNoSources)
	case err != nil:
		return nil, fmt.Errorf("apt-get indextargets: %w", err)
	}
	return parseTargets(string(out)), nil
}

func parseTargets(out string) []target {
	var targets []target
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) == 6 {
			targets = append(targets, target{f[0], f[1], f[2], f[3], f[4], f[5]})
		}
	}
	return targets
}

// own returns the Debian release that the host has itself, "" if none: neither
// another vendor's nor backports.
func own(targets []target) (codename string) {
	for _, t := range targets {
		if t.origin == "Debian" && t.codename != "" && !strings.Contains(t.codename, "-") {
			return t.codename
		}
	}
	return ""
}

// choose keeps one Debian release with its updates and security updates, and
// of it the component main: neither other vendors' archives nor backports.
func choose(targets []target) (lines []string, codename string, err error) {
	if codename = own(targets); codename == "" {
		return nil, "", ErrNoSources
	}
	for _, t := range targets {
		wanted := t.codename == codename || t.codename == codename+"-updates" || t.codename == codename+"-security"
		if t.origin != "Debian" || t.component != "main" || t.arch != "amd64" || !wanted {
			continue
		}
		if l := line(t.uri, t.release, []string{"main"}); !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return nil, "", ErrNoSources
	}
	return lines, codename, nil
}

func line(uri, suite string, components []string) string {
	return fmt.Sprintf("deb [signed-by=%s] %s %s %s", Keyring, uri, suite, strings.Join(components, " "))
}

// AptOptions returns what of the host's apt configuration another apt needs to
// reach the same mirrors, in the form of apt's configuration files: proxies, and
// whether lists that Debian no longer renews are accepted, as they must be on
// a mirror of an earlier day.
func AptOptions(ctx context.Context) []string {
	out, err := exec.CommandContext(ctx, "apt-config", "dump").Output()
	if err != nil {
		return nil
	}
	return parseOptions(string(out))
}

func parseOptions(dump string) (options []string) {
	for line := range strings.Lines(dump) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(name, "Acquire::") || strings.HasSuffix(line, ` "";`) {
			continue
		}
		if strings.Contains(strings.ToLower(name), "::proxy") || name == "Acquire::Check-Valid-Until" {
			options = append(options, line)
		}
	}
	return options
}

// MmdebstrapOptions returns AptOptions as arguments for mmdebstrap, which
// starts from an empty apt configuration.
func MmdebstrapOptions(ctx context.Context) (args []string) {
	for _, o := range AptOptions(ctx) {
		args = append(args, "--aptopt="+o)
	}
	return args
}
