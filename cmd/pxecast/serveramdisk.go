package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/ramdisk"
)

// ramdisk builds what machines boot into where there is none, or where it is not
// this server's any more.
func (s *serving) ramdisk(ctx context.Context, key *trust.Key) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	keys := []trust.PublicKey{key.Public()}
	built, err := ramdisk.Find(s.settings.Boot)
	why := "there is no ramdisk yet"
	switch {
	case err == nil:
		if why, err = built.Stale(self, keys); err != nil || why == "" {
			return err
		}
	case !errors.Is(err, ramdisk.ErrNoBuild):
		return err
	}
	s.p.screen.Say("%s: building one in %s", why, s.settings.Boot)
	began := time.Now()
	report, err := ramdisk.Build(ctx, ramdisk.Config{
		Output: s.settings.Boot, Binary: self, Version: versionName(), Trust: keys, SerialSpeed: max(0, s.settings.Serial),
		Progress: s.p.ramdiskProgress(began),
	})
	s.p.screen.Clear()
	if err != nil {
		return fmt.Errorf("build the ramdisk: %w", err)
	}
	s.p.ramdiskBuilt(&report, began)
	return nil
}
