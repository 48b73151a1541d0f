package diagnosis

import (
	"fmt"
	"math"
)

// loss says who loses what on the network, and where.
func loss(r *Room) (all []Finding) {
	shared, every := common(r)
	capped := limit(r.Samples)
	if capped > 0 {
		all = append(all, limited(r, capped))
	} else if every > someLoss {
		all = append(all, Finding{Kind: CommonLoss,
			Text: fmt.Sprintf("all machines lose the same datagrams, %s of them%s: they are lost between this machine and the first switch, or in the first switch",
				percent(every), pattern(shared, r)),
			Advice: "change the cable and the port of this machine; if that does not help, send slower (--rate) and see whether the loss ends: then the switch limits multicast (storm control) or has too little memory"})
	}
	own := losers(r)
	if capped > 0 && len(r.Receivers) == 1 {
		return all // it is the limit's
	}
	if n := len(r.Receivers); n > 2 && 2*len(own) > n && capped == 0 {
		return append(all, each(r, own))
	}
	for _, v := range own {
		all = append(all, loses(r, v))
	}
	return all
}

// common returns the fraction that all lose together, and one of those who do.
func common(r *Room) (example *Receiver, fraction float64) {
	var losses []float64
	for i := range r.Receivers {
		if v := &r.Receivers[i]; v.Counters.Received > 0 {
			losses = append(losses, v.CommonLoss())
			if v.Counters.Lost >= leastLost && (example == nil || v.CommonLoss() > example.CommonLoss()) {
				example = v
			}
		}
	}
	if example == nil {
		return nil, 0
	}
	return example, median(losses)
}

// losers returns those who lose on their own way.
func losers(r *Room) (all []*Receiver) {
	for i := range r.Receivers {
		if v := &r.Receivers[i]; v.Counters.Received > 0 && v.OwnLoss() > someLoss && v.OwnLoss()*v.span() >= leastLost {
			all = append(all, v)
		}
	}
	return all
}

func limited(r *Room, packets float64) Finding {
	rate := packets * r.WirePerPacket()
	text := fmt.Sprintf("something on the way lets only about %s of multicast through, however much is sent", bitRate(rate))
	if len(r.Receivers) == 1 {
		return Finding{Kind: Limited, Text: text,
			Advice: "see at what speed the ports of this machine and of the receiver are linked; else look for a multicast limit (storm control) in the switch. With a second receiver it would be clear whether the limit is common"}
	}
	return Finding{Kind: Limited, Text: text + ", to all machines alike",
		Advice: fmt.Sprintf("look in the switch for a limit of multicast (storm control) and lift it for this machine's port, and see at what speed that port is linked; until then send with --rate %s", below(rate))}
}

// below writes what is a little below a rate in bit/s, as --rate takes it: 64k
// at least.
func below(rate float64) string {
	if rate = max(64e3, 0.95*rate); rate < 1e6 {
		return fmt.Sprintf("%.0fk", math.Floor(rate/1e3))
	}
	return fmt.Sprintf("%.0fM", math.Floor(rate/1e6))
}

func each(r *Room, own []*Receiver) Finding {
	var losses []float64
	var list []string
	for _, v := range own {
		losses, list = append(losses, v.OwnLoss()), append(list, v.Name)
	}
	return Finding{EachLoses, list,
		fmt.Sprintf("%d of %s lose datagrams, each other ones, %s in the median%s: the switch drops them on the way to its ports", len(own), count(len(r.Receivers), "machine"), percent(median(losses)), pattern(own[0], r)),
		"its ports have too little memory for the rate or for the bursts: send slower (--rate), and see that all ports are linked at the same speed"}
}

func loses(r *Room, v *Receiver) Finding {
	f := Finding{Kind: Loses, Receivers: []string{v.Name}}
	others, where := " that others receive", ": its own cable or port"
	if v.Shared.Judged == 0 {
		others, where = "", ", on the way to it"
		if len(r.Receivers) == 1 {
			where = "; with a second receiver it would be clear whether its own cable or the common way is to blame"
		}
	}
	f.Text = fmt.Sprintf("%s loses %s of the datagrams%s%s%s", v.Name, percent(v.OwnLoss()), others, pattern(v, r), where)
	f.Advice = "change its cable, then its port at the switch, then its network card"
	if MBit := linked(v.PacketRate() * r.WirePerPacket()); MBit > 0 && v.OwnLoss() > 0.2 {
		f.Text += fmt.Sprintf("; it receives about what a link of %d Mbit/s carries", MBit)
		f.Advice = "see at what speed its port is linked: a damaged cable makes 100 Mbit/s of 1 Gbit/s"
	} else if v.MeanGap() >= bursty {
		f.Advice = "change its cable and its port; bursts also come from a switch's full buffer (a slower or busy port, power saving of the link): send slower and see whether they end"
	}
	return f
}

// linked returns the speed in Mbit/s of a link that bits a second nearly fill,
// or 0.
func linked(bits float64) int {
	for _, mbit := range []int{10, 100, 1000, 2500} {
		if full := float64(mbit) * 1e6; bits > 0.8*full && bits < 1.02*full {
			return mbit
		}
	}
	return 0
}

// From bursty datagrams in a row on, in the mean, they are not lost one by one.
const bursty = 2

// pattern says how the datagrams that v lost lie: ", single ones (…)".
func pattern(v *Receiver, r *Room) string {
	if v.Counters.Gaps == 0 {
		return ""
	}
	if v.Counters.Overflow > v.Counters.Lost {
		return "" // gaps are mostly the machine's own
	}
	mean := v.MeanGap()
	text := fmt.Sprintf(", mostly single ones (longest row %d)", v.Counters.Longest)
	if mean >= bursty {
		text = fmt.Sprintf(", in bursts of %.0f in the mean (longest %d)", mean, v.Counters.Longest)
	}
	if v.Period > 0 {
		text += fmt.Sprintf(", one about every %.0f datagrams", v.Period)
		if rate := v.span() / max(v.Seconds, 1e-9); rate > 0 && v.Seconds > 0 {
			text += " or " + duration(v.Period/rate)
		}
	}
	return text
}

func duration(seconds float64) string {
	switch {
	case seconds < 0.001:
		return fmt.Sprintf("%.0f µs", seconds*1e6)
	case seconds < 1:
		return fmt.Sprintf("%.0f ms", seconds*1e3)
	}
	return fmt.Sprintf("%.1f s", seconds)
}

// percent writes a fraction with two digits that mean something.
func percent(f float64) string {
	switch f *= 100; {
	case f >= 9.95:
		return fmt.Sprintf("%.0f %%", f)
	case f >= 0.995:
		return fmt.Sprintf("%.1f %%", f)
	}
	return fmt.Sprintf("%.2f %%", f)
}

// bitRate writes bits a second.
func bitRate(bits float64) string {
	if bits >= 9.95e8 {
		return fmt.Sprintf("%.1f Gbit/s", bits/1e9)
	}
	if bits >= 9.95e6 {
		return fmt.Sprintf("%.0f Mbit/s", bits/1e6)
	}
	return fmt.Sprintf("%.1f Mbit/s", bits/1e6)
}
