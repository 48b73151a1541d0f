package disks

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// keyring holds the keys of the Debian archive (package
// debian-archive-keyring). Naming it for every source makes apt refuse
// whatever is not Debian's own, however it calls itself.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// ErrNoSources is returned when the host's apt knows no Debian archive.
var ErrNoSources = errors.New("apt on this machine knows no package lists of the Debian archive (run apt-get update; the machine must be a Debian)")

// target is one package list of the host's apt configuration.
type target struct {
	uri, release, component, origin, codename, arch string
}

// sources returns lines for sources.list(5) with the mirrors that the host's
// own apt uses for the Debian archive, and the archive's release name.
func sources(ctx context.Context) (lines []string, codename string, err error) {
	cmd := exec.CommandContext(ctx, "apt-get", "indextargets", "--format",
		"$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(CODENAME)|$(ARCHITECTURE)", "Created-By: Packages")
	out, err := cmd.Output()
	if err != nil {
		return nil, "", fmt.Errorf("apt-get indextargets: %w", err)
	}
	return choose(parseTargets(string(out)))
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

// choose keeps one Debian release with its updates and security updates, and
// of it the component main: neither other vendors' archives nor backports.
func choose(targets []target) (lines []string, codename string, err error) {
	for _, t := range targets {
		if t.origin == "Debian" && t.codename != "" && !strings.Contains(t.codename, "-") {
			codename = t.codename
			break
		}
	}
	if codename == "" {
		return nil, "", ErrNoSources
	}
	for _, t := range targets {
		wanted := t.codename == codename || t.codename == codename+"-updates" || t.codename == codename+"-security"
		if t.origin != "Debian" || t.component != "main" || t.arch != "amd64" || !wanted {
			continue
		}
		line := fmt.Sprintf("deb [signed-by=%s] %s %s main", keyring, t.uri, t.release)
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil, "", ErrNoSources
	}
	return lines, codename, nil
}

// proxies returns the host's proxy settings for apt as options for mmdebstrap,
// which starts from an empty apt configuration.
func proxies(ctx context.Context) []string {
	out, err := exec.CommandContext(ctx, "apt-config", "dump").Output()
	if err != nil {
		return nil
	}
	var options []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, " ")
		if strings.HasPrefix(name, "Acquire::") && strings.Contains(strings.ToLower(name), "::proxy") && !strings.HasSuffix(line, ` "";`) {
			options = append(options, "--aptopt="+line)
		}
	}
	return options
}
