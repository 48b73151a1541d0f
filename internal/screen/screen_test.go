package screen

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func lines(l ...string) func(int, int) []string { return func(int, int) []string { return l } }

func TestLiveBlockIsRedrawnInPlace(t *testing.T) {
	var out bytes.Buffer
	s := &Screen{w: &out, live: true, now: time.Now, size: func() (int, int) { return 11, 4 }}
	s.Update("", "", lines("first", "second"))
	if got := out.String(); got != "first\x1b[K\nsecond\x1b[K\n" {
		t.Errorf("first block: %q", got)
	}
	out.Reset()
	s.Update("", "", lines("only one now"))
	if got := out.String(); got != "\x1b[2A\ronly one …\x1b[K\n\x1b[J" {
		t.Errorf("second block: %q", got)
	}
	out.Reset()
	s.Update("", "", lines("1", "2", "3", "4", "5"))
	if got := strings.Count(out.String(), "\n"); got != 3 {
		t.Errorf("a block on a terminal of 4 lines has %d lines; want 3", got)
	}
	out.Reset()
	s.Say("it %s", "stays")
	if got := out.String(); got != "\x1b[3A\r\x1b[Jit stays\n" {
		t.Errorf("a line that stays: %q", got)
	}
}

func TestPlainLinesAreFew(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	s := &Screen{w: &out, now: func() time.Time { return now }}
	for i := range 41 {
		now = time.Unix(0, 0).Add(time.Duration(i) * 250 * time.Millisecond)
		state := "a"
		if i > 10 {
			state = "b"
		}
		s.Update(state, state+"\x1b[2J", nil)
	}
	if got, want := out.String(), "a [2J\nb [2J\nb [2J\n"; got != want {
		t.Errorf("plain lines in 10 s:\n%s\nwant:\n%s", got, want)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 3, "äö…"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"},
		{"\x1b[31mabcd\x1b[0m", 3, "\x1b[31mab…\x1b[0m"}, {"\x1b[31mab\x1b[0mcdef", 4, "\x1b[31mab\x1b[0mc…"}, {"abc", 0, ""},
	} {
		got := Cut(c.in, c.width)
		if got != c.want || Width(got) > c.width {
			t.Errorf("Cut(%q, %d) = %q; want %q", c.in, c.width, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	table := Table{
		Columns: []Column{{Name: "machine"}, {Name: "MB/s", Right: true}, {Name: "lost", Right: true}, {Name: "reason"}},
		Rows: [][]string{
			{"pc-01", "112.5", "", ""},
			{"\x1b[31mpc-日本\x1b[0m", "9.0", "", "fell silent"},
		},
	}
	want := "machine   MB/s  reason\n" +
		"pc-01    112.5\n" +
		"\x1b[31mpc-日本\x1b[0m    9.0  fell silent"
	if got := strings.Join(table.Lines(), "\n"); got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
}

func TestUnits(t *testing.T) {
	for _, c := range [][2]string{
		{Bytes(0), "0 B"}, {Bytes(999), "999 B"}, {Bytes(1000), "1.0 kB"}, {Bytes(999_960), "1.0 MB"}, {Bytes(int64(12e9)), "12.0 GB"},
		{Rate(0), "–"}, {Rate(1.25e6), "1.2 MB/s"}, {Rate(118.4e6), "118 MB/s"},
		{Duration(8 * time.Second), "8 s"}, {Duration(65 * time.Second), "1:05"}, {Duration(2 * time.Hour), "2:00:00"},
		{Percent(999, 1000), "99 %"}, {Percent(1000, 1000), "100 %"}, {Percent(1, 0), "–"},
		{Remaining(100, 10), "11 s"}, {Remaining(100, 0), "–"}, {Remaining(0, 10), ""},
		{Bar(1, 2, 6), "[##--]"}, {Bar(0, 0, 6), "[----]"}, {Bar(2, 1, 6), "[####]"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}

func TestMeter(t *testing.T) {
	var m Meter
	now := time.Unix(100, 0)
	for i := range 40 {
		rate := m.Add(now, float64(i*50))
		if i > 0 && rate != 100 {
			t.Fatalf("rate of 50 each half second: %v", rate)
		}
		now = now.Add(500 * time.Millisecond)
	}
	if rate := m.Add(now, 7); rate != 0 {
		t.Errorf("rate after the count began again: %v; want 0", rate)
	}
}
