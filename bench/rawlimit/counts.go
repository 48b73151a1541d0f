package main

import "net/netip"

// counts is what the receivers have, by their own word.
type counts struct {
	of        map[netip.AddrPort]int64 // bytes
	receivers int                      // how many there are to be
}

// add takes in a count and reports whether it was news.
func (c *counts) add(n count) bool {
	had, known := c.of[n.from]
	if known && n.bytes <= had {
		return false
	}
	c.of[n.from] = n.bytes
	return true
}

// least is what the slowest receiver has in bytes, -1 while one is missing.
func (c *counts) least() int64 {
	if len(c.of) < c.receivers {
		return -1
	}
	first := true
	var least int64
	for _, n := range c.of {
		if first || n < least {
			least, first = n, false
		}
	}
	return least
}
