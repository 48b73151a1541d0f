package room

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/protocol"

	"github.com/pxecast/pxecast/bench/lab"
)

// own is an event of a receiver.
type own struct {
	Event string `json:"event"`
	State string `json:"state"`
	Error string `json:"error"`
	Kind  string `json:"kind"`
	Text  string `json:"text"`
	Lanes struct {
		Multicast, Peer, TFTP int
	} `json:"lanes"`
	Dropped []struct {
		Address string `json:"address"`
		Reason  string `json:"reason"`
	} `json:"peers_dropped"`
}

// fetched is how many blocks came by any lane.
func (e *own) fetched() int { return e.Lanes.Multicast + e.Lanes.Peer + e.Lanes.TFTP }

// end is the last of the events.
func (r *room) end(p *process) own {
	r.Helper()
	all := r.events(p)
	return all[len(all)-1]
}

// events parses what a receiver said, once it has ended.
func (r *room) events(p *process) (all []own) {
	r.Helper()
	<-p.done
	for line := range strings.Lines(p.stdout.String()) {
		var e own
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			r.Fatalf("%q: %v", line, err)
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		r.Fatalf("said nothing: %s", p.stderr.String())
	}
	return all
}

// noticed returns the first notice of a kind.
func noticed(all []own, kind string) string {
	for _, e := range all {
		if e.Event == "notice" && e.Kind == kind {
			return e.Text
		}
	}
	return ""
}

// Rules that make a machine deaf: to data, as behind a switch that thinks that
// nobody there wants it, and to all multicast.
const (
	noData      = "ip daddr 232.0.0.0/8 drop"
	noMulticast = "ip daddr 224.0.0.0/4 drop"
)

// rules loads nft rules that a host applies to what comes in.
func (r *room) rules(host int, rules ...string) {
	r.Helper()
	nft := r.lab.Host(host).Command(r.ctx, "nft", "-f", "-")
	nft.Stdin = strings.NewReader("table netdev deaf {\nchain in {\ntype filter hook ingress device \"eth0\" priority 0;\n" + strings.Join(rules, "\n") + "\n}\n}\n")
	if out, err := nft.CombinedOutput(); err != nil {
		r.Fatalf("nft: %v: %s", err, out)
	}
}

// counter returns what a host's interface has counted, such as tx_bytes.
func (r *room) counter(host int, name string) int64 {
	r.Helper()
	out, err := r.lab.Host(host).Command(r.ctx, "cat", "/sys/class/net/"+lab.Interface+"/statistics/"+name).Output()
	if err != nil {
		r.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		r.Fatal(err)
	}
	return n
}

// causeNamed is when a machine has said why no data comes, from when the first
// was sent.
const causeNamed = 5 * time.Second

// TestMulticastDroppedAtOneMachine: it says why, soon, and finishes from the others.
func TestMulticastDroppedAtOneMachine(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		name, rule := "data", noData
		if all {
			name, rule = "everything", noMulticast
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, 4)
			image := r.packed(64 << 20)
			r.rules(4, rule)
			s := r.send(image, "--min-receivers", "4", "--rate", "70M", "--linger", "100ms")
			var ps []*process
			for i := 1; i <= 4; i++ {
				args := []string{"--linger", "2s"}
				if i == 4 && all {
					args = append(args, "--server", r.lab.Host(0).Addr().String())
				}
				ps = append(ps, r.receive(i, args...))
			}
			r.sending(s)
			sent := time.Now()
			ps[3].says(`"kind":"deaf"`)
			named := time.Since(sent)
			r.allWell(image, s, ps)
			deaf := r.events(ps[3])
			end := deaf[len(deaf)-1]
			t.Logf("%.1f s, %+v; after %.1f s: %s", ps[3].took.Seconds(), end.Lanes, named.Seconds(), noticed(deaf, "deaf"))
			if named > causeNamed { // a wait of the program's own: no machine is too slow for it
				t.Errorf("it named the cause after %.1f s", named.Seconds())
			}
			if text := noticed(deaf, "deaf"); all && !strings.Contains(text, "firewall") || !all && !strings.Contains(text, "snooping") {
				t.Errorf("said %q", text)
			}
			if end.Lanes.Multicast > 0 || end.Lanes.Peer == 0 {
				t.Errorf("blocks by lane: %+v", end.Lanes)
			}
			for i, p := range ps[:3] {
				if e := r.events(p); noticed(e, "deaf") != "" || e[len(e)-1].Lanes.Peer > 0 {
					t.Errorf("receiver %d noticed it", i+1)
				}
			}
		})
	}
}

// TestMulticastDroppedEverywhere: HTTP or, where TCP from the sender is blocked,
// TFTP, and the peers carry most of it.
func TestMulticastDroppedEverywhere(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"HTTP", "TFTP"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			const machines = 8
			r := newRoom(t, machines)
			image := r.packed(64 << 20)
			server := r.lab.Host(0).Addr().String()
			rules := []string{noMulticast}
			if by == "TFTP" {
				rules = append(rules, "ip saddr "+server+" ip protocol tcp drop")
			}
			for i := 1; i <= machines; i++ {
				r.rules(i, rules...)
			}
			before := r.counter(0, "tx_bytes")
			s := r.send(image, "--min-receivers", "8", "--linger", "100ms", "--rate", "20M")
			ps := r.receiveAll(machines, "--server", server, "--linger", "2s")
			v := r.allWell(image, s, ps)
			for i, p := range ps {
				end := r.end(p)
				t.Logf("receiver %d: %.1f s, %+v", i+1, p.took.Seconds(), end.Lanes)
				if by == "TFTP" && end.Lanes.TFTP == 0 {
					t.Errorf("receiver %d: blocks by lane: %+v", i+1, end.Lanes)
				}
			}
			unicast := float64(r.counter(0, "tx_bytes")-before-v.SentBytes-70*v.SentPackets) / float64(v.PackedBytes)
			t.Logf("the sender uploaded %.2f × packed, and sent %.2f × into the void", unicast, float64(v.SentBytes)/float64(v.PackedBytes))
			if unicast > 2.5 {
				t.Errorf("the sender uploaded %.2f × packed", unicast)
			}
		})
	}
}

