package protocol

import "testing"

// What happens for every datagram, or every report of a thousand receivers,
// makes no garbage; nor does refusing a damaged one.
func TestNoAllocations(t *testing.T) {
	data, report, roster := golden(t, "data-repair"), golden(t, "report"), golden(t, "roster")
	damaged := golden(t, "data-repair")
	damaged[50] ^= 1
	jumbo := Data{FrameLen: MaxFrame, Seq: 1, Symbol: make([]byte, 8896)}
	var h [DataHeaderSize]byte
	var r Report
	var places Roster
	buf := make([]byte, 0, MaxDatagram)
	deficits := goldenReport().Deficits
	for _, tt := range []struct {
		name string
		do   func()
	}{
		{"ParseHeader", func() { _, _ = ParseHeader(data) }},
		{"ParseData", func() { _, _ = ParseData(data) }},
		{"ParseData of a damaged one", func() { _, _ = ParseData(damaged) }},
		{"PutHeader", func() { jumbo.PutHeader(&h) }},
		{"ParseReport", func() { _ = ParseReport(report, &r) }},
		{"ParseRoster", func() { _ = ParseRoster(roster, &places) }},
		{"Report.AppendBinary", func() { _, _ = r.AppendBinary(buf) }},
		{"DeficitWriter", func() {
			w := r.WriteDeficits(0, MaxDatagram)
			for _, d := range deficits {
				w.Add(d)
			}
		}},
	} {
		tt.do() // the first may grow what is reused
		if n := testing.AllocsPerRun(100, tt.do); n != 0 {
			t.Errorf("%s allocates %v times", tt.name, n)
		}
	}
}

func BenchmarkParseData(b *testing.B) {
	v := Data{FrameLen: MaxFrame, Seq: 1, Symbol: make([]byte, DefaultSymbolSize)}
	d, err := v.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(d)))
	for b.Loop() {
		if _, err := ParseData(d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutHeader(b *testing.B) {
	v := Data{FrameLen: MaxFrame, Seq: 1, Symbol: make([]byte, DefaultSymbolSize)}
	var h [DataHeaderSize]byte
	b.SetBytes(DataHeaderSize + DefaultSymbolSize)
	for b.Loop() {
		v.PutHeader(&h)
	}
}
