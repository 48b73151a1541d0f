package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pxecast/pxecast/bench/report"
)

func TestNamesOfScenarios(t *testing.T) {
	for _, c := range []struct {
		task task
		want string
	}{
		{task{source: debianDisk, receivers: 8}, "cpu/debian/8"},
		{task{source: debianDisk, receivers: 16, loss: 10}, "cpu/debian/16/loss10"},
		{task{source: noiseDisk, receivers: 24, rate: 200, loss: 1}, "wire/noise/24/loss1"},
	} {
		if got := c.task.name(); got != c.want {
			t.Errorf("%+v is called %s, want %s", c.task, got, c.want)
		}
	}
}

func TestNoScenarioTwice(t *testing.T) {
	for _, plan := range [][]task{fullPlan(), quickPlan()} {
		var names []string
		for _, task := range plan {
			if slices.Contains(names, task.name()) {
				t.Errorf("%s is in the plan twice", task.name())
			}
			names = append(names, task.name())
			for _, e := range task.entries {
				if task.each(e.contender) <= 0 || task.patience(e.contender) <= 0 {
					t.Errorf("%s, %s: no time planned", task.name(), e.contender)
				}
			}
		}
	}
}

// What the goals speak of must be in the plan.
func TestThePlanCoversTheGoals(t *testing.T) {
	plan := map[string]task{}
	for _, task := range fullPlan() {
		plan[task.name()] = task
	}
	want := []string{"cpu/debian/1", "cpu/debian/4", "cpu/debian/8", "cpu/debian/16", "cpu/noise/1", "cpu/noise/4", "cpu/noise/8"}
	for _, n := range []string{"1", "8", "24"} {
		want = append(want, "wire/noise/"+n, "wire/noise/"+n+"/loss1", "wire/noise/"+n+"/loss10")
	}
	for _, name := range want {
		task, ok := plan[name]
		if !ok || !task.wants(report.Pxecast) {
			t.Errorf("%s is not in the plan, or pxecast not in it", name)
		}
		if strings.HasPrefix(name, "cpu/debian/") && !(task.wants(report.Udpcast) && task.wants(report.UdpcastZstd) && task.wants(report.RawLimit)) {
			t.Errorf("%s: not all meet there", name)
		}
		if task.rate > 0 && task.source.rawMB() < 512 {
			t.Errorf("%s sends only %.0f MB", name, task.source.rawMB())
		}
	}
	if s := planned(quickPlan()); s > 180 {
		t.Errorf("the quick plan takes %.0f s, want at most 180", s)
	}
	if s := planned(fullPlan()); s > 32*60 {
		t.Errorf("the full plan takes %.0f min", s/60)
	}
}

func TestTheOrderTurns(t *testing.T) {
	task := task{entries: []entry{{"a", 3}, {"b", 3}, {"c", 1}}}
	want := [][]string{{"a", "b", "c"}, {"b", "a"}, {"a", "b"}, nil}
	for i, w := range want {
		if got := task.turn(i); !slices.Equal(got, w) {
			t.Errorf("repetition %d: %v, want %v", i, got, w)
		}
	}
	if n := task.repetitions(); n != 3 {
		t.Errorf("%d repetitions, want 3", n)
	}
}

func TestChoosing(t *testing.T) {
	plan, err := choose(fullPlan(), regexp.MustCompile("^wire/noise/(1|24)$"), report.Pxecast, 4)
	if err != nil || len(plan) != 2 {
		t.Fatalf("%d scenarios, %v; want 2", len(plan), err)
	}
	for _, task := range plan {
		if len(task.entries) != 1 || task.entries[0] != (entry{report.Pxecast, 4}) {
			t.Errorf("%s: %v", task.name(), task.entries)
		}
	}
	if _, err := choose(fullPlan(), regexp.MustCompile("^tape/"), "", 0); err == nil || !strings.Contains(err.Error(), "-list") {
		t.Errorf("a scenario that doesn't exist: %v, want an error that says what to do", err)
	}
}

func TestWhatDoesNotFitIsTold(t *testing.T) {
	task := task{source: debianDisk, receivers: 16}
	if why := task.lack(64 << 30); why != "" {
		t.Errorf("with 64 GiB: %s", why)
	}
	if why := task.lack(16 << 30); !strings.Contains(why, "16384 are free") {
		t.Errorf("seventeen disks of 1 GiB in 16 GiB: %q", why)
	}
}

