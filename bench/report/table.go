package report

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// width is how many columns of a terminal the tables take at the most.
const width = 120

// Print writes the report for people: tables, limits, goals, and how each
// contender was run.
func (r *Report) Print(w io.Writer) {
	b := bufio.NewWriter(w)
	defer b.Flush()
	r.printMachine(b)
	if len(r.Results) == 0 {
		fmt.Fprintln(b, "\nno results")
	}
	for _, group := range r.groups() {
		r.printFigures(b, group)
		r.printRatios(b, group)
	}
	r.printLimits(b)
	r.printGoals(b)
	r.printCommands(b)
}

// printMachine begins with what the figures mean and where they were taken.
func (r *Report) printMachine(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s · %d cores · %.1f GB · Linux %s · %s · %s · %s\n", m.CPU, m.Cores, float64(m.MemoryMB)/1e3, m.Kernel,
		m.System, m.Go, r.Time.UTC().Format("2 January 2006 15:04 MST"))
	if m.Busy() {
		fmt.Fprintf(w, "the machine was busy with something else (load %.1f on %d cores): figures and ratios mean little\n", m.Load, m.Cores)
	}
	fmt.Fprintln(w, `
MB/s        10⁶ bytes of disk restored per second at each client, free space included, from the sender's start to the
            end of that receiver: min, median and max over all clients and repetitions
cores       core-seconds per 10⁹ bytes of disk: of one client; of the sender, user and system. All share one machine,
            and the bridge's copies for each receiver are billed to the sender's system time
memory      the largest resident size of any client and of the sender, 10⁶ bytes
wire        bytes that left the sender's port ÷ bytes of the packed image
time        start to the last client's end ÷ what the wire takes for the packed image alone
limit       median MB/s ÷ the machine's limit (below)`)
}

// groups are the scenarios of one table each: the same image, the same bound.
func (r *Report) groups() (groups [][]Scenario) {
	for _, s := range r.scenarios(func(Scenario) bool { return true }) {
		n := len(groups)
		if n > 0 && groups[n-1][0].Image == s.Image && groups[n-1][0].RateMbit == s.RateMbit && groups[n-1][0].RawBytes == s.RawBytes {
			groups[n-1] = append(groups[n-1], s)
			continue
		}
		groups = append(groups, []Scenario{s})
	}
	return groups
}

func (s Scenario) bound() string {
	if s.RateMbit == 0 {
		return "CPU-bound"
	}
	return fmt.Sprintf("wire-bound, %g Mbit/s", s.RateMbit)
}

const rowFormat = "%4s %5s  %-20s %7s %7s %7s  %7s %6s %6s  %6s %6s  %6s %6s %6s\n"

func (r *Report) printFigures(w io.Writer, group []Scenario) {
	s := group[0]
	fmt.Fprintf(w, "\n%s · %s: disk of %.0f MB, packed %.0f MB\n\n", s.bound(), s.Image, float64(s.RawBytes)/1e6, float64(s.PackedBytes)/1e6)
	fmt.Fprintf(w, rowFormat, "", "", "", "", "MB/s", "", "cores", "sender", "", "memory", "", "wire", "time", "limit")
	fmt.Fprintf(w, rowFormat, "recv", "loss", "", "min", "median", "max", "client", "user", "system", "client", "sender", "÷", "÷", "")
	for _, s := range group {
		fmt.Fprintln(w)
		for _, c := range contenders(r.Results) {
			r.printRow(w, s, c)
		}
	}
}

func (r *Report) printRow(w io.Writer, s Scenario, contender string) {
	f := r.figures(s, contender)
	if f.runs == 0 {
		return
	}
	if f.finished() {
		wire, time, limit := "–", "–", "–"
		if f.wire.median > 0 {
			wire = fmt.Sprintf("%.3f", f.wire.median)
		}
		if f.time.median > 0 {
			time = fmt.Sprintf("%.3f", f.time.median)
		}
		if l, ok := r.limit(s); ok && contender != RawLimit { // that does none of the work
			limit = percent(f.speed.median / l.MBPerS)
		}
		fmt.Fprintf(w, rowFormat, fmt.Sprint(s.Receivers), percent(s.LossPercent/100), contender,
			mbs(f.speed.min), mbs(f.speed.median), mbs(f.speed.max),
			seconds(f.client.median), seconds(f.user.median), seconds(f.system.median),
			fmt.Sprintf("%.0f", float64(f.clientMemory)/1e6), fmt.Sprintf("%.0f", float64(f.peakMemory)/1e6),
			wire, time, limit)
	}
	if f.failed > 0 {
		line := fmt.Sprintf("%4d %5s  %-20s did not finish, %d of %d runs: %s", s.Receivers, percent(s.LossPercent/100),
			contender, f.failed, f.runs, strings.Join(strings.Fields(f.reason), " "))
		fmt.Fprintln(w, shorten(line, width))
	}
}

