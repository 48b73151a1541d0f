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

// One that lies too far back to be coded ends the list and spoils no report.
func TestGapsTooFarBack(t *testing.T) {
	const asOf = 1 << 40
	near := Gap{First: asOf - 9, Count: 5}
	for name, c := range map[string]struct {
		gaps []Gap
		want int // taken
	}{
		"as far as can be":        {[]Gap{{First: asOf - (1<<32 - 1), Count: 1}}, 1},
		"one too far":             {[]Gap{{First: asOf - 1<<32, Count: 1}}, 0},
		"too far from the newer":  {[]Gap{near, {First: near.First - 1 - 1<<32, Count: 1}}, 1},
		"as far from the newer":   {[]Gap{near, {First: near.First - 1<<32, Count: 1}}, 2},
		"longest":                 {[]Gap{{First: asOf - (1<<32 - 2), Count: 1<<32 - 1}}, 1},
		"not before the newer":    {[]Gap{near, near}, 1},
		"after the last received": {[]Gap{{First: asOf, Count: 2}}, 0},
	} {
		v := Report{State: ReceiverReceiving, AsOf: asOf}
		n := 0
		for n < len(c.gaps) && v.AddGap(c.gaps[n]) {
			n++
		}
		d, err := v.AppendBinary(nil)
		var got Report
		if err == nil {
			err = ParseReport(d, &got)
		}
		if n != c.want || err != nil || len(got.Recent) != n {
			t.Errorf("%s: %d taken, want %d; %d arrived, %v", name, n, c.want, len(got.Recent), err)
		}
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
