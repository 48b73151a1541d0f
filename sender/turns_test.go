package sender

import (
	"slices"
	"testing"

	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

// blocksOf returns the blocks of the symbols that are decided next.
func (d *demand) blocksOf(symbols int) (blocks []int) {
	for _, r := range d.fill(d.now, nil, symbols) {
		for range r.count {
			blocks = append(blocks, d.jobs[r.slot].block)
		}
	}
	return blocks
}

// sequel is a demand for blocks of 141 symbols of which the first interleave have
// been sent, and as many more have begun.
func sequel(t *testing.T, blocks int) *demand {
	t.Helper()
	const symbols = 141
	d := newDemand(t, noise{imagetest.Manifest(t, slices.Repeat([]int{symbols * protocol.DefaultSymbolSize}, blocks)...)}, protocol.DefaultSymbolSize)
	d.ask(everything(blocks, protocol.NeedAll))
	for left := interleave*symbols + interleave*chunk; left > 0; {
		left -= len(d.blocksOf(min(left, 300)))
	}
	if d.objects[protocol.ObjectImage].busy.Count() != interleave {
		t.Fatalf("%d blocks are on their way", d.objects[protocol.ObjectImage].busy.Count())
	}
	return d
}

// TestRepairsGoBesideBlocks: a repair does not wait until one of the blocks that
// are on their way ends.
func TestRepairsGoBesideBlocks(t *testing.T) {
	d := sequel(t, 100)
	d.ask([]protocol.Deficit{{First: 3, Count: 1, Need: 2}, {First: interleave, Count: 84, Need: protocol.NeedAll}})
	if !slices.Contains(d.blocksOf(2*interleave*chunk), 3) {
		t.Error("the repair of block 3 does not come within the next two rounds")
	}
}

// TestCyclesDoNotMix: what comes again waits until the last blocks of the cycle
// are through, so that who waits for no more than these is not held up.
func TestCyclesDoNotMix(t *testing.T) {
	const blocks = 2*interleave + 4
	d := sequel(t, blocks)
	d.ask(everything(blocks, protocol.NeedAll))
	image := d.objects[protocol.ObjectImage]
	for image.next[blocks-1] == 0 {
		for _, b := range d.blocksOf(chunk) {
			if last := image.busy.Next(interleave); b < interleave && last < blocks {
				t.Fatalf("block %d comes again while block %d of the cycle is on its way", b, last)
			}
		}
	}
	if !slices.ContainsFunc(d.blocksOf(300), func(b int) bool { return b < interleave }) {
		t.Error("the next cycle does not begin")
	}
}
