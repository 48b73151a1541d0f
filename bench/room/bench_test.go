package room

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
)

// benched is the last line of bench --json.
type benched struct {
	Error    string  `json:"error"`
	WireMbit float64 `json:"wire_mbit_per_s"`
	Probes   int     `json:"probes"`
	Findings []struct {
		Kind      string   `json:"kind"`
		Receivers []string `json:"receivers"`
		Text      string   `json:"text"`
	} `json:"findings"`
	Receivers []struct {
		Name       string  `json:"name"`
		State      string  `json:"state"`
		Rate       float64 `json:"mb_per_s"`
		Loss       float64 `json:"loss"`
		Common     float64 `json:"loss_common"`
		MeanGap    float64 `json:"gap_mean"`
		LongestGap int     `json:"gap_longest"`
		Flooded    *bool   `json:"flooded"`
	} `json:"receivers"`
}

// bench starts a bench at host 0 for this many receivers.
func (r *room) bench(receivers int, args ...string) *process {
	return r.start(0, append([]string{"bench", "--json", "--interface", "eth0", "--receivers", fmt.Sprint(receivers), "--max-wait", "1m"}, args...)...)
}

// discard starts a receiver that keeps nothing at host i.
func (r *room) discard(i int, args ...string) *process {
	return r.start(i, append([]string{"receive", "--disk", "discard", "--trust", "any", "--interface", "eth0", "--max-wait", "1m"}, args...)...)
}

// measure runs a bench with a receiver at each of the other hosts.
func (r *room) measure(args ...string) benched {
	r.Helper()
	n := len(r.lab.Hosts()) - 1
	b := r.bench(n, args...)
	for i := 1; i <= n; i++ {
		r.discard(i)
	}
	return r.benched(b)
}

// benched parses what a bench printed at its end.
func (r *room) benched(p *process) (v benched) {
	r.Helper()
	r.Logf("exit %d\n%s", p.code(), p.stderr.String())
	r.parse(p, &v)
	return v
}

// says checks that of these kinds of findings there is exactly this one, about
// these receivers, with these words. kind "" wants none of them.
func (v *benched) says(t *testing.T, kinds []string, kind string, receivers []string, words ...string) {
	t.Helper()
	found := 0
	for _, f := range v.Findings {
		if !slices.Contains(kinds, f.Kind) {
			continue
		}
		found++
		if f.Kind != kind || !slices.Equal(f.Receivers, receivers) {
			t.Errorf("finds %s of %v, want %s of %v: %s", f.Kind, f.Receivers, kind, receivers, f.Text)
		}
		for _, w := range words {
			if !strings.Contains(f.Text, w) {
				t.Errorf("%s does not say %q: %s", f.Kind, w, f.Text)
			}
		}
	}
	if want := len(kind); found == 0 && want > 0 || found > 1 {
		t.Errorf("%d findings of %v in %+v, want %s", found, kinds, v.Findings, kind)
	}
}

var (
	losses  = []string{"loss", "loss_each", "common_loss", "limited"}
	floods  = []string{"flooded", "filtered", "flood_unknown"}
	reaches = []string{"reached", "missing", "dropped", "gone", "failed"}
)

// gentle leaves two busy cores time enough for a room of four.
const gentle = "120M"

