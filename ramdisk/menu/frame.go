package menu

import (
	"strings"

	"github.com/pxecast/pxecast/internal/screen"
)

// The smallest screen that there is: 80×25, of which the last column and line
// are left free, for writing there may scroll.
const (
	columns = 79
	rows    = 24
)

// style is what a line is, for consoles that have colours.
type style int

const (
	plain style = iota
	title
	faint
	chosen // what Enter alone takes
	good
	bad
	trouble
)

// line is a line of a frame.
type line struct {
	text  string
	style style
	quiet bool // changes by itself and is not worth printing anew where lines stay
}

// frame is what all consoles show at a moment. Where lines stay it is printed
// when it is another one than before.
type frame struct {
	head   []line
	body   []line
	live   []line // what changes all the time: progress, countdowns; one line of it is in brief
	brief  string // live on one line
	phase  string // a new one is worth a new brief at once
	hints  []string
	said   string // answer to what was typed last
	prompt string // question before the input; "" nothing is asked
	input  string
}

// lines returns the frame as rows or fewer lines of at most columns columns.
func (f *frame) lines() []line {
	var all []line
	all = append(all, f.head...)
	all = append(all, line{text: strings.Repeat("-", columns), style: faint})
	body := append([]line(nil), f.body...)
	if len(f.live) > 0 {
		body = append(append(body, line{}), f.live...)
	}
	foot := f.foot()
	if room := rows - len(all) - len(foot); len(body) > room {
		body = body[:room]
	} else {
		for len(body) < room {
			body = append(body, line{})
		}
	}
	all = append(append(all, body...), foot...)
	for i := range all {
		all[i].text = tidy(all[i].text)
	}
	return all
}

// foot is the hints and the question, at the bottom of a screen.
func (f *frame) foot() []line {
	foot := []line{{text: strings.Repeat("-", columns), style: faint}}
	for _, h := range f.hintLines() {
		foot = append(foot, line{text: h, style: faint})
	}
	if f.said != "" {
		foot = append(foot, line{text: " " + f.said, style: trouble})
	}
	if f.prompt != "" {
		foot = append(foot, line{text: f.question()})
	}
	return foot
}

func (f *frame) question() string { return " " + f.prompt + "> " + f.input }

// hintLines sets the hints side by side, as many as fit a line.
func (f *frame) hintLines() []string {
	var all []string
	text := ""
	for _, h := range f.hints {
		if text != "" && screen.Width(text)+3+screen.Width(h) > columns {
			all, text = append(all, text), ""
		}
		if text == "" {
			text = " " + h
		} else {
			text += "   " + h
		}
	}
	if text != "" {
		all = append(all, text)
	}
	return all
}

// ours are characters that we write and that a console's font may lack.
var ours = strings.NewReplacer("…", "~", "–", "-", "→", "->", "‘", "'", "’", "'", "\u00a0", " ")

// tidy cuts a text to the screen's width and keeps from it what a console might
// obey or not know.
func tidy(s string) string {
	return ours.Replace(screen.Cut(ours.Replace(screen.Safe(s)), columns))
}

// fold breaks text into lines of at most width columns, at blanks where it can.
func fold(text string, width int) (all []string) {
	text = strings.TrimSpace(screen.Safe(text))
	for screen.Width(text) > width {
		at := 0
		n := 0
		for i, r := range text {
			n += screen.Width(string(r))
			if n > width+1 || n > width && r != ' ' {
				if at == 0 {
					at = i
				}
				break
			}
			if r == ' ' && i > 0 {
				at = i
			}
		}
		if at == 0 {
			break
		}
		all = append(all, strings.TrimRight(text[:at], " "))
		text = strings.TrimLeft(text[at:], " ")
	}
	return append(all, text)
}

// joined keeps a number and its unit on one line.
func joined(s string) string { return strings.ReplaceAll(s, " ", "\u00a0") }

// paragraph is text in folded lines.
func paragraph(text string, s style) (all []line) {
	for _, l := range fold(text, columns-4) {
		all = append(all, line{text: "  " + l, style: s})
	}
	return all
}
