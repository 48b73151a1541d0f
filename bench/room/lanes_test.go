package room

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// own is an event of a receiver.
type own struct {
	Event string  `json:"event"`
	State string  `json:"state"`
	Error string  `json:"error"`
	Kind  string  `json:"kind"`
	Text  string  `json:"text"`
	Took  float64 `json:"seconds"`
	Lanes struct {
		Multicast, Peer, TFTP int
	} `json:"lanes"`
	Dropped []struct {
		Address string `json:"address"`
		Reason  string `json:"reason"`
	} `json:"peers_dropped"`
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

// rules loads nft rules that a host applies to what comes in.
func (r *room) rules(host int, name string, rules ...string) {
	r.Helper()
	nft := r.lab.Host(host).Command(r.ctx, "nft", "-f", "-")
	nft.Stdin = strings.NewReader("table netdev " + name + " {\nchain in {\ntype filter hook ingress device \"eth0\" priority 0;\n" + strings.Join(rules, "\n") + "\n}\n}\n")
	if out, err := nft.CombinedOutput(); err != nil {
		r.Fatalf("nft: %v: %s", err, out)
	}
}

// sentBytes returns what a host's interface has sent.
func (r *room) sentBytes(host int) int64 {
	r.Helper()
	out, err := r.lab.Host(host).Command(r.ctx, "cat", "/sys/class/net/eth0/statistics/tx_bytes").Output()
	if err != nil {
		r.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		r.Fatal(err)
	}
	return n
}

// part writes some of the image's blocks to a receiver's disk.
func (r *room) part(image, disk string, which func(block int) bool) {
	r.Helper()
	from, err := os.Open(image)
	if err != nil {
		r.Fatal(err)
	}
	defer from.Close()
	to, err := os.Create(disk)
	if err != nil {
		r.Fatal(err)
	}
	defer to.Close()
	size := length(from)
	if err := to.Truncate(size); err != nil {
		r.Fatal(err)
	}
	for b := 0; int64(b)*protocol.BlockSize < size; b++ {
		if off := int64(b) * protocol.BlockSize; which(b) {
			if _, err := io.Copy(io.NewOffsetWriter(to, off), io.NewSectionReader(from, off, protocol.BlockSize)); err != nil {
				r.Fatal(err)
			}
		}
	}
}

// pack fills the cache, so that sending starts at once.
func (r *room) pack(image string) {
	r.Helper()
	if p := r.start(0, "pack", image); p.code() != 0 {
		r.Fatal(p.stderr.String())
	}
}

// TestMulticastDroppedAtOneMachine: it says why and finishes from the others.
func TestMulticastDroppedAtOneMachine(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		name, group := "data", "232.0.0.0/8"
		if all {
			name, group = "everything", "224.0.0.0/4"
		}
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, 4)
			image := r.noise("noise.img", 64<<20)
			r.pack(image)
			r.rules(4, "deaf", "ip daddr "+group+" drop")
			s := r.send(image, "--min-receivers", "4", "--rate", "70M", "--linger", "100ms")
			var ps []*process
			for i := 1; i <= 4; i++ {
				args := []string{"--linger", "2s"}
				if i == 4 && all {
					args = append(args, "--server", r.lab.Host(0).Addr().String())
				}
				ps = append(ps, r.receive(i, args...))
			}
			for i, p := range ps {
				if p.code() != 0 {
					t.Errorf("receiver %d: %s", i+1, p.stderr.String())
					continue
				}
				r.same(image, r.disk(i+1))
			}
			if s.code() != 0 {
				t.Errorf("sender: %s", s.stderr.String())
			}
			deaf := r.events(ps[3])
			end := deaf[len(deaf)-1]
			t.Logf("%.1f s, %+v; %s", ps[3].took.Seconds(), end.Lanes, noticed(deaf, "deaf"))
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
			const machines = 8
			r := newRoom(t, machines)
			image := r.noise("noise.img", 64<<20)
			r.pack(image)
			server := r.lab.Host(0).Addr().String()
			rules := []string{"ip daddr 224.0.0.0/4 drop"}
			if by == "TFTP" {
				rules = append(rules, "ip saddr "+server+" ip protocol tcp drop")
			}
			for i := 1; i <= machines; i++ {
				r.rules(i, "deaf", rules...)
			}
			before := r.sentBytes(0)
			s := r.send(image, "--min-receivers", "8", "--linger", "100ms", "--rate", "20M")
			var ps []*process
			for i := 1; i <= machines; i++ {
				ps = append(ps, r.receive(i, "--server", server, "--linger", "2s"))
			}
			for i, p := range ps {
				if p.code() != 0 {
					t.Errorf("receiver %d: %s", i+1, p.stderr.String())
					continue
				}
				r.same(image, r.disk(i+1))
				all := r.events(p)
				end := all[len(all)-1]
				t.Logf("receiver %d: %.1f s, %+v", i+1, p.took.Seconds(), end.Lanes)
				if by == "TFTP" && end.Lanes.TFTP == 0 {
					t.Errorf("receiver %d: blocks by lane: %+v", i+1, end.Lanes)
				}
			}
			if s.code() != 0 {
				t.Errorf("sender: %s", s.stderr.String())
			}
			v := r.last(s)
			unicast := float64(r.sentBytes(0)-before-v.SentBytes-70*v.SentPackets) / float64(v.PackedBytes)
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
			image := r.noise("noise.img", 64<<20)
			r.pack(image)
			for i := 1; i <= 4; i++ {
				r.part(image, r.disk(i), func(b int) bool { return b%4 == i-1 || b%4 == i%4 })
			}
			s := r.send(image, "--min-receivers", "4", "--rate", "80M") // seven seconds
			var ps []*process
			for i := 1; i <= 4; i++ {
				ps = append(ps, r.receive(i, "--linger", "3s"))
			}
			<-time.After(time.Second + time.Duration(percent)*65*time.Millisecond)
			s.cmd.Process.Kill()
			killed := time.Now()
			for i, p := range ps {
				if p.code() != 0 {
					t.Errorf("receiver %d: %s", i+1, p.stderr.String())
					continue
				}
				r.same(image, r.disk(i+1))
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

// TestSenderStartsAgain: it is killed, and started again while the machines wait.
func TestSenderStartsAgain(t *testing.T) {
	t.Parallel()
	r := newRoom(t, 3)
	image := r.noise("noise.img", 64<<20)
	r.pack(image)
	s := r.send(image, "--min-receivers", "3", "--rate", "100M")
	var ps []*process
	for i := 1; i <= 3; i++ {
		ps = append(ps, r.receive(i, "--linger", "1s"))
	}
	<-time.After(4 * time.Second)
	s.cmd.Process.Kill()
	<-time.After(time.Second)
	s = r.send(image, "--min-receivers", "3", "--linger", "100ms")
	for i, p := range ps {
		if p.code() != 0 {
			t.Errorf("receiver %d: %s", i+1, p.stderr.String())
			continue
		}
		r.same(image, r.disk(i+1))
		if noticed(r.events(p), "restarted") == "" {
			t.Errorf("receiver %d did not notice", i+1)
		}
	}
	if s.code() != 0 {
		t.Errorf("sender: %s", s.stderr.String())
	}
	v := r.last(s)
	part := float64(v.SentBytes) / float64(v.PackedBytes)
	t.Logf("the second sender sent %.2f × packed", part)
	if part > 0.8 {
		t.Errorf("the second sender sent %.2f × packed", part)
	}
}
