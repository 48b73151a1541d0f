package serve

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
)

func TestQuota(t *testing.T) {
	var q quota
	took := func(now time.Time, who string, times int) (n int) {
		for range times {
			if q.takes(now, who) {
				n++
			}
		}
		return n
	}
	if n := took(noon, "pc-1", 1000); n != quotaEach {
		t.Errorf("%d lines of one machine", n)
	}
	if n := took(noon, "pc-2", 10); n != 10 {
		t.Errorf("a machine beside a loud one: %d of 10 lines", n)
	}
	for i := range 10000 {
		took(noon, fmt.Sprint(i), 1)
	}
	if q.all != quotaAll || len(q.each) > quotaAll {
		t.Errorf("%d lines, %d machines remembered", q.all, len(q.each))
	}
	if n := took(noon.Add(quotaTime), "pc-1", 1); n != 1 {
		t.Error("it may not speak again")
	}
}

// One that says too much is told to wait, which machines of ours do: a refusal for
// good would lose what they have to say.
func TestFloodOfEvents(t *testing.T) {
	c := newCounter(t)
	c.ask(t, "POST", catalog.EventsPath, `{"kind":"script","output":"`+strings.Repeat(`\n`, 2000)+`"}`)
	if n := strings.Count(c.heard[0].Output, "\n"); n > catalog.MaxLines {
		t.Errorf("a script of which %d lines are printed", n)
	}
	last := 0
	for range quotaEach + 1 {
		last, _ = c.ask(t, "POST", catalog.EventsPath, `{"kind":"arrived"}`)
	}
	if last != http.StatusServiceUnavailable || len(c.heard) != quotaEach {
		t.Errorf("after %d events: status %d", len(c.heard), last)
	}
}
