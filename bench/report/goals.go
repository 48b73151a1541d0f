package report

import (
	"fmt"
	"math"
	"slices"
)

// Verdict is what became of a goal.
type Verdict string

// The verdicts.
const (
	Met         Verdict = "met"
	NotMet      Verdict = "NOT MET"
	NotMeasured Verdict = "not measured"
)

// Goal is one figure that pxecast wants to reach.
type Goal struct {
	What, Want string
	Got        string // the measured figure, or what hindered measuring it
	Verdict    Verdict
}

// least is the goal that got is want at least, most that it is want at most.
func least(what string, got, want float64, unit string) Goal {
	return judged(what, "≥ "+number(want)+unit, number(got)+unit, got >= want)
}

func most(what string, got, want float64, unit string) Goal {
	return judged(what, "≤ "+number(want)+unit, number(got)+unit, got <= want)
}

func judged(what, want, got string, met bool) Goal {
	g := Goal{what, want, got, NotMet}
	if met {
		g.Verdict = Met
	}
	return g
}

// missing is a goal of which there is no figure.
func missing(g Goal, why string) Goal {
	g.Got, g.Verdict = why, NotMeasured
	return g
}

// number has four digits, one more than the goals have, and at most four after
// the point.
func number(v float64) string { return fmt.Sprintf("%.4g", math.Round(v*1e4)/1e4) }

// Goals holds the report against the goals, all of them in the same order
// whatever was measured. A goal in whose scenario a run of pxecast did not
// finish is not met.
func (r *Report) Goals() []Goal {
	var goals []Goal
	for _, n := range []int{1, 4, 8, 16} {
		want := 10.0
		if n == 16 {
			want = 8
		}
		goals = append(goals, r.ratioGoal(n, Udpcast, want))
	}
	for _, n := range []int{1, 4, 8, 16} {
		goals = append(goals, r.ratioGoal(n, UdpcastZstd, 3))
	}
	for _, img := range []string{Debian, Noise} {
		goals = append(goals, r.limitGoal(img, 1, 60), r.limitGoal(img, 4, 75), r.limitGoal(img, 8, 75))
	}
	goals = append(goals, r.wireGoals()...)
	goals = append(goals, r.receiverGoals()...)
	goals = append(goals, r.senderGoals()...)
	return append(goals, r.steadyGoal())
}

// cpuBound matches the scenarios that only the CPU binds.
func cpuBound(image string, receivers int) func(Scenario) bool {
	return func(s Scenario) bool {
		return s.RateMbit == 0 && s.LossPercent == 0 && s.Image == image && (receivers == 0 || s.Receivers == receivers)
	}
}

func wireBound(receivers int, loss float64) func(Scenario) bool {
	return func(s Scenario) bool {
		return s.RateMbit > 0 && s.LossPercent == loss && s.Image == Noise && (receivers == 0 || s.Receivers == receivers)
	}
}

// unfinished says which runs of pxecast in these scenarios failed, "" for none.
func (r *Report) unfinished(all []Scenario) string {
	for _, s := range all {
		if f := r.figures(s, Pxecast); f.failed > 0 {
			return fmt.Sprintf("%d of %d runs did not finish", f.failed, f.runs)
		}
	}
	return ""
}

// judge makes a goal of the scenarios that match: the worst of their figures
// counts. figure returns false for a scenario that has none.
func (r *Report) judge(match func(Scenario) bool, figure func(Scenario) (float64, bool), goal func(float64) Goal, worse func(a, b float64) bool) Goal {
	all := r.scenarios(match)
	if why := r.unfinished(all); why != "" {
		g := goal(0)
		g.Got, g.Verdict = why, NotMet
		return g
	}
	var worst float64
	var where []Scenario
	for _, s := range all {
		if v, ok := figure(s); ok {
			if len(where) == 0 || worse(v, worst) {
				worst = v
				where = append([]Scenario{s}, where...)
				continue
			}
			where = append(where, s)
		}
	}
	if len(where) == 0 {
		return missing(goal(0), "–")
	}
	g := goal(worst)
	if len(where) > 1 {
		g.Got += " (" + receivers(where[0].Receivers)
		if slices.ContainsFunc(where, func(s Scenario) bool { return s.Image != where[0].Image }) {
			g.Got += ", " + where[0].Image
		}
		g.Got += ")"
	}
	return g
}

