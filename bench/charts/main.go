// Charts prints the tables of a results file of the benchmark again and draws
// its charts into a folder:
//
//	go run ./bench/charts bench/results/2026-11-22T234319Z.json docs/charts
package main

import (
	"fmt"
	"os"

	"github.com/pxecast/pxecast/bench/report"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "charts:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want a results file and a folder for the charts, got %d arguments", len(args))
	}
	r, err := report.Load(args[0])
	if err != nil {
		return err
	}
	r.Print(os.Stdout)
	return r.Draw(args[1])
}
