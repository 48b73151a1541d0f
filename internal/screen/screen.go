// Package screen shows progress: on a terminal as a block of lines that is
// redrawn in place, elsewhere as a plain line now and then. It writes to one
// stream and never reads from it.
package screen

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// plainEach is the time between plain lines of one state.
const plainEach = 5 * time.Second

// A Screen shows progress on one stream. It is safe for concurrent use.
type Screen struct {
	mu     sync.Mutex
	w      io.Writer
	live   bool
	colour bool
	size   func() (width, height int)
	now    func() time.Time

	drawn  int       // lines of the block that are on the terminal
	state  string    // of the last plain line
	shown  time.Time // when the last plain line was written
	buffer bytes.Buffer
}

// New returns a Screen on f, live if that is a terminal that can move its
// cursor. Colours are used there unless NO_COLOR is set (no-color.org).
func New(f *os.File) *Screen {
	s := &Screen{w: f, now: time.Now}
	s.live = term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
	s.colour = s.live && os.Getenv("NO_COLOR") == ""
	s.size = func() (int, int) {
		// A serial console says 0 × 0.
		ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
		if err != nil || ws.Col == 0 || ws.Row == 0 {
			return 80, 24
		}
		return int(ws.Col), int(ws.Row)
	}
	return s
}

// Live reports whether the screen is a terminal.
func (s *Screen) Live() bool { return s.live }

// Update shows how far something is. On a terminal it draws the lines that
// block returns for at most that many columns and lines; elsewhere it writes
// plain when state is another than before or some seconds have passed.
func (s *Screen) Update(state, plain string, block func(width, height int) []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live {
		width, height := s.size()
		// The last column and line are left free: writing there may scroll.
		s.draw(block(width-1, height-1), width-1, height-1)
		return
	}
	if now := s.now(); state != s.state || now.Sub(s.shown) >= plainEach {
		s.state, s.shown = state, now
		fmt.Fprintln(s.w, Safe(plain))
	}
}

// Say writes a line that stays, above the block if there is one.
func (s *Screen) Say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffer.Reset()
	s.erase()
	fmt.Fprintf(&s.buffer, format+"\n", args...)
	s.w.Write(s.buffer.Bytes())
}

// Clear removes the block.
func (s *Screen) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffer.Reset()
	s.erase()
	s.w.Write(s.buffer.Bytes())
	s.state, s.shown = "", time.Time{}
}

// erase moves to the block's first line and removes everything from there.
func (s *Screen) erase() {
	if s.drawn > 0 {
		fmt.Fprintf(&s.buffer, "\x1b[%dA\r\x1b[J", s.drawn)
		s.drawn = 0
	}
}

// draw replaces the block in a single write, line by line, so that nothing
// flickers.
func (s *Screen) draw(lines []string, width, height int) {
	lines = lines[:min(len(lines), height)]
	s.buffer.Reset()
	if s.drawn > 0 {
		fmt.Fprintf(&s.buffer, "\x1b[%dA\r", s.drawn)
	}
	for _, l := range lines {
		s.buffer.WriteString(Cut(l, width))
		s.buffer.WriteString("\x1b[K\n")
	}
	if len(lines) < s.drawn {
		s.buffer.WriteString("\x1b[J")
	}
	s.drawn = len(lines)
	s.w.Write(s.buffer.Bytes())
}

// A Colour is a foreground colour of terminals (ECMA-48 SGR).
type Colour int

// The colours that are used, each for one purpose.
const (
	Red    Colour = 31 // failed
	Green  Colour = 32 // done
	Yellow Colour = 33 // in trouble
	Dim    Colour = 2  // of little weight
)

// Paint returns text in a colour, or as it is where there are no colours.
func (s *Screen) Paint(c Colour, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, text)
}

// Safe returns text that came from elsewhere on one line and without anything
// that a terminal might obey.
func Safe(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, text)
}