func TestCommandLinesAreTyped(t *testing.T) {
	work := "/dev/shm/pxecast-bench-7"
	s := Scenario{Scenario: report.Scenario{Receivers: 1}, Work: work, Targets: []string{filepath.Join(work, "client1/target.img")},
		Files: files{Gzip: "/var/cache/x/disk.img.gz", Raw: work + "/disk.img", Zstd: work + "/disk.img.zst"}}
	for _, c := range []Contender{pxecast{program: work + "/pxecast"}, udpcast{}, udpcast{zstd: true}, uftp{}, rawlimit{program: work + "/rawlimit"}} {
		for _, line := range c.CommandLines(s) {
			if strings.Contains(line, "/dev/shm") || strings.Contains(line, "/var/cache") || strings.HasPrefix(line, "/") {
				t.Errorf("%s: a folder of this run in %q", c.Name(), line)
			}
		}
	}
	if got := (udpcast{zstd: true}).CommandLines(s)[1]; !strings.HasSuffix(got, "--pipe 'zstd -dc'") {
		t.Errorf("not quoted: %s", got)
	}
}

// The limit is measured once before and once after, with all numbers of
// receivers that are held against it.
func TestTheLimitIsForWhatIsHeldAgainstIt(t *testing.T) {
	if got := limited(fullPlan(), noiseLarge); !slices.Equal(got, []int{1, 4}) {
		t.Errorf("%v receivers of the large image", got)
	}
	if got := limited(fullPlan(), noiseDisk); !slices.Equal(got, []int{8, 16}) {
		t.Errorf("%v receivers of the smaller one", got)
	}
	if got := limited(fullPlan(), noiseQuick); got != nil {
		t.Errorf("%v receivers of an image that is not in the plan", got)
	}
}

func TestADiskMustBeTheImage(t *testing.T) {
	dir := t.TempDir()
	image, disk := filepath.Join(dir, "disk.img"), filepath.Join(dir, "target.img")
	whole := bytes.Repeat([]byte("disk"), checkBytes/2)
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-1]++
	if err := os.WriteFile(image, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		disk []byte
		good bool
	}{
		{"the same", whole, true}, {"another last byte", damaged, false}, {"a byte short", whole[1:], false},
		{"half", whole[:checkBytes], false}, {"longer", append(bytes.Clone(whole), 0), false}, {"empty", nil, false},
	} {
		if err := os.WriteFile(disk, c.disk, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := check(disk, image); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestLastObjectMustBeTheEvent(t *testing.T) {
	var own report.Own
	good := `{"event":"status","seconds":1}` + "\n" + `{"event":"done","seconds":2,"packets_lost":3}` + "\n"
	if err := lastObject([]byte(good), "done", &own); err != nil || own.Seconds != 2 || own.PacketsLost != 3 {
		t.Errorf("got %+v, %v", own, err)
	}
	for _, bad := range []string{"", "junk\n", `{"event":"failed","error":"x"}`, `{"event":"done"}` + "\njunk"} {
		if err := lastObject([]byte(bad), "done", &own); err == nil {
			t.Errorf("%q was taken for a receiver that is done", bad)
		}
	}
}

func TestMarkerIsFoundAcrossWrites(t *testing.T) {
	m := newMarker("RESULT;")
	for _, part := range []string{"CONNECT;a\nRES", "UL"} {
		m.Write([]byte(part))
		if m.found() {
			t.Errorf("found after %q", part)
		}
	}
	m.Write([]byte("T;b\nRES"))
	m.Write([]byte("ULT;c\n")) // a second time is no harm
	if !m.found() || m.at.IsZero() {
		t.Error("not found")
	}
}

// program runs a command outside of any lab.
func program(t *testing.T, script string) *process {
	return &process{name: script, cmd: exec.CommandContext(t.Context(), "sh", "-c", script)}
}

func TestADaemonIsEndedWhenItHasTheFile(t *testing.T) {
	p := program(t, "echo RESULT; exec sleep 1000")
	p.done = newMarker("RESULT")
	if err := finished(p); err != nil {
		t.Error(err)
	}
	// One that is ended while the sender still talks to it removes the file.
	p = program(t, "trap 'exit 7' TERM; echo RESULT; sleep 0.2; exit 0")
	p.done, p.until = newMarker("RESULT"), make(chan struct{})
	if err := finished(p); err != nil || p.cmd.ProcessState.ExitCode() == 7 {
		t.Errorf("ended before the sender had, %v", err)
	}
	p = program(t, "exit 0")
	p.done = newMarker("RESULT")
	if err := finished(p); err == nil {
		t.Error("one that ended without the file passed")
	}
}

func TestTheCauseIsWhoFailedFirst(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	failed, killed := program(t, "echo no disk >&2; exit 3"), program(t, "exec sleep 1000")
	killed.cmd = exec.CommandContext(ctx, "sleep", "1000")
	if err := killed.start(); err != nil {
		t.Fatal(err)
	}
	cancel()
	killed.wait()
	finished(failed)
	if err := cause([]*process{killed, failed}); err == nil || !strings.Contains(err.Error(), "no disk") || strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v, want what the failed one said alone", err)
	}
	if err := cause([]*process{killed}); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v, want that it took too long", err)
	}
	if err := cause([]*process{program(t, "true")}); err != nil {
		t.Error(err)
	}
}
