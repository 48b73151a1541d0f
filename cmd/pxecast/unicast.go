package main

import (
	"context"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/receiver"
	"github.com/urfave/cli/v2"
)

// unicasting reads the flags of what comes and goes by unicast.
func unicasting(c *cli.Context, cfg *receiver.Config) (err error) {
	if cfg.Linger = c.Duration("linger"); cfg.Linger < 0 {
		return cmdline.Usagef("--linger %v: give a time such as 10s, or 0s", cfg.Linger)
	}
	cfg.Server, err = serverOf(c)
	return err
}

// byUnicast lets a receiver on cfg.Network fetch from other machines and them
// from it. The function that it returns ends that.
func byUnicast(cfg *receiver.Config) func() {
	addr := cfg.Network.Addr()
	client := lane.NewClient(addr)
	cfg.Fetch = client
	if subnet, err := lane.Subnet(addr); err == nil {
		cfg.Subnet = subnet
	}
	cfg.Serve = func(ctx context.Context, st lane.Store) (receiver.Service, error) {
		subnet, err := lane.Subnet(addr)
		if err != nil {
			return nil, err
		}
		return lane.Serve(ctx, lane.ServerConfig{Store: st, Addr: addr, Allowed: subnet})
	}
	return client.Close
}
