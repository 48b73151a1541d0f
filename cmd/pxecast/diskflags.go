package main

import (
	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/receiver"
	"github.com/urfave/cli/v2"
)

// leastWriteLimit keeps a machine from writing for years because of a
// forgotten M.
const leastWriteLimit = 64 << 10

func reuseFlag() cli.Flag {
	return &cli.StringFlag{Name: "reuse", Value: receiver.ReuseAuto.String(),
		Usage: "keep what the disk has of the image `WHEN` a sample finds any of it (auto), always (reads the whole disk), or never"}
}

func writeLimitFlag() cli.Flag {
	return &cli.StringFlag{Name: "write-limit", Usage: "write no more than `RATE` bytes a second, such as 20M, to a machine that is in use (default: no limit)"}
}

// writing reads the flags on how the disk is written.
func writing(c *cli.Context, cfg *receiver.Config) (err error) {
	if cfg.Reuse, err = receiver.ParseReuse(c.String("reuse")); err != nil {
		return cmdline.Usagef("--reuse %s: it is auto, always or never", c.String("reuse"))
	}
	limit := c.String("write-limit")
	if limit == "" {
		return nil
	}
	if cfg.WriteLimit, err = cmdline.ParseBytes("write-limit", limit); err != nil {
		return err
	}
	if cfg.WriteLimit < leastWriteLimit {
		return cmdline.Usagef("--write-limit %s is only %d bytes a second: did you mean %sM?", limit, cfg.WriteLimit, limit)
	}
	return nil
}
