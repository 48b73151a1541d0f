// Compare measures pxecast beside its rivals on this machine, in one run:
//
//	make bench
//	make bench QUICK=1
//
// README.md in the folder above says what is measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/bench/setup"
)

type options struct {
	receivers, repetitions int
	only                   string
	results                string
}

func main() {
	o := options{repetitions: 3}
	if os.Getenv("QUICK") == "1" {
		o.repetitions = 1
	}
	flag.IntVar(&o.receivers, "receivers", 4, "how many clients")
	flag.IntVar(&o.repetitions, "repetitions", o.repetitions, "how often each contender runs")
	flag.StringVar(&o.only, "only", "", "run this contender alone")
	flag.StringVar(&o.results, "results", "", "folder for the JSON (default: bench/results)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if os.Geteuid() != 0 {
		return errors.New("it needs root, for network namespaces")
	}
	if o.receivers < 1 || o.repetitions < 1 {
		return errors.New("-receivers and -repetitions must be at least 1")
	}
	root, err := setup.Root(ctx)
	if err != nil {
		return err
	}
	if o.results == "" {
		o.results = filepath.Join(root, "bench/results")
	}
	rivals := map[string]string{"udp-sender": "udpcast"}
	if err := setup.Install(ctx, os.Stdout, setup.Lab(), disks.Tools(), rivals); err != nil {
		return err
	}
	program, err := setup.Pxecast(ctx)
	if err != nil {
		return err
	}
	contenders, err := choose(o.only, []Contender{
		pxecast{program: program}, pxecast{program: program, packing: true}, udpcast{},
	})
	if err != nil {
		return err
	}
	cache, err := disks.CacheDir()
	if err != nil {
		return err
	}
	image, err := disks.Debian(ctx, cache, os.Stdout)
	if err != nil {
		return err
	}
	f, err := newField(ctx, image, o.receivers)
	if err != nil {
		return err
	}
	defer f.close()
	report := Report{Time: time.Now(), Machine: describeMachine()}
	if err := f.race(ctx, &report, contenders, o.repetitions); err != nil {
		return err
	}
	report.print(os.Stdout, contenders, udpcast{}.Name(), o.repetitions)
	file, err := report.save(o.results)
	if err == nil {
		fmt.Println("\nall figures:", file)
	}
	return err
}

func choose(only string, all []Contender) ([]Contender, error) {
	if only == "" {
		return all, nil
	}
	for _, c := range all {
		if c.Name() == only {
			return []Contender{c}, nil
		}
	}
	return nil, fmt.Errorf("no contender is called %q", only)
}