func mbs(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

func seconds(v float64) string { return fmt.Sprintf("%.3f", v) }

func percent(v float64) string { return fmt.Sprintf("%.3g %%", v*100) }

// shorten cuts a line to n columns.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// printRatios compares within each repetition, where the machine's drift hit
// both alike.
func (r *Report) printRatios(w io.Writer, group []Scenario) {
	var rivals []string
	for _, c := range contenders(r.Results) {
		if !ours(c) && slices.ContainsFunc(group, func(s Scenario) bool { return len(r.ratios(s, c)) > 0 }) {
			rivals = append(rivals, c)
		}
	}
	if len(rivals) == 0 {
		return
	}
	fmt.Fprintf(w, "\npxecast ÷ rival in MB/s of the median client, in each repetition: median (min to max; (max−min) ÷ median)\n\n")
	fmt.Fprintf(w, "%4s %5s ", "recv", "loss")
	for _, c := range rivals {
		fmt.Fprintf(w, " %26s", shorten(c, 26))
	}
	fmt.Fprintln(w)
	for _, s := range group {
		fmt.Fprintf(w, "%4d %5s ", s.Receivers, percent(s.LossPercent/100))
		for _, c := range rivals {
			cell := "–"
			if v := r.ratios(s, c); len(v) > 0 {
				x := spreadOf(v)
				cell = fmt.Sprintf("%s (%s to %s; %.0f %%)", ratio(x.median), ratio(x.min), ratio(x.max), x.relative()*100)
			}
			fmt.Fprintf(w, " %26s", cell)
		}
		fmt.Fprintln(w)
	}
}

func ratio(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

func (r *Report) printLimits(w io.Writer) {
	if len(r.Limits) == 0 {
		return
	}
	fmt.Fprintf(w, `
The machine's limit: its cores ÷ the core-seconds that a GB of disk takes of work that can't be avoided, done by our own
zstd and digest code, each stage measured alone, in core-seconds per 10⁹ bytes of disk (± how far its measurements lie
apart): the sender's once, the others at each receiver. Measured before and after the scenarios, the higher counts
`)
	fmt.Fprintf(w, "\n%-8s %4s %16s %16s %16s %16s %16s %12s\n", "image", "recv", StageSend, StageReceive, StageDecode, StageDigest, StageWrite, "limit, MB/s")
	for _, l := range r.Limits {
		fmt.Fprintf(w, "%-8s %4d", l.Image, l.Receivers)
		for _, name := range []string{StageSend, StageReceive, StageDecode, StageDigest, StageWrite} {
			cell := "–"
			if i := slices.IndexFunc(l.Stages, func(s Stage) bool { return s.Name == name }); i >= 0 {
				cell = fmt.Sprintf("%.4f ±%3.0f %%", l.Stages[i].SecondsPerGB, l.Stages[i].Spread*50)
			}
			fmt.Fprintf(w, " %16s", cell)
		}
		fmt.Fprintf(w, " %12.1f\n", l.MBPerS)
	}
}

func (r *Report) printGoals(w io.Writer) {
	fmt.Fprintf(w, "\nGoals\n\n")
	for _, g := range r.Goals() {
		fmt.Fprintf(w, "  %-13s %-58s %-9s %s\n", g.Verdict, g.What, g.Want, g.Got)
	}
}

// printCommands lists what each contender was called by, once.
func (r *Report) printCommands(w io.Writer) {
	if len(r.Results) == 0 {
		return
	}
	fmt.Fprintf(w, "\nHow each was run\n")
	for _, c := range contenders(r.Results) {
		i := slices.IndexFunc(r.Results, func(res Result) bool { return res.Contender == c })
		res := r.Results[i]
		fmt.Fprintf(w, "\n  %s: %s\n", c, res.Timed)
		for _, line := range res.Commands {
			wrap(w, line, "    ")
		}
	}
	if len(r.Machine.Versions) > 0 {
		fmt.Fprintln(w)
		for _, name := range slices.Sorted(maps.Keys(r.Machine.Versions)) {
			fmt.Fprintf(w, "  %s is version %s\n", name, r.Machine.Versions[name])
		}
	}
}

// wrap writes a command line, broken between its words.
func wrap(w io.Writer, line, indent string) {
	at := indent
	for word := range strings.FieldsSeq(line) {
		if len([]rune(at))+1+len([]rune(word)) > width-2 && strings.TrimSpace(at) != "" {
			fmt.Fprintln(w, at+` \`)
			at = indent + "  "
		}
		if strings.TrimSpace(at) != "" {
			at += " "
		}
		at += word
	}
	fmt.Fprintln(w, at)
}