// TestBenchFindsLoss: nothing where nothing is wrong, one cable that loses by
// chance, one that loses in bursts.
func TestBenchFindsLoss(t *testing.T) {
	r := newRoom(t, 4)
	lose := func(host int, loss lab.Loss) {
		t.Helper()
		for i, h := range r.lab.Hosts() {
			l := lab.Loss{}
			if i == host {
				l = loss
			}
			if err := h.SetLoss(l); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("none", func(t *testing.T) {
		v := r.in(t).measure("--size", "128M", "--rate", gentle)
		v.says(t, losses, "", nil)
		v.says(t, reaches, "reached", nil, "4 machines")
		v.says(t, floods, "flooded", nil)
		for _, m := range v.Receivers {
			if m.Flooded == nil || !*m.Flooded || m.State != "done" {
				t.Errorf("%+v", m)
			}
		}
	})
	t.Run("single datagrams", func(t *testing.T) {
		lose(2, lab.Loss{Percent: 2})
		v := r.in(t).measure("--size", "128M", "--rate", gentle)
		v.says(t, losses, "loss", []string{"host2"}, "that others receive", "single", "its own cable")
	})
	t.Run("bursts", func(t *testing.T) {
		lose(3, lab.Loss{BurstEvery: 2000, BurstLength: 40})
		v := r.in(t).measure("--size", "128M", "--rate", gentle)
		v.says(t, losses, "loss", []string{"host3"}, "in bursts of", "one about every ")
	})
}

// TestBenchFindsLimit: the switch takes only so much multicast from the sender,
// which sends as fast as it may.
func TestBenchFindsLimit(t *testing.T) {
	r := newRoom(t, 3)
	if err := r.lab.Host(0).SetPolicer(100); err != nil {
		t.Fatal(err)
	}
	// Long enough to come back to the limit after the first backing off.
	v := r.measure("--size", "448M")
	v.says(t, losses, "limited", nil, "to all machines alike")
	for _, f := range v.Findings {
		var mbit float64
		if _, words, ok := strings.Cut(f.Text, "about "); f.Kind == "limited" && ok {
			fmt.Sscanf(words, "%f Mbit/s", &mbit)
			if mbit < 85 || mbit > 125 {
				t.Errorf("a limit of 100 Mbit/s is found as %.0f", mbit)
			}
		}
	}
}

// TestBenchOnASwitchThatFilters: the session reaches those who joined, the
// probes nobody.
func TestBenchOnASwitchThatFilters(t *testing.T) {
	r := newRoomIn(t, lab.Config{Hosts: 3, Snooping: true})
	v := r.measure("--size", "64M", "--rate", gentle)
	v.says(t, floods, "filtered", nil)
	v.says(t, reaches, "reached", nil)
	if v.Probes < 10 {
		t.Errorf("only %d probes", v.Probes)
	}
}

// TestBenchFindsDroppedMulticast: to one machine no data comes.
func TestBenchFindsDroppedMulticast(t *testing.T) {
	t.Parallel()
	r := newRoom(t, 2)
	b := r.bench(2, "--size", "64M", "--rate", gentle)
	r.discard(1)
	r.rules(2, noData)
	r.discard(2)
	v := r.benched(b)
	v.says(t, reaches, "dropped", []string{"host2"}, "no multicast reached it")
	if b.code() != 3 {
		t.Errorf("exit %d, want 3", b.code())
	}
}

// TestBenchFindsSlowProcessor starves one machine: it stands still for all but a
// thirty-third of the time; with a tenth, fast ones still keep up. (A stopped
// process is what the rest of the room notices of a processor that is busy with
// something else; and it takes nothing away from those who share this machine.)
func TestBenchFindsSlowProcessor(t *testing.T) {
	r := newRoom(t, 3)
	b := r.bench(3, "--size", "512M", "--rate", "600M")
	slow := r.discard(2, "--memory", "16M")
	r.discard(1)
	r.discard(3)
	over := make(chan struct{})
	defer close(over)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			slow.cmd.Process.Signal(syscall.SIGSTOP)
			select {
			case <-time.After(97 * time.Millisecond):
			case <-over:
			}
			slow.cmd.Process.Signal(syscall.SIGCONT)
			select {
			case <-tick.C:
			case <-slow.done:
				return
			}
		}
	}()
	v := r.benched(b)
	v.says(t, []string{"processor", "disk", "slow", "loss"}, "processor", []string{"host2"})
}

// TestBenchLeavesDisksAlone: a machine with a disk waits for a real image beside
// a bench, and its disk is as it was. One that wants an image by name is not in
// the bench either.
func TestBenchLeavesDisksAlone(t *testing.T) {
	t.Parallel()
	r := newRoom(t, 3)
	old := make([]byte, 64<<20)
	rand.NewChaCha8([32]byte{9}).Read(old)
	if err := os.WriteFile(r.disk(1), old, 0o600); err != nil {
		t.Fatal(err)
	}
	before := digest(r.disk(1))
	b := r.bench(1, "--size", "32M", "--rate", "40M")
	disk := r.receive(1, "--max-wait", "12s")
	missing := filepath.Join(r.folder, "new")
	fresh := r.start(1, "receive", "--disk", missing, "--trust", "any", "--yes", "--interface", "eth0", "--max-wait", "12s")
	named := r.start(3, "receive", "--disk", "discard", "--image", "bench", "--trust", "any", "--interface", "eth0", "--max-wait", "12s")
	r.discard(2)
	v := r.benched(b)
	if len(v.Receivers) != 1 || v.Receivers[0].Name != "host2" || b.code() != 0 {
		t.Errorf("exit %d, receivers %+v", b.code(), v.Receivers)
	}
	for _, p := range []*process{disk, fresh, named} {
		if p.code() != 1 || !strings.Contains(p.stderr.String(), "a bench is running here, which is for --disk discard only") {
			t.Errorf("exit %d: %s", p.code(), p.stderr.String())
		}
	}
	if digest(r.disk(1)) != before {
		t.Error("the disk was changed")
	}
	if _, err := os.Stat(missing); !os.IsNotExist(err) {
		t.Errorf("a file was made: %v", err)
	}
}
