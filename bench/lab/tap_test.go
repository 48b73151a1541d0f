package lab_test

import (
	"strings"
	"testing"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/lab/labtest"
)

func TestTapsAreOnTheBridgeAndTheirProgramsEndWithTheLab(t *testing.T) {
	l := labtest.New(t, lab.Config{Hosts: 1})
	var taps []*lab.Tap
	for range 2 {
		tap, err := l.AddTap(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taps = append(taps, tap)
	}
	out, err := taps[0].Command(t.Context(), "ip", "-o", "link", "show", "master", "br0").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, tap := range taps {
		if !strings.Contains(string(out), ": "+tap.Name()+": ") {
			t.Errorf("%s is not on the bridge:\n%s", tap.Name(), out)
		}
	}
	if taps[0].Name() == taps[1].Name() {
		t.Errorf("two taps named %s", taps[0].Name())
	}
	if err := taps[1].SetReceiveRate(100); err != nil {
		t.Error(err)
	}
	cmd := taps[1].Command(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the program at the tap ended with %v, want it killed", err)
	}
}
