package main

import (
	"net/netip"
	"testing"
)

func TestTheSlowestCounts(t *testing.T) {
	a, b := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:1")
	c := counts{of: map[netip.AddrPort]int64{}, receivers: 2}
	for _, step := range []struct {
		count count
		news  bool
		least int64
	}{
		{count{a, 0}, true, -1},
		{count{a, 500}, true, -1}, // b is still missing
		{count{b, 0}, true, 0},
		{count{b, 300}, true, 300},
		{count{b, 300}, false, 300},
		{count{b, 200}, false, 300}, // overtaken on the way
		{count{b, 900}, true, 500},
	} {
		if news := c.add(step.count); news != step.news || c.least() != step.least {
			t.Errorf("after %v: news %v, least %d; want %v, %d", step.count, news, c.least(), step.news, step.least)
		}
	}
}

func TestHeadsAreReadBack(t *testing.T) {
	var d [headBytes]byte
	putHead(d[:], kindCount, 1<<40)
	if kind, n := head(d[:]); kind != kindCount || n != 1<<40 {
		t.Errorf("got kind %d, %d", kind, n)
	}
	if kind, _ := head(d[:headBytes-1]); kind != 0 {
		t.Errorf("a datagram that is too short is of kind %d", kind)
	}
}
