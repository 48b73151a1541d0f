package room

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestListWithoutMulticast: a machine that no multicast reaches is shown the
// sessions of the server that it names, of two programs there; one that names
// none is told where to look.
func TestListWithoutMulticast(t *testing.T) {
	t.Parallel()
	r := newRoom(t, 1)
	r.rules(1, noMulticast)
	first, second := r.noise("first.img", 1<<20), r.noise("second.img", 2<<20)
	for _, image := range []string{first, second} {
		r.send(image, "--max-wait", "1m")
	}
	const list = "list --interface eth0 --json --wait "
	if p := r.start(1, strings.Fields(list+"1s")...); p.code() == 0 {
		t.Errorf("without multicast and without --server: %s", p.stdout.String())
	}
	server := r.lab.Host(0).Addr().String()
	var names []string
	for begin := time.Now(); time.Since(begin) < 30*time.Second && len(names) < 2; { // packing may take a while
		p := r.start(1, strings.Fields(list+"2s --server "+server)...)
		<-p.done
		names = nil
		for line := range strings.Lines(p.stdout.String()) {
			var s struct{ Name, Address string }
			if err := json.Unmarshal([]byte(line), &s); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if s.Address != server {
				t.Errorf("%s is at %s, want %s", s.Name, s.Address, server)
			}
			names = append(names, s.Name)
		}
	}
	if len(names) != 2 {
		t.Errorf("heard of %q, want two sessions", names)
	}
}
