package report

import (
	"strings"
	"testing"
)

// verdicts are those of a made-up report, by what the goal says; change may
// alter each run before.
func verdicts(repetitions int, change func(*Report, *Result)) map[string]Goal {
	r := madeUp(repetitions)
	for i := range r.Results {
		if change != nil {
			change(r, &r.Results[i])
		}
	}
	m := map[string]Goal{}
	for _, g := range r.Goals() {
		m[g.What] = g
	}
	return m
}

// slower lets all clients take longer by a factor.
func slower(res *Result, factor float64) {
	for i := range res.Clients {
		res.Clients[i].Seconds *= factor
	}
}

func TestGoalsTurnWithTheFigures(t *testing.T) {
	for _, c := range []struct {
		goal   string
		met    bool // in the made-up report
		change func(*Report, *Result)
	}{
		{"CPU-bound, debian, 4 receivers: speed ÷ udpcast's", true, func(_ *Report, res *Result) {
			if res.Contender == Udpcast { // 12 × becomes 9.6 ×
				slower(res, 0.8)
			}
		}},
		{"CPU-bound, debian, 8 receivers: speed ÷ udpcast+zstd's", true, func(_ *Report, res *Result) {
			if res.Contender == UdpcastZstd {
				slower(res, 0.7)
			}
		}},
		{"CPU-bound, noise, 8 receivers: of the machine's limit", true, func(_ *Report, res *Result) {
			if res.Contender == Pxecast {
				slower(res, 1.2)
			}
		}},
		{"CPU-bound, debian, 1 receiver: of the machine's limit", true, func(r *Report, res *Result) {
			r.Limits[0].MBPerS, r.Limits[4].MBPerS = 1e5, 1e5
		}},
		{"wire-bound, noise, 24 receivers: time ÷ the wire's minimum", false, func(_ *Report, res *Result) {
			slower(res, 0.98)
		}},
		{"wire-bound, noise: time, 24 receivers more than 1", true, func(_ *Report, res *Result) {
			if res.Scenario.Receivers == 24 {
				slower(res, 1.01)
			}
		}},
		{"wire-bound, noise, 1 % loss: time ÷ the wire's minimum", true, func(_ *Report, res *Result) {
			if res.Scenario.Receivers == 8 {
				slower(res, 1.05)
			}
		}},
		{"wire-bound, noise, 10 % loss: time ÷ the wire's minimum", false, func(_ *Report, res *Result) {
			slower(res, 0.98)
		}},
		{"receiver, debian: core-seconds per GB of disk", true, func(_ *Report, res *Result) {
			for i := range res.Clients {
				res.Clients[i].SystemSeconds = 1
			}
		}},
		{"receiver: peak memory", true, func(_ *Report, res *Result) { res.Clients[0].PeakMemory = 201e6 }},
		{"sender, no loss: user core-seconds per GB sent", true, func(_ *Report, res *Result) { res.Sender.UserSeconds = 0.2 }},
		{"sender, wire-bound: user time, 24 receivers more than 8", true, func(_ *Report, res *Result) {
			if res.Scenario.Receivers == 24 {
				res.Sender.UserSeconds *= 1.2
			}
		}},
		{"CPU-bound, debian: ratios to udpcast's speed lie apart by", true, func(_ *Report, res *Result) {
			if res.Contender == Pxecast && res.Repetition == 2 {
				slower(res, 1.2)
			}
		}},
	} {
		before, after := verdicts(5, nil)[c.goal], verdicts(5, func(r *Report, res *Result) {
			if len(res.Clients) > 0 {
				c.change(r, res)
			}
		})[c.goal]
		want := map[bool]Verdict{true: Met, false: NotMet}
		if before.Verdict != want[c.met] || after.Verdict != want[!c.met] {
			t.Errorf("%s: %q (%s) before, %q (%s) after", c.goal, before.Verdict, before.Got, after.Verdict, after.Got)
		}
	}
}

