package machines

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Serial is a machine's serial line: everything that came, without colours and
// cursor movements, and how far a reader has got in it.
type Serial struct {
	in   io.Writer // what is typed
	log  io.Writer // what came, as it came
	born time.Time

	mu      sync.Mutex
	strip   stripper
	text    []byte
	read    int // of text, by WaitFor
	ended   bool
	changed chan struct{} // closed when there is more, or the end
}

func newSerial(in, log io.Writer) *Serial {
	return &Serial{in: in, log: log, born: time.Now(), changed: make(chan struct{})}
}

// follow reads what comes until its end.
func (s *Serial) follow(out io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := out.Read(buf)
		_, _ = s.log.Write(buf[:n])
		s.mu.Lock()
		s.text = s.strip.append(s.text, buf[:n])
		s.ended = err != nil
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// WaitFor waits until something matches the regular expression in what came
// since the last match, and returns it. Its error has the last lines that came.
func (s *Serial) WaitFor(ctx context.Context, pattern string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	for {
		s.mu.Lock()
		at := re.FindIndex(s.text[s.read:])
		if at != nil {
			found := string(s.text[s.read+at[0] : s.read+at[1]])
			s.read += at[1]
			s.mu.Unlock()
			return found, nil
		}
		ended, changed := s.ended, s.changed
		s.mu.Unlock()
		if ended {
			return "", fmt.Errorf("waiting for %q: %w; its last lines:\n%s", pattern, ErrEnded, s.Tail(60))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for %q: %w; the last lines:\n%s", pattern, context.Cause(ctx), s.Tail(60))
		}
	}
}

// Type sends keys as a terminal does.
func (s *Serial) Type(keys string) error {
	_, err := io.WriteString(s.in, keys)
	return err
}

// Text returns all that came.
func (s *Serial) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

// Tail returns the last lines that came and are not empty.
func (s *Serial) Tail(n int) string {
	var lines []string
	for line := range strings.Lines(s.Text()) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// stripper takes out the escape sequences of ECMA-48 and carriage returns,
// wherever a read may have cut them.
type stripper struct {
	state int // of a sequence
}

const (
	plain   = iota
	escaped // after ESC
	control // after ESC [, until a byte from @ to ~
	command // after ESC ], until BEL or ESC
)

func (s *stripper) append(text, more []byte) []byte {
	for _, c := range more {
		switch {
		case c == 0x1b:
			s.state = escaped
		case s.state == escaped && c == '[':
			s.state = control
		case s.state == escaped && c == ']':
			s.state = command
		case s.state == escaped:
			s.state = plain
		case s.state == control:
			if c >= '@' && c <= '~' {
				s.state = plain
			}
		case s.state == command:
			if c == 0x07 {
				s.state = plain
			}
		case c != '\r':
			text = append(text, c)
		}
	}
	return text
}

// tail keeps the last of what a program says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
