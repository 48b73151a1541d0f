package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/sender"
)

// What people should know is shown once, to them and to scripts, without what a
// terminal would obey.
func TestSendersNoticesAreShown(t *testing.T) {
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	people, scripts := open("terminal"), open("json")
	v := newSendView(screen.New(people), newEvents(true, scripts))
	st := room(time.Second)
	v.show(st)
	st.Notices = []sender.Notice{{Kind: "serve", Text: "nobody can fetch: no ports left\x1b[2J"}}
	v.show(st)
	v.show(st)
	for f, want := range map[*os.File]string{
		people:  "pxecast: nobody can fetch: no ports left",
		scripts: `{"event":"notice","kind":"serve","text":"nobody can fetch: no ports left`,
	} {
		b, err := os.ReadFile(f.Name())
		if got := string(b); err != nil || strings.Count(got, want) != 1 || strings.Contains(got, "\x1b") {
			t.Errorf("%s: %q, %v; want once %q", filepath.Base(f.Name()), got, err, want)
		}
	}
}
