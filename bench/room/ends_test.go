package room

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bootless checks that block 0 of an unfinished disk is not the image's.
func (r *room) bootless(image, disk string) {
	r.Helper()
	want, err := os.ReadFile(image)
	if err != nil {
		r.Fatal(err)
	}
	f, err := os.Open(disk)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, 512)
	n, _ := f.Read(got)
	if n > 0 && bytes.Equal(got[:n], want[:n]) {
		r.Errorf("%s is unfinished and holds the image's block 0", disk)
	}
}

// TestInterrupted ends one side at many moments, politely and not. The other
// side ends within half a minute and says why.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"sender", "receiver"} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
			for moment := range 4 {
				after := time.Duration(moment) * 700 * time.Millisecond
				t.Run(fmt.Sprintf("%s %v after %v", side, sig, after), func(t *testing.T) {
					t.Parallel()
					r := newRoom(t, 2)
					image := r.packed(48 << 20)
					r.interrupted(image, side, sig, after)
				})
			}
		}
	}
}

func (r *room) interrupted(image, side string, sig syscall.Signal, after time.Duration) {
	s := r.send(image, "--min-receivers", "2", "--max-wait", "6s", "--rate", "200M", "--linger", "100ms")
	first, second := r.receive(1, "--max-wait", "6s"), r.receive(2, "--max-wait", "6s")
	victim, others := s, []*process{first, second}
	if side == "receiver" {
		victim, others = first, []*process{second, s}
	}
	select {
	case <-time.After(after):
	case <-victim.done:
	}
	victim.cmd.Process.Signal(sig)
	<-victim.done
	ended := time.Now()
	// One that has said nothing yet may not have come to wait for signals.
	if code := victim.code(); sig == syscall.SIGINT && code != 130 && code != 0 && victim.stderr.String() != "" {
		r.Errorf("%s exits %d after SIGINT, want 130: %s", side, code, victim.stderr.String())
	}
	for _, p := range others {
		select {
		case <-p.done:
		case <-time.After(35 * time.Second):
			r.Fatalf("still running 35 s after the %s ended:\n%s", side, p.stderr.String())
		}
	}
	if side == "sender" {
		r.afterSender(image, ended, first, second)
		return
	}
	r.well(image, 2, second)
	if first.code() != 0 {
		r.bootless(image, r.disk(1))
		if s.code() != 3 && s.code() != 0 {
			r.Errorf("sender exits %d, want 3: %s", s.code(), s.stderr.String())
		}
	}
}

func (r *room) afterSender(image string, ended time.Time, receivers ...*process) {
	for i, p := range receivers {
		if p.code() == 0 {
			r.same(image, r.disk(i+1)) // it was faster
			continue
		}
		if late := p.begun.Add(p.took).Sub(ended); late > 30*time.Second {
			r.Errorf("receiver %d ended %v after the sender", i+1, late)
		}
		if text := p.stderr.String(); !strings.Contains(text, "sender") {
			r.Errorf("receiver %d gives no reason: %q", i+1, text)
		}
		r.bootless(image, r.disk(i+1))
	}
}