// TestSenderKilled at 30, 60 and 90 % of its work: the disks have all of the image
// between them, and finish it from one another.
func TestSenderKilled(t *testing.T) {
	t.Parallel()
	for _, percent := range []int{30, 60, 90} {
		t.Run(fmt.Sprintf("%d %%", percent), func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, 4)
			image := r.packed(64 << 20)
			for i := 1; i <= 4; i++ {
				r.part(image, r.disk(i), func(b int) bool { return b%4 == i-1 || b%4 == i%4 })
			}
			s := r.send(image, "--min-receivers", "4", "--rate", "80M") // seven seconds
			ps := r.receiveAll(4, "--linger", "3s")
			r.sending(s)
			<-time.After(time.Duration(percent) * 65 * time.Millisecond)
			s.cmd.Process.Kill()
			killed := time.Now()
			for i, p := range ps {
				if !r.well(image, i+1, p) {
					continue
				}
				all := r.events(p)
				end := all[len(all)-1]
				t.Logf("receiver %d: %.1f s after, %+v", i+1, p.begun.Add(p.took).Sub(killed).Seconds(), end.Lanes)
				if end.Lanes.Peer == 0 || noticed(all, "orphan") == "" {
					t.Errorf("receiver %d: blocks by lane: %+v", i+1, end.Lanes)
				}
			}
		})
	}
}

// TestSenderKilledAfterOneHadAll: a machine came late, and the sender is killed when
// the first has all of the image. It is the one that has the rest.
func TestSenderKilledAfterOneHadAll(t *testing.T) {
	t.Parallel()
	r := newRoom(t, 2)
	image := r.packed(64 << 20)
	s := r.send(image, "--rate", "80M") // seven seconds
	early := r.receive(1, "--linger", "10s")
	r.sending(s)
	<-time.After(3 * time.Second)
	late := r.receive(2)
	early.says(`"state":"done"`)
	s.cmd.Process.Kill()
	if !r.well(image, 1, early) || !r.well(image, 2, late) {
		return
	}
	end := r.end(late)
	t.Logf("the late one: %.1f s, %+v", late.took.Seconds(), end.Lanes)
	if end.Lanes.Multicast == 0 || end.Lanes.Peer == 0 || end.Lanes.TFTP > 0 {
		t.Errorf("the late one's blocks by lane: %+v", end.Lanes)
	}
}

// TestSenderKilledTooSoon: the disks do not have all of the image between them. No
// machine waits for long, and each says so.
func TestSenderKilledTooSoon(t *testing.T) {
	t.Parallel()
	r := newRoom(t, 3)
	image := r.packed(64 << 20)
	s := r.send(image, "--min-receivers", "3", "--rate", "100M") // five seconds and a half
	ps := r.receiveAll(3)
	r.sending(s)
	<-time.After(2 * time.Second)
	s.cmd.Process.Kill()
	killed := time.Now()
	for i, p := range ps {
		code, after := p.code(), p.begun.Add(p.took).Sub(killed)
		t.Logf("receiver %d: exit code %d %.1f s after: %s", i+1, code, after.Seconds(), p.stderr.String())
		if code != 1 || after > 30*time.Second {
			t.Errorf("receiver %d: exit code %d after %v", i+1, code, after)
		}
		if said := p.stderr.String(); !strings.Contains(said, "blocks") || !strings.Contains(said, "sender") {
			t.Errorf("receiver %d said %q", i+1, said)
		}
		r.bootless(image, r.disk(i+1))
	}
}

// TestSenderStartsAgain: it is killed, and started again while the machines wait.
// What all of them have is not sent again.
func TestSenderStartsAgain(t *testing.T) {
	t.Parallel()
	const machines, size = 3, 64 << 20
	r := newRoom(t, machines)
	image := r.packed(size)
	s := r.send(image, "--min-receivers", "3", "--rate", "100M")
	ps := r.receiveAll(machines, "--linger", "1s")
	r.sending(s)
	<-time.After(3 * time.Second)
	s.cmd.Process.Kill()
	<-time.After(time.Second)
	lacked := map[int]bool{} // by any of them
	for i := range machines {
		for _, block := range r.unwritten(image, r.disk(i+1)) {
			lacked[block] = true
		}
	}
	s = r.send(image, "--min-receivers", "3", "--linger", "100ms")
	v := r.allWell(image, s, ps)
	for i, p := range ps {
		if noticed(r.events(p), "restarted") == "" {
			t.Errorf("receiver %d did not notice", i+1)
		}
	}
	sent := float64(v.SentBytes-40*v.SentPackets) / protocol.BlockSize
	t.Logf("%d of %d blocks were lacking somewhere; the second sender sent %.1f", len(lacked), size/protocol.BlockSize, sent)
	if sent > 1.05*float64(len(lacked)) || len(lacked) > size/protocol.BlockSize*2/3 {
		t.Errorf("%d blocks were lacking, the second sender sent %.1f", len(lacked), sent)
	}
}
