package receiver

import (
	"math/rand/v2"
	"testing"

	"github.com/pxecast/pxecast/protocol"
)

// TestMemoryKeepsToItsLimit: blocks of all sizes come and go in any order.
func TestMemoryKeepsToItsLimit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	m := memory{limit: 4 << 20}
	var out [][]byte
	full := 0
	for i := range 100_000 {
		if r.IntN(2) == 0 && len(out) > 0 {
			k := r.IntN(len(out))
			m.put(out[k])
			out[k] = out[len(out)-1]
			out = out[:len(out)-1]
		} else if b := m.get(1 + r.IntN(10+i*2)%protocol.MaxFrame); b != nil {
			out = append(out, b)
		} else {
			full++
		}
		used, kept := 0, 0
		for _, b := range out {
			used += len(b)
		}
		for _, p := range m.pools {
			for _, b := range p {
				kept += len(b)
			}
		}
		if used != m.used || used+kept != m.made || m.made > m.limit {
			t.Fatalf("%d bytes are out and %d kept; it counts %d and %d, of %d", used, kept, m.used, m.made, m.limit)
		}
	}
	if full == 0 {
		t.Error("never full: the test shows nothing")
	}
}