func higher(a, b float64) bool { return a > b }
func lower(a, b float64) bool  { return a < b }

func receivers(n int) string {
	if n == 1 {
		return "1 receiver"
	}
	return fmt.Sprintf("%d receivers", n)
}

func (r *Report) ratioGoal(n int, rival string, want float64) Goal {
	what := fmt.Sprintf("CPU-bound, debian, %s: speed ÷ %s's", receivers(n), rival)
	fewest := 0
	g := r.judge(cpuBound(Debian, n), func(s Scenario) (float64, bool) {
		v := r.ratios(s, rival)
		if fewest == 0 || len(v) > 0 && len(v) < fewest {
			fewest = len(v)
		}
		return spreadOf(v).median, len(v) > 0
	}, func(v float64) Goal { return least(what, v, want, "") }, lower)
	if fewest == 1 {
		g.Got += " (1 run)"
	}
	return g
}

func (r *Report) limitGoal(image string, n int, want float64) Goal {
	what := fmt.Sprintf("CPU-bound, %s, %s: of the machine's limit", image, receivers(n))
	return r.judge(cpuBound(image, n), func(s Scenario) (float64, bool) {
		l, ok := r.limit(s)
		f := r.figures(s, Pxecast)
		if !ok || !f.finished() {
			return 0, false
		}
		return f.speed.median / l.MBPerS * 100, true
	}, func(v float64) Goal { return least(what, v, want, " %") }, lower)
}

// time is a scenario's time ÷ the wire's minimum, median over repetitions. A
// small image has none that counts.
func (r *Report) time(s Scenario) (float64, bool) {
	f := r.figures(s, Pxecast)
	return f.time.median, f.time.median > 0 && s.RawBytes >= leastWire
}

func (r *Report) wireGoals() []Goal {
	var goals []Goal
	for _, n := range []int{1, 8, 24} {
		what := fmt.Sprintf("wire-bound, noise, %s: time ÷ the wire's minimum", receivers(n))
		goals = append(goals, r.sized(r.judge(wireBound(n, 0), r.time, func(v float64) Goal { return most(what, v, 1.08, "") }, higher)))
	}
	flat := func(v float64) Goal {
		return most("wire-bound, noise: time, 24 receivers more than 1", v*100, 3, " %")
	}
	goals = append(goals, r.growth(0, 1, 24, func(f figures) float64 { return f.time.median }, flat))
	for _, l := range []struct{ percent, want float64 }{{1, 1.12}, {10, 1.30}} {
		what := fmt.Sprintf("wire-bound, noise, %g %% loss: time ÷ the wire's minimum", l.percent)
		goals = append(goals, r.sized(r.judge(wireBound(0, l.percent), r.time, func(v float64) Goal { return most(what, v, l.want, "") }, higher)))
	}
	return goals
}

// leastWire is the image that the goals on the wire are about, in bytes: with a
// smaller one the start weighs more.
const leastWire = 512e6

// sized says so where a goal was not measured because the image was smaller.
func (r *Report) sized(g Goal) Goal {
	small := r.scenarios(func(s Scenario) bool { return wireBound(0, s.LossPercent)(s) && s.RawBytes < leastWire })
	if g.Verdict == NotMeasured && len(small) > 0 {
		g.Got = fmt.Sprintf("disk of %.0f MB, not at least %.0f", float64(small[0].RawBytes)/1e6, leastWire/1e6)
	}
	return g
}

