package receiver

import (
	"testing"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// A sender that is fast, or waits for room, hears of it before the report's
// time; in a large room, or at once after the last report, it does not.
func TestPromptReport(t *testing.T) {
	const symbols = further/protocol.DefaultSymbolSize + 1
	for name, c := range map[string]struct {
		interval time.Duration
		since    time.Duration // the last report
		came     protocol.Seq  // datagrams since
		waiting  int           // bytes for the workers, of which the last report said backlog
		want     bool
	}{
		"nothing came":                    {interval: 20 * time.Millisecond, since: 15 * time.Millisecond, waiting: backlog},
		"much came and is done":           {interval: 20 * time.Millisecond, since: 15 * time.Millisecond, came: symbols, waiting: backlog, want: true},
		"a little came and is done":       {interval: 20 * time.Millisecond, since: 15 * time.Millisecond, came: symbols / 2, waiting: backlog},
		"nothing came, a quarter is done": {interval: 20 * time.Millisecond, since: 15 * time.Millisecond, waiting: backlog - further, want: true},
		"just reported":                   {interval: 20 * time.Millisecond, since: 2 * time.Millisecond, came: 9 * symbols, waiting: 0},
		"a large room":                    {interval: 100 * time.Millisecond, since: 90 * time.Millisecond, came: 9 * symbols, waiting: 0},
	} {
		a := &protocol.Announce{SymbolSize: protocol.DefaultSymbolSize, ManifestSize: 1000, RawSize: 1 << 30, IntervalMS: int(c.interval / time.Millisecond)}
		s := &session{collector: newCollector(a, defaultMemory), pipe: newPipeline(paper{}, 1), state: protocol.ReceiverReceiving, admitted: true, waiting: c.waiting}
		s.heard.Announce = *a
		now := time.Now()
		s.told.at, s.told.asOf, s.told.room = now.Add(-c.since), 1000, 0
		s.collector.asOf = 1000 + c.came
		if got := s.prompt(now); got != c.want {
			t.Errorf("%s: reports %v, want %v", name, got, c.want)
		}
		s.ending = true
		if s.prompt(now) {
			t.Errorf("%s: reports early though nothing is lacking", name)
		}
	}
}
