package diagnosis

import (
	"fmt"
	"strings"

	"github.com/pxecast/pxecast/protocol"
)

// Kind is what a finding is about. Its text is part of the JSON output.
type Kind string

// The kinds of findings. The first four are about the room as a whole and good
// news or none.
const (
	Reached    Kind = "reached"       // multicast got to everybody
	Filtered   Kind = "filtered"      // and only to those that asked for it
	FloodBlind Kind = "flood_unknown" // whether it is flooded could not be heard
	Alike      Kind = "alike"         // no receiver stands out; what binds all
	Missing    Kind = "missing"       // fewer receivers than there should be
	Dropped    Kind = "dropped"       // multicast does not reach a receiver, or stopped
	Gone       Kind = "gone"          // a receiver fell silent
	Failed     Kind = "failed"        // a receiver failed for another reason
	Flooded    Kind = "flooded"       // multicast goes to ports that did not ask for it
	Limited    Kind = "limited"       // multicast is capped
	CommonLoss Kind = "common_loss"   // all lose the same datagrams
	EachLoses  Kind = "loss_each"     // most lose, each its own
	Loses      Kind = "loss"          // a receiver loses on its own way
	Processor  Kind = "processor"     // a receiver's processor is too slow
	Disk       Kind = "disk"          // a receiver's disk is too slow
	Slow       Kind = "slow"          // a receiver is slow and its figures don't say why
)

// A Finding is one statement about the room.
type Finding struct {
	Kind      Kind
	Receivers []string // names of those concerned; none: the whole room
	Text      string   // what was found, with its figures
	Advice    string   // what to do about it; "" nothing
}

// Good reports whether there is nothing to do about it.
func (f *Finding) Good() bool { return f.Advice == "" }

const (
	someLoss  = 0.001 // loss that is worth a word: a cable in order loses less than a millionth
	leastLost = 20    // datagrams, to speak of a loss
	weak      = 0.90  // of the median rate: slower is weak
	busy      = 0.70  // of their time: workers that are the bottleneck
	often     = 0.5   // of the reports
)

// Find says what the figures mean.
func Find(r *Room) []Finding {
	var all []Finding
	add := func(f ...Finding) { all = append(all, f...) }
	add(reach(r)...)
	add(flood(r)...)
	lossy := loss(r)
	add(lossy...)
	slow := slowness(r, lossy)
	add(slow...)
	if len(slow) == 0 {
		add(binding(r, len(lossy) > 0)...)
	}
	return all
}

// reach says who got the multicast at all.
func reach(r *Room) (all []Finding) {
	if n := len(r.Receivers); n < r.Expected {
		all = append(all, Finding{Kind: Missing,
			Text: fmt.Sprintf("%d of %d machines came", n, r.Expected),
			Advice: "see on the others whether `pxecast receive --disk discard` waits for a sender: if it does, multicast to 239.255.80.88 does not reach them; " +
				"check that they are in this network, the switch's multicast filter (IGMP snooping needs a querier) and firewalls"})
	}
	var deaf, stopped, gone []string
	reached := 0
	for i := range r.Receivers {
		v := &r.Receivers[i]
		switch {
		case v.State == protocol.ReceiverGone:
			gone = append(gone, v.Name)
		case v.Counters.Received == 0 && r.Packets > 0:
			deaf = append(deaf, v.Name)
		case v.Deaf >= deafSeconds && v.State != protocol.ReceiverDone:
			stopped = append(stopped, v.Name)
		case v.State == protocol.ReceiverFailed:
			all = append(all, Finding{Failed, []string{v.Name}, v.Name + " failed: " + v.Error, "see what it says on its own screen"})
		default:
			reached++
		}
	}
	all = append(all, silence(deaf, stopped, gone)...)
	if reached > 0 && reached == len(r.Receivers) {
		all = append(all, Finding{Kind: Reached, Text: fmt.Sprintf("multicast reached %s", count(reached, "machine"))})
	}
	return all
}

// deafSeconds without any datagram mean that multicast stopped.
const deafSeconds = 3

func silence(deaf, stopped, gone []string) (all []Finding) {
	const querier = "the switch filters multicast (IGMP snooping) and nobody asks who wants it: turn on an IGMP querier, or turn snooping off; "
	if len(deaf) > 0 {
		all = append(all, Finding{Dropped, deaf, names(deaf) + " joined, and then no multicast reached " + it(deaf),
			querier + "else look for a firewall on " + it(deaf) + " that drops UDP to 232.0.0.0/8"})
	}
	if len(stopped) > 0 {
		all = append(all, Finding{Dropped, stopped, "multicast to " + names(stopped) + " stopped in the middle", querier + "also typical of a cable that was pulled"})
	}
	if len(gone) > 0 {
		all = append(all, Finding{Gone, gone, names(gone) + " fell silent: switched off, crashed or cut from the network",
			"see what its screen says and whether its port has a link"})
	}
	return all
}

// flood says whether the switches send multicast where it was not asked for.
func flood(r *Room) []Finding {
	var yes, no []string
	for i := range r.Receivers {
		v := &r.Receivers[i]
		if flooded, known := v.Flooded(); known && flooded {
			yes = append(yes, v.Name)
		} else if known {
			no = append(no, v.Name)
		}
	}
	const advice = "in a network of the room's own this is harmless; in a shared one turn on IGMP snooping with a querier, or every other machine and every access point gets all of the traffic"
	switch {
	case len(yes)+len(no) == 0:
		return []Finding{{Kind: FloodBlind, Text: "whether the switch floods multicast is unknown: no machine could listen for it, or not long enough (root is needed there)"}}
	case len(no) == 0:
		return []Finding{{Kind: Flooded, Text: "the switch floods: it sends multicast to every port, asked for or not", Advice: advice}}
	case len(yes) > 0:
		return []Finding{{Flooded, yes, "multicast that was not asked for reaches " + names(yes) + " and not " + names(no) + ": only some of the switches filter", advice}}
	}
	return []Finding{{Kind: Filtered, Text: "the switch sends multicast only to the machines that ask for it"}}
}

// count writes "3 machines".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// names lists machines, as many as a line takes.
func names(all []string) string {
	const most = 6
	if len(all) > most {
		return strings.Join(all[:most-1], ", ") + fmt.Sprintf(" and %d more", len(all)-most+1)
	}
	if n := len(all); n > 1 {
		return strings.Join(all[:n-1], ", ") + " and " + all[n-1]
	}
	return strings.Join(all, "")
}

func it(all []string) string {
	if len(all) == 1 {
		return "it"
	}
	return "them"
}
