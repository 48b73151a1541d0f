// Package setup gets a fresh machine ready for demo and benchmarks: the programs
// they call, and pxecast itself.
package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Lab lists the Debian packages that a lab needs, by a program of each.
func Lab() map[string]string {
	return map[string]string{"ip": "iproute2", "tc": "iproute2", "nft": "nftables", "ethtool": "ethtool"}
}

// Install installs what is missing of the programs, given with their Debian
// packages, by apt-get. Not being root it fails, naming what is to be installed.
func Install(ctx context.Context, log io.Writer, sets ...map[string]string) error {
	var packages []string
	for _, set := range sets {
		for program, pkg := range set {
			if _, err := exec.LookPath(program); err != nil && !slices.Contains(packages, pkg) {
				packages = append(packages, pkg)
			}
		}
	}
	if len(packages) == 0 {
		return nil
	}
	slices.Sort(packages)
	list := strings.Join(packages, " ")
	if os.Geteuid() != 0 {
		return fmt.Errorf("these Debian packages are missing, and installing them needs root: %s", list)
	}
	fmt.Fprintln(log, "installing with apt-get:", list)
	for _, args := range [][]string{
		{"update", "-q"},
		append([]string{"install", "-qy", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w:\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// Root returns the top folder of the source tree that the working directory is
// in.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", errors.New("not in pxecast's source tree")
	}
	return filepath.Dir(mod), nil
}

// Pxecast builds the program the way its users do, and returns its path.
func Pxecast(ctx context.Context) (string, error) {
	root, err := Root(ctx)
	if err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(ctx, "make", "-s", "-C", root, "build").CombinedOutput(); err != nil {
		return "", fmt.Errorf("make build: %w:\n%s", err, out)
	}
	return filepath.Join(root, "bin/pxecast"), nil
}