// growth judges how much larger a figure is with many receivers than with few,
// wire-bound: 0.03 is 3 % more.
func (r *Report) growth(loss float64, few, many int, figure func(figures) float64, goal func(float64) Goal) Goal {
	base := r.scenarios(wireBound(few, loss))
	return r.sized(r.judge(wireBound(many, loss), func(s Scenario) (float64, bool) {
		i := slices.IndexFunc(base, func(b Scenario) bool { return b.RateMbit == s.RateMbit && b.RawBytes == s.RawBytes })
		if i < 0 || s.RawBytes < leastWire {
			return 0, false
		}
		a, b := figure(r.figures(base[i], Pxecast)), figure(r.figures(s, Pxecast))
		return b/a - 1, a > 0 && b > 0
	}, goal, higher))
}

func (r *Report) receiverGoals() []Goal {
	cpu := r.judge(cpuBound(Debian, 0), func(s Scenario) (float64, bool) {
		f := r.figures(s, Pxecast)
		return f.client.median, f.finished()
	}, func(v float64) Goal { return most("receiver, debian: core-seconds per GB of disk", v, 1.2, "") }, higher)
	any := func(Scenario) bool { return true }
	memory := r.judge(any, func(s Scenario) (float64, bool) {
		f := r.figures(s, Pxecast)
		return float64(f.clientMemory) / 1e6, f.clientMemory > 0
	}, func(v float64) Goal { return most("receiver: peak memory", v, 200, " MB") }, higher)
	return []Goal{cpu, memory, r.smallGoal()}
}

// smallGoal is about the contender whose receivers may use little memory.
func (r *Report) smallGoal() Goal {
	goal := func(v float64) Goal { return most("receiver with --memory 64M: peak memory", v, 96, " MB") }
	var worst int64
	for _, s := range r.scenarios(func(Scenario) bool { return true }) {
		f := r.figures(s, SmallMemory)
		if f.failed > 0 {
			g := goal(0)
			g.Got, g.Verdict = fmt.Sprintf("%d of %d runs did not finish", f.failed, f.runs), NotMet
			return g
		}
		worst = max(worst, f.clientMemory)
	}
	if worst == 0 {
		return missing(goal(0), "–")
	}
	return goal(float64(worst) / 1e6)
}

func (r *Report) senderGoals() []Goal {
	user := r.judge(func(s Scenario) bool { return s.LossPercent == 0 }, func(s Scenario) (float64, bool) {
		f := r.figures(s, Pxecast)
		return f.sent.median, f.sent.median > 0
	}, func(v float64) Goal { return most("sender, no loss: user core-seconds per GB sent", v, 0.25, "") }, higher)
	grown := r.growth(0, 8, 24, func(f figures) float64 { return f.sent.median }, func(v float64) Goal {
		return most("sender, wire-bound: user time, 24 receivers more than 8", v*100, 10, " %")
	})
	return []Goal{user, grown}
}

// steadyRuns is how many repetitions of both the last goal needs at least.
const steadyRuns = 3

// steadyGoal is about how far the ratios of the repetitions lie apart.
func (r *Report) steadyGoal() Goal {
	var runs []int
	g := r.judge(cpuBound(Debian, 0), func(s Scenario) (float64, bool) {
		v := r.ratios(s, Udpcast)
		if len(v) < steadyRuns {
			return 0, false
		}
		runs = append(runs, len(v))
		return spreadOf(v).relative() * 100, true
	}, func(v float64) Goal {
		return most("CPU-bound, debian: ratios to udpcast's speed lie apart by", v, 15, " %")
	}, higher)
	switch {
	case g.Verdict == NotMeasured:
		g.Got = fmt.Sprintf("fewer than %d runs of both", steadyRuns)
	case len(runs) == 0:
	case slices.Min(runs) == slices.Max(runs):
		g.Got += fmt.Sprintf(", %d runs", runs[0])
	default:
		g.Got += fmt.Sprintf(", %d–%d runs", slices.Min(runs), slices.Max(runs))
	}
	return g
}
