package sender

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

var update = flag.Bool("update", false, "write what the scheduler does into testdata")

// TestScheduler plays the stories of testdata. A line is a command, and the
// indented lines under it are what the scheduler answers:
//
//	image 10 z 3           an image of a block of 10 symbols, a zero block and one of 3
//	join a [run=2] [from=10.0.0.9]
//	crowd 100              so many others join
//	report a manifest|image DEFICIT… [as-of=N] [state=done] [received=N lost=N]
//	                       a DEFICIT is FIRST-LAST:NEED or FIRST:NEED, NEED a number or "all"
//	wait 2s
//	send 100               at most so many symbols
func TestScheduler(t *testing.T) {
	stories, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(stories) == 0 {
		t.Fatal("no stories", err)
	}
	for _, path := range stories {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := string(b)
			got := (&story{T: t, now: time.Unix(1000, 0), serial: map[protocol.Number]uint32{}}).play(want)
			if *update {
				os.WriteFile(path, []byte(got), 0o644)
			} else if got != want {
				t.Errorf("the scheduler tells another story:\n%s", got)
			}
		})
	}
}

type story struct {
	*testing.T
	s      *scheduler
	now    time.Time
	serial map[protocol.Number]uint32
}

func (p *story) play(script string) string {
	var out strings.Builder
	for line := range strings.Lines(script) {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		out.WriteString(line)
		if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
			for _, l := range p.command(words[0], words[1:]) {
				out.WriteString("  " + l + "\n")
			}
		}
	}
	return out.String()
}

func (p *story) command(name string, args []string) []string {
	switch name {
	case "image":
		var frames []int
		for _, a := range args {
			frames = append(frames, protocol.DefaultSymbolSize*p.number(strings.Replace(a, "z", "0", 1)))
		}
		p.s = newScheduler(imagetest.Manifest(p.T, frames...), protocol.DefaultSymbolSize, 0)
	case "join":
		return p.join(args)
	case "crowd":
		for i := range p.number(args[0]) {
			p.s.admit(p.now, &protocol.Join{Receiver: protocol.ReceiverID(1000 + i)}, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 9))
		}
	case "report":
		return p.report(args)
	case "wait":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			p.Fatal(err)
		}
		p.now = p.now.Add(d)
		p.s.tick(p.now)
	case "send":
		return p.send(p.number(args[0]))
	default:
		p.Fatalf("unknown command %q", name)
	}
	return nil
}

func (p *story) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		p.Fatal(err)
	}
	return n
}

func (p *story) join(args []string) []string {
	j := protocol.Join{Receiver: protocol.ReceiverID(args[0][0]), Run: 1, Name: args[0]}
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, args[0][0]}), 9)
	for _, a := range args[1:] {
		switch k, v, _ := strings.Cut(a, "="); k {
		case "run":
			j.Run = uint64(p.number(v))
		case "from":
			from = netip.AddrPortFrom(netip.MustParseAddr(v), 9)
		}
	}
	before := len(p.s.members)
	m, _ := p.s.admit(p.now, &j, from)
	switch {
	case m == nil:
		return []string{"full"}
	case m.report.Serial == 0:
		p.serial[m.number] = 0
	}
	if len(p.s.members) == before {
		return []string{fmt.Sprintf("its former place, %d", m.number)}
	}
	return []string{fmt.Sprintf("place %d", m.number)}
}

func (p *story) report(args []string) []string {
	p.now = p.now.Add(minInterval)
	m := p.member(args[0])
	p.serial[m.number]++
	r := protocol.Report{
		Number: m.number, Serial: p.serial[m.number], State: protocol.ReceiverReceiving, AsOf: p.s.last,
		Room: 64 << 10, Buffer: 64 << 10, To: protocol.MaxSBN, Counters: m.report.Counters,
	}
	if args[1] == "image" {
		r.Object = protocol.ObjectImage
	} else {
		r.State = protocol.ReceiverJoined
	}
	for _, a := range args[2:] {
		if k, v, ok := strings.Cut(a, "="); ok {
			p.set(&r, k, v)
		} else {
			r.Deficits = append(r.Deficits, p.deficit(a))
		}
	}
	if !p.s.report(p.now, &r) {
		return []string{"ignored"}
	}
	return nil
}

func (p *story) member(name string) *member {
	for _, m := range p.s.members {
		if m.name == name {
			return m
		}
	}
	p.Fatalf("nobody is called %s", name)
	return nil
}

func (p *story) set(r *protocol.Report, field, value string) {
	switch field {
	case "as-of":
		r.AsOf = protocol.Seq(p.number(value))
	case "serial":
		r.Serial = uint32(p.number(value))
	case "received":
		r.Counters.Received = uint64(p.number(value))
	case "lost":
		r.Counters.Lost = uint64(p.number(value))
	case "room":
		r.Room = uint32(p.number(value))
	case "state":
		for s := range protocol.ReceiverGone {
			if s.String() == value {
				r.State = s
			}
		}
	default:
		p.Fatalf("unknown field %q", field)
	}
}

func (p *story) deficit(s string) protocol.Deficit {
	blocks, need, _ := strings.Cut(s, ":")
	first, last, ok := strings.Cut(blocks, "-")
	if !ok {
		last = first
	}
	d := protocol.Deficit{First: protocol.SBN(p.number(first)), Count: uint32(p.number(last) - p.number(first) + 1)}
	if need != "all" {
		d.Need = uint16(p.number(need))
	}
	return d
}

// send asks the scheduler for symbols and tells, block by block in the order
// they came up, which ESIs they are.
func (p *story) send(most int) []string {
	var order []string
	esis := map[string][]int{}
	for most > 0 {
		runs := p.s.fill(p.now, nil, min(most, 180))
		if len(runs) == 0 {
			break
		}
		for _, r := range runs {
			j := &p.s.jobs[r.slot]
			name := fmt.Sprintf("image %d", j.object.sbn(j.block))
			if j.object.id == protocol.ObjectManifest {
				name = fmt.Sprintf("manifest %d", j.block)
			}
			if esis[name] == nil {
				order = append(order, name)
			}
			for e := range r.count {
				esis[name] = append(esis[name], (r.esi+e)%j.layout.N())
			}
			most -= r.count
		}
	}
	var out []string
	for _, name := range order {
		out = append(out, name+": "+ranges(esis[name]))
	}
	if len(out) == 0 {
		return []string{"nothing"}
	}
	return append(out, fmt.Sprintf("up to %d", p.s.last))
}

// ranges writes 0 1 2 7 as 0-2 7.
func ranges(v []int) string {
	var out []string
	for i := 0; i < len(v); {
		n := i
		for n+1 < len(v) && v[n+1] == v[n]+1 {
			n++
		}
		if n == i {
			out = append(out, strconv.Itoa(v[i]))
		} else {
			out = append(out, fmt.Sprintf("%d-%d", v[i], v[n]))
		}
		i = n + 1
	}
	return strings.Join(out, " ")
}
