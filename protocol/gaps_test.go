package protocol

import (
	"reflect"
	"strings"
	"testing"
)

// What does not fit is left out whole, and what is in comes out again.
func TestGapsAsManyAsFit(t *testing.T) {
	v := Report{State: ReceiverReceiving, AsOf: 1 << 40}
	at, n := v.AsOf, 0
	for v.AddGap(Gap{First: at - 9, Count: 10}) {
		at -= 1000
		n++
	}
	if used := gapBytes(v.Recent, v.AsOf); n != len(v.Recent) || used > MaxGapBytes || used < MaxGapBytes-3 {
		t.Fatalf("%d gaps taken, %d kept, in %d bytes", n, len(v.Recent), used)
	}
	d, err := v.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	got := Report{Recent: []Gap{{7, 7}}} // from before
	if err := ParseReport(d, &got); err != nil || !reflect.DeepEqual(got.Recent, v.Recent) {
		t.Errorf("parsed %v, %v, want %v", got.Recent, err, v.Recent)
	}
}

// The longest text and the most gaps leave room for deficits on the smallest
// MTU.
func TestReportWithAllTheGapsFitsTheSmallestMTU(t *testing.T) {
	const size = 576 - ipUDP
	v := Report{State: ReceiverReceiving, AsOf: 1 << 40, Error: strings.Repeat("e", MaxText)}
	for at := v.AsOf; v.AddGap(Gap{First: at, Count: 1}); at -= 2 {
	}
	w := v.WriteDeficits(0, size)
	n := 0
	for i := SBN(0); w.Add(Deficit{i * 3, 1, 1}); i++ {
		n++
	}
	d, err := v.AppendBinary(nil)
	if err != nil || len(d) > size || n < 5 {
		t.Errorf("%d bytes with %d deficits, %v", len(d), n, err)
	}
}
