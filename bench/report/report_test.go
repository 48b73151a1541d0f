package report

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want spread
	}{
		{nil, spread{}},
		{[]float64{7}, spread{7, 7, 7}},
		{[]float64{3, 1, 2}, spread{1, 2, 3}},
		{[]float64{4, 1, 3, 2}, spread{1, 2.5, 4}},
	} {
		if got := spreadOf(c.in); got != c.want {
			t.Errorf("spreadOf(%v) = %v, want %v", c.in, got, c.want)
		}
	}
	if got := spreadOf([]float64{8, 10, 11}).relative(); math.Abs(got-0.3) > 1e-9 {
		t.Errorf("8, 10 and 11 lie %g apart, want 0.3", got)
	}
}

// small is one CPU-bound and one wire-bound scenario with round figures.
func small() *Report {
	cpu := Scenario{Image: Debian, Receivers: 2, RawBytes: 1000e6, PackedBytes: 250e6}
	wire := Scenario{Image: Noise, Receivers: 2, RateMbit: 200, RawBytes: 600e6, PackedBytes: 600e6} // 24 s
	timed := func(s Scenario, contender string, rep int, seconds ...float64) Result {
		res := Result{Scenario: s, Contender: contender, Repetition: rep, Timed: "from start to end",
			Commands: []string{contender + " send", contender + " receive"},
			Sender:   Usage{0.05, 0.3, 40e6}, WireBytes: s.PackedBytes * 11 / 10}
		for _, sec := range seconds {
			res.Clients = append(res.Clients, Client{Seconds: sec, Usage: Usage{0.5, 0.25, 120e6}})
		}
		return res
	}
	return &Report{
		Machine: Machine{CPU: "CPU", Cores: 2},
		Limits: []Limit{{Image: Debian, Receivers: 2, Cores: 2, MBPerS: 625,
			Stages: []Stage{{StageSend, 1, 0.2, 0.1}, {StageReceive, 2, 1.5, 0}}},
			{Image: Noise, Receivers: 2, Cores: 2, MBPerS: 300}},
		Results: []Result{
			timed(cpu, Pxecast, 0, 2, 2), timed(cpu, Udpcast, 0, 20, 20), // 10 ×
			timed(cpu, Udpcast, 1, 40, 40), timed(cpu, Pxecast, 1, 2, 4), // 40 s ÷ (375 MB/s: 2.667 s)
			timed(wire, Pxecast, 0, 25, 26.4), timed(wire, Udpcast, 0, 36, 48),
		},
	}
}

// row returns the printed figures of a contender, in a scenario's first table.
func row(t *testing.T, r *Report, begin string) []string {
	t.Helper()
	for line := range strings.Lines(printed(r)) {
		if strings.HasPrefix(strings.Join(strings.Fields(line), " "), begin) {
			return strings.Fields(strings.ReplaceAll(line, " %", "%"))
		}
	}
	t.Fatalf("no row %q in:\n%s", begin, printed(r))
	return nil
}

func printed(r *Report) string {
	var b strings.Builder
	r.Print(&b)
	return b.String()
}

func TestTablesHoldTheFigures(t *testing.T) {
	r := small()
	want := strings.Fields("2 0% pxecast 250.0 500.0 500.0 0.750 0.050 0.300 120 40 1.100 – 80%")
	if got := row(t, r, "2 0 % pxecast"); !slices.Equal(got, want) {
		t.Errorf("CPU-bound\n got %q\nwant %q", got, want)
	}
	want = strings.Fields("2 0% udpcast 25.0 37.5 50.0 0.750 0.050 0.300 120 40 1.100 – 6%")
	if got := row(t, r, "2 0 % udpcast"); !slices.Equal(got, want) {
		t.Errorf("the rival\n got %q\nwant %q", got, want)
	}
	// The slowest client counts: 26.4 s ÷ 24 s. No limit where the wire binds.
	r.Results = r.Results[4:]
	want = strings.Fields("2 0% pxecast 22.7 23.4 24.0 1.250 0.083 0.500 120 40 1.100 1.100 –")
	if got := row(t, r, "2 0 % pxecast"); !slices.Equal(got, want) {
		t.Errorf("wire-bound\n got %q\nwant %q", got, want)
	}
}

