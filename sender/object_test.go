package sender

import (
	"testing"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/protocol"
)

// BenchmarkTakeRepair: a repair of a block that nobody lacks any more is passed
// over, in a room of a thousand on an image of 256 GiB.
func BenchmarkTakeRepair(b *testing.B) {
	const blocks = 1 << 20
	o := manifestObject(blocks*protocol.BlockSize, protocol.DefaultSymbolSize)
	s := &scheduler{objects: [2]*object{o}}
	for range 1000 {
		m := &member{}
		m.lacks[o.id] = blockset.New(blocks)
		s.alive = append(s.alive, m)
	}
	o.lacked = func(i int) bool { return s.lacked(o, i) }
	for i := 0; b.Loop(); i = (i + 1) % blocks {
		o.queue, o.owed[i] = append(o.queue, int32(i)), 1
		if _, ok := o.takeRepair(); ok {
			b.Fatal("a repair that nobody needs")
		}
	}
}
