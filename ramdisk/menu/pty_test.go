package menu

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with somebody before it.
type terminal struct {
	t      *testing.T
	path   string
	master *os.File
	mu     sync.Mutex
	news   *sync.Cond
	all    string // everything that came
	cells  [25][]rune
	row    int
	col    int
}

// newTerminal opens one; reads says whether somebody looks at it.
func newTerminal(t *testing.T, reads bool) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	conn.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, path: "/dev/pts/" + strconv.Itoa(n), master: master}
	x.news = sync.NewCond(&x.mu)
	slave, err := os.OpenFile(x.path, os.O_RDWR|unix.O_NOCTTY, 0) // keeps it there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close(); master.Close() })
	if reads {
		go x.read()
	}
	return x
}

func (x *terminal) read() {
	b := make([]byte, 4096)
	for {
		n, err := x.master.Read(b)
		x.mu.Lock()
		x.all += string(b[:n])
		x.draw(string(b[:n]))
		x.news.Broadcast()
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// draw obeys what a VT obeys and the menu uses. Sequences come whole: the menu
// writes each frame at once.
func (x *terminal) draw(s string) {
	for i := 0; i < len(s); {
		if strings.HasPrefix(s[i:], "\x1b[") {
			end := i + 2
			for end < len(s) && (s[end] < 0x40 || s[end] > 0x7e) {
				end++
			}
			if end < len(s) {
				x.obey(s[i+2:end], s[end])
			}
			i = end + 1
			continue
		}
		switch r := rune(s[i]); {
		case r == '\r':
			x.col = 0
		case r == '\n':
			x.row = min(x.row+1, 24)
		case r == '\b':
			x.col = max(0, x.col-1)
		default:
			line := &x.cells[x.row]
			for len(*line) <= x.col {
				*line = append(*line, ' ')
			}
			(*line)[x.col] = r
			x.col++
		}
		i++
	}
}

func (x *terminal) obey(args string, verb byte) {
	switch verb {
	case 'H':
		fmt.Sscanf(args, "%d;%d", &x.row, &x.col)
		x.row, x.col = x.row-1, x.col-1
	case 'K':
		x.cells[x.row] = x.cells[x.row][:min(len(x.cells[x.row]), x.col)]
	case 'J':
		from := x.row
		if args == "2" {
			from = 0
		}
		for i := from; i < len(x.cells); i++ {
			x.cells[i] = nil
		}
	}
}

// screen is what a VT shows now.
func (x *terminal) screen() string {
	var b strings.Builder
	for _, l := range x.cells {
		b.WriteString(strings.TrimRight(string(l), " ") + "\n")
	}
	return b.String()
}

func (x *terminal) types(s string) {
	if _, err := x.master.WriteString(s); err != nil {
		x.t.Fatal(err)
	}
}

// shows waits until the screen has all these words.
func (x *terminal) shows(words ...string) {
	x.t.Helper()
	x.until(x.screen, words...)
}

// said waits until all these words came after what was waited for before, as on
// a serial line.
func (x *terminal) said(words ...string) {
	x.t.Helper()
	x.until(func() string { return x.all }, words...)
	x.mu.Lock()
	x.all = ""
	x.mu.Unlock()
}

func (x *terminal) until(what func() string, words ...string) {
	x.t.Helper()
	late := false
	timer := time.AfterFunc(40*time.Second, func() { x.mu.Lock(); late = true; x.news.Broadcast(); x.mu.Unlock() })
	defer timer.Stop()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, w := range words {
		for !strings.Contains(what(), w) {
			if late {
				x.t.Fatalf("no %q on %s, which has:\n%s", w, x.path, what())
			}
			x.news.Wait()
		}
	}
}