// What the machine does from one repetition to the next must not look like a
// difference between contenders: only runs of one repetition are compared.
func TestRatiosAreOfTheSameRepetition(t *testing.T) {
	r := small()
	s := r.Results[0].Scenario
	got := slices.Sorted(slices.Values(r.ratios(s, Udpcast)))
	if want := []float64{10, 15}; !reflect.DeepEqual(got, want) {
		t.Errorf("ratios %v, want %v", got, want)
	}
	if text := printed(r); !strings.Contains(text, "12.5 (10.0 to 15.0; 40 %)") {
		t.Errorf("no median with its spread in:\n%s", text)
	}
	r.Results[1].Error = "gave up"
	if got := r.ratios(s, Udpcast); !reflect.DeepEqual(got, []float64{15}) {
		t.Errorf("with the rival failed in repetition 0: %v, want the other alone", got)
	}
}

func TestTheHigherLimitIsKept(t *testing.T) {
	var r Report
	for _, l := range []Limit{{Image: Noise, Receivers: 4, MBPerS: 90}, {Image: Noise, Receivers: 8, MBPerS: 50},
		{Image: Noise, Receivers: 4, MBPerS: 100}, {Image: Noise, Receivers: 8, MBPerS: 40}} {
		r.KeepLimit(l)
	}
	if len(r.Limits) != 2 || r.Limits[0].MBPerS != 100 || r.Limits[1].MBPerS != 50 {
		t.Errorf("kept %v", r.Limits)
	}
}

func TestTablesFitATerminal(t *testing.T) {
	r := madeUp(3)
	r.Results[0].Commands = []string{strings.Repeat("/a/long/path --option value ", 20)}
	r.Results[1].Error = strings.Repeat("a long story ", 30)
	for line := range strings.Lines(printed(r)) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 120 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestFailedRunsAreTold(t *testing.T) {
	text := printed(madeUp(2))
	for _, want := range []string{"did not finish, 2 of 2 runs: exit status 1: client gave up: no answer", "uftp receive", "the machine's limit"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestABusyMachineIsTold(t *testing.T) {
	r := small()
	if strings.Contains(printed(r), "busy") {
		t.Error("an idle machine is called busy")
	}
	r.Machine.Load = 1.5
	if !strings.Contains(printed(r), "busy with something else (load 1.5 on 2 cores)") {
		t.Error("a busy machine is passed over")
	}
}

func TestEmptyReport(t *testing.T) {
	var r Report
	if text := printed(&r); !strings.Contains(text, "no results") {
		t.Errorf("printed %q", text)
	}
	for _, g := range r.Goals() {
		if g.Verdict != NotMeasured {
			t.Errorf("%s: %s without a single run", g.What, g.Verdict)
		}
	}
	dir := t.TempDir()
	if err := r.Draw(dir); err != nil {
		t.Error(err)
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("charts of nothing: %v", files)
	}
}

func TestWhatIsSavedIsLoaded(t *testing.T) {
	r := madeUp(2)
	file, err := r.Save(filepath.Join(t.TempDir(), "new", "folder"))
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(file) != "2026-11-23T010203Z.json" {
		t.Errorf("saved as %s", file)
	}
	got, err := Load(file)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("loaded another report, %v", err)
	}
	if err := os.WriteFile(file, []byte(`{"results":[{"scenario":"debian, 4 receivers"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file of another form: %v, want an error that names it", err)
	}
}

func TestDescribeKnowsThisMachine(t *testing.T) {
	m := Describe()
	if m.CPU == "" || m.Cores < 1 || m.MemoryMB < 1 || m.Kernel == "" || m.System == "" || m.Go == "" {
		t.Errorf("%+v", m)
	}
}
