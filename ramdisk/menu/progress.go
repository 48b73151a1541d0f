package menu

import (
	"fmt"
	"time"

	"github.com/pxecast/pxecast/internal/screen"
)

// share returns what is done of what there is to do in this state.
func (p *progress) share() (done, all float64) {
	switch {
	case p.State == "verifying":
		done = float64(p.BytesVerified)
	case p.BytesChecked != nil:
		done = float64(*p.BytesChecked)
	default:
		done = float64(p.BytesWritten)
	}
	return done, float64(p.RawBytes)
}

// words says what goes on.
func (p *progress) words() string {
	switch {
	case p.State == "done":
		return "Done, and stays a moment for the other machines"
	case p.State == "flushing":
		return "Waiting for the disk to have written everything"
	case p.State == "verifying":
		return "Reading the disk back"
	case p.BytesChecked != nil:
		return "Looking for what the disk has already"
	case p.State == "joined":
		return "Waiting for the sender"
	}
	return "Receiving"
}

func (p *progress) left() string {
	if p.SecondsLeft == nil {
		return ""
	}
	return screen.Duration(time.Duration(*p.SecondsLeft*float64(time.Second))+time.Second/2) + " left"
}

// limit is what holds this machine up, in words.
func (p *progress) limit() string {
	switch deref(p.LimitedBy) {
	case "network":
		return "limited by the network"
	case "processor":
		return "limited by this machine's processor"
	case "disk":
		return "limited by this disk"
	}
	return ""
}

// lines shows it all.
func (p *progress) lines() []line {
	done, all := p.share()
	pace := screen.Rate(p.Rate * 1e6)
	for _, s := range []string{p.left(), p.limit()} {
		if s != "" {
			pace += "   " + s
		}
	}
	lines := []line{
		{text: "  " + p.words()},
		{},
		{text: fmt.Sprintf("  %s %5s   %s of %s", screen.Bar(done, all, 46), screen.Percent(done, all), screen.Bytes(int64(done)), screen.Bytes(p.RawBytes)), style: good},
		{text: "  " + pace},
		{text: "  " + p.losses()},
		{text: "  " + p.lanes()},
	}
	if r := p.Room; r.Machines > 1 {
		text := fmt.Sprintf("  The room: %d of %d machines done", r.Done, r.Machines)
		if r.Failed > 0 {
			text += fmt.Sprintf(", %d failed", r.Failed)
		}
		if r.Done < r.Machines {
			text += fmt.Sprintf(", the slowest at %d %%", int(r.Slowest*100))
		}
		lines = append(lines, line{text: text})
	}
	for _, s := range []string{deref(p.Waiting), p.notice} {
		if s != "" {
			lines = append(lines, line{text: "  " + s, style: trouble})
		}
	}
	return lines
}

// losses is what got lost, and what healed it.
func (p *progress) losses() string {
	if p.PacketsLost == 0 {
		return "No packet lost"
	}
	return fmt.Sprintf("%d packets lost, %d symbols healed by parity", p.PacketsLost, p.SymbolsRepaired)
}

// lanes is how the blocks came.
func (p *progress) lanes() string {
	l := p.Lanes
	return fmt.Sprintf("Blocks: %d by multicast, %d from other machines, %d by TFTP", l.Multicast, l.Peer, l.TFTP)
}

// brief is the same on one line.
func (p *progress) brief() string {
	done, all := p.share()
	s := fmt.Sprintf("%s: %s, %s", p.words(), screen.Percent(done, all), screen.Rate(p.Rate*1e6))
	lost := ""
	if p.PacketsLost > 0 {
		lost = fmt.Sprintf("%d lost, %d healed", p.PacketsLost, p.SymbolsRepaired)
	}
	for _, more := range []string{p.left(), p.limit(), lost, deref(p.Waiting)} {
		if more != "" {
			s += ", " + more
		}
	}
	return s
}
