// Package labtest makes labs for tests.
package labtest

import (
	"testing"

	"github.com/pxecast/pxecast/bench/lab"
)

// New builds a lab that lasts as long as the test. Where no lab can be made
// (not root, a tool missing) the test is skipped, with the reason.
func New(t testing.TB, cfg lab.Config) *lab.Lab {
	t.Helper()
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	l, err := lab.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Loop attaches the file to a loop device for as long as the test lasts. sector
// is in bytes, 0 for 512.
func Loop(t testing.TB, file string, sector int) *lab.Loop {
	t.Helper()
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	l, err := lab.AttachLoop(file, sector)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
