package menu

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// painter turns frames into what a console is sent.
type painter interface {
	paint(f *frame, clear bool, now time.Time) []byte
}

// sgr are the styles as ECMA-48 has them.
var sgr = map[style]string{title: "1", faint: "36", chosen: "7", good: "1;32", bad: "1;31", trouble: "1;33"}

// screenPainter redraws a screen in place, the lines that changed only.
type screenPainter struct {
	drawn []string
	full  time.Time // when all of it was drawn
}

func (p *screenPainter) paint(f *frame, clear bool, now time.Time) []byte {
	var b bytes.Buffer
	lines := f.lines()
	clear = clear || p.full.IsZero()
	if clear {
		b.WriteString("\x1b[0m\x1b[2J")
	}
	// The kernel writes on its console too: what it wrote goes by itself.
	all := clear || now.Sub(p.full) >= fullRedraws || len(p.drawn) != len(lines)
	if all {
		p.full, p.drawn = now, make([]string, len(lines))
	}
	for i, l := range lines {
		text := l.text
		if l.style == chosen {
			text = text + strings.Repeat(" ", max(0, columns-len([]rune(text))))
		}
		if code := sgr[l.style]; code != "" {
			text = "\x1b[" + code + "m" + text + "\x1b[0m"
		}
		if p.drawn[i] == text && !all {
			continue
		}
		fmt.Fprintf(&b, "\x1b[%d;1H%s\x1b[K", i+1, text)
		p.drawn[i] = text
	}
	if b.Len() == 0 {
		return nil
	}
	if all {
		fmt.Fprintf(&b, "\x1b[%d;1H\x1b[J", len(lines)+1) // below there is nothing of ours
	}
	if f.prompt != "" {
		last := lines[len(lines)-1]
		fmt.Fprintf(&b, "\x1b[%d;%dH\x1b[?25h", len(lines), min(columns, len([]rune(last.text)))+1)
	} else {
		b.WriteString("\x1b[?25l")
	}
	return b.Bytes()
}

// linePainter only adds lines, so that it works on anything, a log too: all of
// it when it is another page, a line now and then while something goes on.
type linePainter struct {
	page   string // what was printed last
	phase  string
	brief  string
	said   string
	told   time.Time
	prompt string // as it stands at the end of the output, input left out
	input  string
	at     bool // the prompt is there
}

func (p *linePainter) paint(f *frame, clear bool, now time.Time) []byte {
	var b bytes.Buffer
	say := func(s string) {
		if p.at {
			b.WriteString("\r\n")
			p.at = false
		}
		b.WriteString(s + "\r\n")
	}
	page := pageText(f)
	fresh := page != p.page || clear
	if fresh {
		p.page, p.phase, p.told = page, "", time.Time{}
		say("")
		for _, l := range f.head {
			say(strings.TrimRight(tidy(l.text), " "))
		}
		for _, l := range f.body {
			say(strings.TrimRight(tidy(l.text), " "))
		}
		say("")
		for _, h := range f.hintLines() {
			say(tidy(h))
		}
	}
	if f.brief != "" && f.brief != p.brief && (f.phase != p.phase || now.Sub(p.told) >= briefEach) {
		p.phase, p.brief, p.told = f.phase, f.brief, now
		say(tidy(" " + f.brief))
	}
	if f.said != p.said {
		if p.said = f.said; f.said != "" {
			say(tidy(" " + f.said))
			fresh = true
		}
	}
	p.ask(&b, f, fresh)
	return b.Bytes()
}

// ask keeps the prompt and what was typed at the end of the output. After a line
// that tells how it goes on it comes back when somebody types.
func (p *linePainter) ask(b *bytes.Buffer, f *frame, fresh bool) {
	prompt := ""
	if f.prompt != "" {
		prompt = tidy(" " + f.prompt + ">")
	}
	switch {
	case p.at && prompt == p.prompt:
		common := 0
		for common < len(p.input) && common < len(f.input) && p.input[common] == f.input[common] {
			common++
		}
		b.WriteString(strings.Repeat("\b \b", len(p.input)-common) + f.input[common:])
	case fresh || prompt != p.prompt || f.input != "":
		if p.at {
			b.WriteString("\r\n")
		}
		if p.at = prompt != ""; p.at {
			b.WriteString(prompt + " " + f.input)
		}
	}
	p.prompt, p.input = prompt, f.input
}

// pageText is what has to change for a page to be printed anew.
func pageText(f *frame) string {
	var b strings.Builder
	for _, l := range append(append([]line(nil), f.head...), f.body...) {
		if l.quiet {
			b.WriteString("\n")
		} else {
			b.WriteString(l.text + "\n")
		}
	}
	return b.String() + strings.Join(f.hints, "\n")
}
