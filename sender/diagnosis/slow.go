package diagnosis

import (
	"fmt"
	"slices"

	"github.com/pxecast/pxecast/protocol"
)

// slowness says which receivers are slower than the others, and why, unless
// their loss was spoken of already.
func slowness(r *Room, said []Finding) (all []Finding) {
	var rates []float64
	for i := range r.Receivers {
		if v := &r.Receivers[i]; v.State == protocol.ReceiverDone {
			rates = append(rates, v.DiskRate())
		}
	}
	middle := median(rates)
	for i := range r.Receivers {
		v := &r.Receivers[i]
		if v.Counters.Received == 0 {
			continue
		}
		kind, why := bound(v)
		slow := v.State == protocol.ReceiverDone && v.DiskRate() < weak*middle
		if !slow && !r.standsOut(v, kind) {
			continue
		}
		if f, ok := weakness(v, kind, why, slow, middle); ok && (f.Kind != Slow || !mentions(said, v.Name)) {
			all = append(all, f)
		}
	}
	if len(all) > 1 && 2*len(all) > len(r.Receivers) && sameKind(all) {
		return nil // the room's own pace: binding says it
	}
	return all
}

// bound says what limits a receiver by its own figures, "" if nothing does.
func bound(v *Receiver) (kind Kind, why string) {
	decoding, writing := v.Decoding(), v.Writing()
	work := fmt.Sprintf("its %d workers decode %s and write %s of the time", v.Workers, share(decoding), share(writing))
	switch {
	case v.Behind >= often || decoding+writing >= busy || v.Counters.Shed > 0 && decoding+writing >= busy/2:
		if writing > decoding {
			return Disk, work
		}
		return Processor, work
	case v.OverflowLoss() > someLoss && v.Counters.Overflow >= leastLost:
		return Processor, fmt.Sprintf("it dropped %s of what reached it because it did not read in time", percent(v.OverflowLoss()))
	case v.Clogged >= often:
		return Processor, "its socket is full most of the time"
	}
	return "", ""
}

// standsOut reports whether fewer than half of the others are bound by the same.
func (r *Room) standsOut(v *Receiver, kind Kind) bool {
	if kind == "" || len(r.Receivers) < 2 {
		return false
	}
	same := 0
	for i := range r.Receivers {
		if k, _ := bound(&r.Receivers[i]); k == kind && &r.Receivers[i] != v {
			same++
		}
	}
	return 2*same < len(r.Receivers)-1
}

func weakness(v *Receiver, kind Kind, why string, slow bool, middle float64) (Finding, bool) {
	pace := ""
	if slow {
		pace = fmt.Sprintf(" is slow, %.0f MB/s of disk where the median has %.0f", v.DiskRate()/1e6, middle/1e6)
	}
	f := Finding{Kind: kind, Receivers: []string{v.Name}}
	switch kind {
	case Processor:
		f.Text = v.Name + or(pace, " can hardly follow") + ": its processor is the limit, " + why
		f.Advice = fmt.Sprintf("see what else runs on its %s, and its power saving and cooling; a machine that just is old finishes later and does not hold up the others", count(v.Cores, "core"))
	case Disk:
		f.Text = v.Name + or(pace, " can hardly follow") + ": its disk is the limit, " + why
		f.Advice = "see the disk's health (smartctl) and its cable; a disk that just is slow finishes later and does not hold up the others"
	default:
		if v.OwnLoss() > someLoss {
			return f, false // its loss says it
		}
		f.Kind, f.Text = Slow, v.Name+pace+", and neither loss nor processor nor disk explain it"
		f.Advice = "compare its link speed and its network card with the others'"
		return f, slow
	}
	return f, true
}

// binding says what all have in common: what to improve to be faster.
func binding(r *Room, lossy bool) []Finding {
	if len(r.Receivers) == 0 || r.Seconds <= 0 || r.Packets == 0 {
		return nil
	}
	wire := r.Wire()
	text := "no machine stands out; " // and then what binds
	if lossy {
		text = "apart from the loss no machine stands out; "
	}
	if len(r.Receivers) == 1 {
		text = ""
	}
	kind, n := majority(r)
	switch {
	case r.Rate > 0 && wire > 0.85*r.Rate:
		text += fmt.Sprintf("the rate that you allow is used up: %s of %s", bitRate(wire), bitRate(r.Rate))
	case r.LinkRate > 0 && wire > 0.85*r.LinkRate:
		text += fmt.Sprintf("this machine's link is full: %s of %s", bitRate(wire), bitRate(r.LinkRate))
	case kind == Processor:
		text += fmt.Sprintf("the processors of %s are the limit, at %s", count(n, "receiver"), bitRate(wire))
	case kind == Disk:
		text += fmt.Sprintf("the disks of %s are the limit, at %s", count(n, "receiver"), bitRate(wire))
	case r.Busy > 0.8:
		text += fmt.Sprintf("this machine's processor is the limit: %.1f of %s busy at %s", r.Busy, count(r.Cores, "core"), bitRate(wire))
	default:
		text += fmt.Sprintf("%s went over the wire", bitRate(wire))
	}
	return []Finding{{Kind: Alike, Text: text}}
}

// majority returns what binds more than half of the receivers.
func majority(r *Room) (Kind, int) {
	counts := map[Kind]int{}
	for i := range r.Receivers {
		kind, _ := bound(&r.Receivers[i])
		counts[kind]++
	}
	for _, kind := range []Kind{Processor, Disk} {
		if n := counts[kind]; 2*n > len(r.Receivers) {
			return kind, n
		}
	}
	return "", 0
}

// Limit says in a word what limits a receiver: "network", "processor", "disk",
// or "" when nothing of its own does.
func (v *Receiver) Limit() string {
	kind, _ := bound(v)
	if kind == "" && v.OwnLoss() > someLoss && v.Counters.Lost >= leastLost {
		return "network"
	}
	return string(kind)
}

// mentions reports whether any finding names a receiver.
func mentions(all []Finding, name string) bool {
	return slices.ContainsFunc(all, func(f Finding) bool { return slices.Contains(f.Receivers, name) })
}

func sameKind(all []Finding) bool {
	return !slices.ContainsFunc(all, func(f Finding) bool { return f.Kind != all[0].Kind })
}

func share(f float64) string { return fmt.Sprintf("%.0f %%", f*100) }

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
