// Demo images a room of four simulated machines over a network that loses 2 % of
// the packets, and compares every disk with the image:
//
//	make demo
//
// It needs root: the machines are network namespaces, their disks loop devices.
// Everything that it made is gone when it ends, however it ends; only the disk
// image is kept for the next time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/setup"
)

// Bounds on how long the two parts may take on a slow machine.
const (
	prepareTimeout = 25 * time.Minute // download packages, make an image
	sendTimeout    = 5 * time.Minute
)

type options struct {
	receivers int
	loss      float64
}

func main() {
	var o options
	flag.IntVar(&o.receivers, "receivers", 4, "how many machines")
	flag.Float64Var(&o.loss, "loss", 2, "percent of packets that each loses")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if os.Geteuid() != 0 {
		return errors.New("it needs root, for network namespaces and loop devices: sudo make demo")
	}
	prepare, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	if err := setup.Install(prepare, os.Stdout, setup.Lab(), disks.Tools()); err != nil {
		return err
	}
	program, err := setup.Pxecast(prepare)
	if err != nil {
		return err
	}
	cache, err := disks.CacheDir()
	if err != nil {
		return err
	}
	image, err := disks.Debian(prepare, cache, os.Stdout)
	if err != nil {
		return err
	}
	fmt.Printf("image   %s: a Debian disk of %d MiB (GPT, EFI system partition, ext4 root)\n", image.Path, image.RawSize>>20)

	sending, cancel := context.WithTimeoutCause(ctx, sendTimeout, fmt.Errorf("not finished after %v", sendTimeout))
	defer cancel()
	r, err := newRoom(sending, program, image, o)
	if err != nil {
		return err
	}
	err = r.image(sending)
	if cause := context.Cause(sending); err != nil && cause != nil {
		err = cause
	}
	return errors.Join(err, r.close())
}

// network builds the lab: host 0 is the sender.
func network(ctx context.Context, o options) (*lab.Lab, error) {
	l, err := lab.New(ctx, lab.Config{Hosts: 1 + o.receivers})
	if err != nil {
		return nil, err
	}
	for _, h := range l.Hosts()[1:] {
		if err := h.SetLoss(lab.Loss{Percent: o.loss}); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}
