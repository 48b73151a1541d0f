package main

import (
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want spread
	}{
		{nil, spread{}},
		{[]float64{7}, spread{7, 7, 7}},
		{[]float64{3, 1, 2}, spread{1, 2, 3}},
		{[]float64{4, 1, 3, 2}, spread{1, 2.5, 4}},
	} {
		if got := spreadOf(c.in); got != c.want {
			t.Errorf("spreadOf(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestTableGivesMedianAndRatio(t *testing.T) {
	run := func(name string, rep int, seconds ...float64) Result {
		r := Result{Contender: name, Repetition: rep, RawBytes: 1e9}
		for _, s := range seconds {
			r.Clients = append(r.Clients, Client{Seconds: s})
		}
		return r
	}
	r := Report{Results: []Result{
		run("pxecast", 0, 2, 2, 4), run("udpcast", 0, 20, 20, 20),
		run("pxecast", 1, 2, 2, 2), run("udpcast", 1, 10, 10, 10),
	}}
	var out strings.Builder
	r.print(&out, []Contender{pxecast{}, udpcast{}}, "udpcast", 2)
	// 1000 MB in 2 s; udpcast's median lies between 50 and 100 MB/s.
	for _, want := range []string{"500.0   250.0   500.0        6.67", "75.0    50.0   100.0        1.00", "7.50 × udpcast (repetitions: 5.00 to 10.00)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

func TestLastObjectMustBeTheEvent(t *testing.T) {
	var own Own
	good := `{"event":"status","seconds":1}` + "\n" + `{"event":"done","seconds":2,"mb_per_s":9.5}` + "\n"
	if err := lastObject([]byte(good), "done", &own); err != nil || own.Seconds != 2 || own.MBPerS != 9.5 {
		t.Errorf("got %+v, %v", own, err)
	}
	for _, bad := range []string{"", "junk\n", `{"event":"failed","error":"x"}`, `{"event":"done"}` + "\njunk"} {
		if err := lastObject([]byte(bad), "done", &own); err == nil {
			t.Errorf("%q was taken for a receiver that is done", bad)
		}
	}
}
