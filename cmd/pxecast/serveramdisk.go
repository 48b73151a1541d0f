package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/ramdisk"
)

// ramdisk builds what machines boot into where there is none, and again where it is
// damaged, of another pxecast or trusts another server, with the options that it had.
func (s *serving) ramdisk(ctx context.Context, key *trust.Key) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cfg := ramdisk.Config{SerialSpeed: max(0, s.settings.Serial)}
	built, err := ramdisk.Find(s.settings.Boot)
	why, useless := "there is no ramdisk yet", true
	known := len(built.Trust) > 0
	switch {
	case err == nil:
		if why, useless, err = built.Stale(self, key.Public()); err != nil || why == "" {
			return err
		}
	case !errors.Is(err, ramdisk.ErrNoBuild):
		return err
	case known:
		why = oneLine(err)
	}
	if known {
		byHand := len(built.ExtraFiles) > 0 || os.Geteuid() != 0
		if byHand && !useless {
			s.p.screen.Say("pxecast: %s: build it again with `pxecast ramdisk build`", why)
			return nil
		}
		if byHand {
			return fmt.Errorf("%s: build it again with `pxecast ramdisk build`, as root", why)
		}
		if cfg, err = built.Config(); err != nil {
			return err
		}
	}
	if !slices.Contains(cfg.Trust, key.Public()) {
		cfg.Trust = append(cfg.Trust, key.Public())
	}
	s.p.screen.Say("%s: building one in %s", why, s.settings.Boot)
	began := time.Now()
	cfg.Output, cfg.Binary, cfg.Version, cfg.Progress = s.settings.Boot, self, versionName(), s.p.ramdiskProgress(began)
	report, err := ramdisk.Build(ctx, cfg)
	s.p.screen.Clear()
	if err != nil {
		return fmt.Errorf("build the ramdisk: %w", err)
	}
	s.p.ramdiskBuilt(&report, began)
	return nil
}
