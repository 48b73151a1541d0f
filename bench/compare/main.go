// Compare measures pxecast beside its rivals and its limits on this machine, in
// one run:
//
//	make bench
//	make bench QUICK=1
//	go run ./bench/compare -list
//	go run ./bench/compare -scenario '^wire/noise/(1|24)$' -only pxecast
//
// README.md in the folder above says what is measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/bench/report"
	"github.com/pxecast/pxecast/bench/setup"
)

type options struct {
	quick, list    bool
	scenario, only string
	repetitions    int
	results        string
}

func main() {
	o := options{quick: os.Getenv("QUICK") == "1"}
	flag.StringVar(&o.scenario, "scenario", "", "run only the scenarios whose name matches this regular expression")
	flag.StringVar(&o.only, "only", "", "run this contender alone")
	flag.IntVar(&o.repetitions, "repetitions", 0, "how often each contender runs (default: as the plan says)")
	flag.BoolVar(&o.list, "list", false, "print the plan and end")
	flag.StringVar(&o.results, "results", "", "folder for JSON and charts (default: bench/results)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	scenario, err := regexp.Compile(o.scenario)
	if err != nil {
		return fmt.Errorf("-scenario: %w", err)
	}
	plan := fullPlan()
	if o.quick {
		plan = quickPlan()
	}
	if plan, err = choose(plan, scenario, o.only, o.repetitions); err != nil {
		return err
	}
	if o.list {
		printPlan(out, plan)
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("it needs root, for network namespaces")
	}
	root, err := setup.Root(ctx)
	if err != nil {
		return err
	}
	if o.results == "" {
		o.results = filepath.Join(root, "bench/results")
	}
	rivals := map[string]string{"udp-sender": "udpcast", "uftpd": "uftp", "zstd": "zstd"}
	if err := setup.Install(ctx, out, setup.Lab(), disks.Tools(), rivals); err != nil {
		return err
	}
	r, err := newRace(ctx, plan, out)
	if err != nil {
		return err
	}
	err = errors.Join(r.run(ctx), os.RemoveAll(r.work))
	return errors.Join(err, finish(r.report, o.results, out))
}

// newRace builds the programs, once for all runs.
func newRace(ctx context.Context, plan []task, out io.Writer) (*race, error) {
	program, err := setup.Pxecast(ctx)
	if err != nil {
		return nil, err
	}
	work, err := workFolder()
	if err != nil {
		return nil, err
	}
	// Others may build pxecast anew while we run.
	own, raw := filepath.Join(work, "pxecast"), filepath.Join(work, "rawlimit")
	err = copyProgram(program, own)
	if err == nil {
		var said []byte
		if said, err = exec.CommandContext(ctx, "go", "build", "-o", raw, "github.com/pxecast/pxecast/bench/rawlimit").CombinedOutput(); err != nil {
			err = fmt.Errorf("building rawlimit: %w: %s", err, said)
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(work))
	}
	machine := report.Describe()
	machine.Versions = versions(ctx, "udpcast", "uftp", "zstd")
	return &race{plan: plan, program: own, work: work, out: out, report: &report.Report{Time: time.Now(), Machine: machine},
		contenders: []Contender{
			pxecast{program: own}, pxecast{program: own, packing: true}, pxecast{program: own, memory: "64M"},
			udpcast{}, udpcast{zstd: true}, uftp{}, rawlimit{program: raw},
		}}, nil
}

func copyProgram(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o700)
}

// versions are those of Debian packages.
func versions(ctx context.Context, packages ...string) map[string]string {
	found := map[string]string{}
	for _, name := range packages {
		if out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", name).Output(); err == nil {
			found[name] = string(out)
		}
	}
	return found
}

// finish keeps and shows what there is.
func finish(r *report.Report, dir string, out io.Writer) error {
	if len(r.Results) == 0 {
		return nil
	}
	file, err := r.Save(dir)
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	r.Print(out)
	for _, why := range r.LeftOut {
		fmt.Fprintln(out, "\nleft out:", why)
	}
	charts := file[:len(file)-len(filepath.Ext(file))]
	err = r.Draw(charts)
	fmt.Fprintf(out, "\nall figures: %s\ncharts:      %s\n", file, charts)
	return err
}

func printPlan(out io.Writer, plan []task) {
	for _, t := range plan {
		fmt.Fprintf(out, "%-24s %6.1f min  ", t.name(), t.seconds()/60)
		for i, e := range t.entries {
			if i > 0 {
				fmt.Fprint(out, ", ")
			}
			fmt.Fprintf(out, "%s × %d (%.0f s)", e.contender, e.repetitions, t.each(e.contender))
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "%d scenarios, %s on two idle cores, the machine's limit included\n", len(plan), minutes(planned(plan)))
}
