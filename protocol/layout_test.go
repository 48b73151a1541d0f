package protocol

import "testing"

func TestSymbolSizeByMTU(t *testing.T) {
	for mtu, want := range map[int]int{
		1500: 1408, 9000: 8896, 576: 448, 1400: 1280, 1492: 1408, 1476: 1408, 1475: 1344,
		575: 448, 516: 448, 515: 0, 0: 0, -1: 0, 65535: 65408, 65536: 65408, 1 << 30: 65408,
	} {
		if got := SymbolSize(mtu); got != want {
			t.Errorf("MTU %d: symbol size %d, want %d", mtu, got, want)
		}
	}
	if SymbolSize(576) != MinSymbolSize || SymbolSize(1500) != DefaultSymbolSize || SymbolSize(65535) != MaxSymbolSize {
		t.Error("the constants are not what SymbolSize gives")
	}
}

func TestSymbolsFillTheMTUAndNeverFragment(t *testing.T) {
	for mtu := 576; mtu <= 65535; mtu++ {
		size := SymbolSize(mtu)
		datagram := size + DataHeaderSize + ipUDP
		if size%64 != 0 || datagram > mtu || datagram+64 <= mtu {
			t.Fatalf("MTU %d: symbols of %d bytes make packets of %d", mtu, size, datagram)
		}
	}
}

func TestLayoutOfEveryFrameLength(t *testing.T) {
	for _, size := range []int{MinSymbolSize, 512, 1280, DefaultSymbolSize, 8896, MaxSymbolSize} {
		most := 0
		for frameLen := 1; frameLen <= MaxFrame; frameLen++ {
			l := LayoutOf(frameLen, size)
			wire := 0
			for esi := range l.K {
				wire += l.Len(ESI(esi))
			}
			switch {
			case l.K < 1, l.Size%64 != 0, l.Size > size, l.K*l.Size < frameLen:
			case l.Last < 1, l.Last > l.Size, wire != frameLen:
			case l.K > (frameLen+size-1)/size: // more symbols than full ones would need
			case l.N() != l.K+MaxRepair, l.Len(ESI(l.K)) != l.Size, l.Len(ESI(l.N()-1)) != l.Size:
			default:
				most = max(most, l.K)
				continue
			}
			t.Fatalf("frame of %d bytes in symbols of %d: %+v, %d bytes on the wire", frameLen, size, l, wire)
		}
		if size == DefaultSymbolSize && most != 187 {
			t.Errorf("k is up to %d at %d bytes, want 187", most, size)
		}
		if most > MaxSymbols || size == MinSymbolSize && most != MaxSymbols {
			t.Errorf("k is up to %d at %d bytes, the limit is %d", most, size, MaxSymbols)
		}
	}
}

func TestLayoutExamples(t *testing.T) {
	for _, tt := range []struct {
		frameLen, size int
		want           Layout
	}{
		{1, 1408, Layout{1, 64, 1}},
		{64, 1408, Layout{1, 64, 64}},
		{65, 1408, Layout{1, 128, 65}},
		{1408, 1408, Layout{1, 1408, 1408}},
		{1409, 1408, Layout{2, 768, 641}},
		{3000, 1408, Layout{3, 1024, 952}},
		{12673, 1408, Layout{10, 1280, 1153}},
		{MaxFrame, 1408, Layout{187, 1408, 1408}},
		{MaxFrame - 1, 1408, Layout{187, 1408, 1407}},
		{MaxFrame, 8896, Layout{30, 8832, 7168}},
		{MaxFrame, 448, Layout{588, 448, 320}},
		{200 * 449, 448, Layout{201, 448, 200}},
		{60000, 65408, Layout{1, 60032, 60000}},
		{12800, 448, Layout{29, 448, 256}},
		{15 * 449, 448, Layout{16, 448, 15}},
	} {
		if got := LayoutOf(tt.frameLen, tt.size); got != tt.want {
			t.Errorf("frame of %d bytes in symbols of %d: %+v, want %+v", tt.frameLen, tt.size, got, tt.want)
		}
	}
}

func TestBlocks(t *testing.T) {
	for size, want := range map[int64]int{1: 1, BlockSize - 1: 1, BlockSize: 1, BlockSize + 1: 2, MaxRaw: MaxSBN} {
		if got := Blocks(size); got != want {
			t.Errorf("%d bytes are %d blocks, want %d", size, got, want)
		}
	}
}