// The median of all clients: in the third of five repetitions, where they reach
// 83.2 % and a little less the higher their number.
func TestShareOfTheLimitIsTheMedianClients(t *testing.T) {
	if g := verdicts(5, nil)["CPU-bound, debian, 4 receivers: of the machine's limit"]; g.Got != "83.08 %" {
		t.Errorf("got %s", g.Got)
	}
}

func TestGoalsAreNotMetByFailing(t *testing.T) {
	all := verdicts(3, func(_ *Report, res *Result) {
		if res.Contender == Pxecast && res.Repetition == 1 {
			res.Error = "timed out"
		}
	})
	for what, g := range all {
		if g.Verdict == Met {
			t.Errorf("%s: %s, with %s", what, g.Verdict, g.Got)
		}
	}
	g := all["CPU-bound, debian, 4 receivers: speed ÷ udpcast's"]
	if g.Verdict != NotMet || g.Got != "1 of 3 runs did not finish" {
		t.Errorf("%s: %s", g.Verdict, g.Got)
	}
}

func TestARivalThatFailsIsNotBeaten(t *testing.T) {
	g := verdicts(3, func(_ *Report, res *Result) {
		if res.Contender == Udpcast {
			res.Error = "timed out"
		}
	})["CPU-bound, debian, 4 receivers: speed ÷ udpcast's"]
	if g.Verdict != NotMeasured {
		t.Errorf("%s: %s", g.Verdict, g.Got)
	}
}

func TestGoalsSayWhatTheyRestOn(t *testing.T) {
	few := verdicts(3, nil)["CPU-bound, debian: ratios to udpcast's speed lie apart by"]
	if !strings.HasSuffix(few.Got, ", 3 runs") {
		t.Errorf("steady: %q", few.Got)
	}
	if two := verdicts(2, nil)["CPU-bound, debian: ratios to udpcast's speed lie apart by"]; two.Verdict != NotMeasured {
		t.Errorf("steady in two runs: %s (%s)", two.Verdict, two.Got)
	}
	const sixteen = "CPU-bound, debian, 16 receivers: speed ÷ udpcast's"
	once := verdicts(3, func(_ *Report, res *Result) {
		if res.Contender == Udpcast && res.Repetition > 0 {
			res.Error = "not run"
		}
	})[sixteen]
	if !strings.HasSuffix(once.Got, " (1 run)") {
		t.Errorf("one run of the rival: %q", once.Got)
	}
	if more := verdicts(3, nil)[sixteen]; strings.Contains(more.Got, "run") {
		t.Errorf("three runs of the rival: %q", more.Got)
	}
	small := verdicts(3, func(_ *Report, res *Result) {
		if res.Scenario.RateMbit > 0 {
			res.Scenario.RawBytes, res.Scenario.PackedBytes = 100e6, 100e6
		}
	})["wire-bound, noise, 8 receivers: time ÷ the wire's minimum"]
	if small.Verdict != NotMeasured || !strings.Contains(small.Got, "disk of 100 MB") {
		t.Errorf("a small image on the wire: %q", small.Got)
	}
}

func TestSmallMemoryIsAContender(t *testing.T) {
	const what = "receiver with --memory 64M: peak memory"
	with := func(memory int64, fault string) Goal {
		return verdicts(1, func(_ *Report, res *Result) {
			if res.Contender == Uftp && res.Scenario.RateMbit == 0 {
				res.Contender, res.Error = SmallMemory, fault
				res.Clients[0].PeakMemory = memory
			}
		})[what]
	}
	if g := verdicts(1, nil)[what]; g.Verdict != NotMeasured {
		t.Errorf("without it: %s", g.Verdict)
	}
	if g := with(95e6, ""); g.Verdict != Met {
		t.Errorf("95 MB: %s (%s)", g.Verdict, g.Got)
	}
	if g := with(97e6, ""); g.Verdict != NotMet {
		t.Errorf("97 MB: %s (%s)", g.Verdict, g.Got)
	}
	if g := with(50e6, "killed"); g.Verdict != NotMet {
		t.Errorf("failed: %s (%s)", g.Verdict, g.Got)
	}
}
