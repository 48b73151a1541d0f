package main

import (
	"fmt"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/screen"
)

const barWidth = 24

// imageProgress shows how far packing or verifying is.
type imageProgress struct {
	p     *program
	verb  string // "packing", "verifying"
	name  string
	began time.Time
	meter screen.Meter
	event *events
	told  time.Time
}

// progress returns what shows the progress of doing verb with the image called
// name.
func (p *program) progress(verb, name string, e *events) *imageProgress {
	return &imageProgress{p: p, verb: verb, name: name, began: time.Now(), event: e}
}

// show is for image.PackOptions.Progress and its like.
func (i *imageProgress) show(g image.Progress) {
	now := time.Now()
	part, whole := float64(g.InBytes), float64(g.InTotal)
	rate := i.meter.Add(now, part)
	if i.event.on() && now.Sub(i.told) >= time.Second {
		i.told = now
		e := packingEvent{Event: "packing", InBytes: g.InBytes, RawBytes: g.RawBytes, PackedBytes: g.PackedBytes}
		if g.InTotal > 0 {
			e.InTotal = &g.InTotal
		}
		i.event.print(e)
	}
	name := screen.Safe(i.name)
	text := fmt.Sprintf("%s %s", i.verb, name)
	line := text
	if whole > 0 {
		left := screen.Remaining(whole-part, rate)
		text += fmt.Sprintf(": %s, %s, %s left", screen.Percent(part, whole), screen.Rate(rate), left)
		line += fmt.Sprintf("  %s %s  %s  ETA %s", screen.Bar(part, whole, barWidth), screen.Percent(part, whole), screen.Rate(rate), left)
	} else {
		text += fmt.Sprintf(": %s read, %s", screen.Bytes(g.InBytes), screen.Rate(rate))
		line += fmt.Sprintf("  %s  %s", screen.Bytes(g.InBytes), screen.Rate(rate))
	}
	if g.PackedBytes > 0 && g.PackedBytes != g.InBytes {
		line += fmt.Sprintf("  %s to %s", screen.Bytes(g.RawBytes), screen.Bytes(g.PackedBytes))
	}
	// What takes no time needs no line.
	if now.Sub(i.began) > time.Second/2 {
		i.p.screen.Update(i.verb, text, func(int, int) []string { return []string{line} })
	}
}
