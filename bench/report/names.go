package report

import (
	"slices"
	"strings"
)

// Names of contenders that goals and charts speak of. Others may take part.
const (
	Pxecast     = "pxecast"             // the packed image is in the cache
	FirstSend   = "pxecast, first send" // packing counted
	SmallMemory = "pxecast, 64M"        // receivers with --memory 64M
	Udpcast     = "udpcast"             // the raw image
	UdpcastZstd = "udpcast+zstd"        // compressed beforehand, a pipe with zstd at each receiver
	Uftp        = "uftp"
	RawLimit    = "raw limit" // our sockets and datagrams, no work done on the data
)

// Images of the scenarios.
const (
	Debian = "debian"
	Noise  = "noise"
)

var order = []string{Pxecast, FirstSend, SmallMemory, Udpcast, UdpcastZstd, Uftp}

// rank puts contenders in the order of tables: ourselves, the rivals, what
// else there is, the raw limit.
func rank(contender string) int {
	if i := slices.Index(order, contender); i >= 0 {
		return i
	}
	if contender == RawLimit {
		return len(order) + 1
	}
	return len(order)
}

// ours reports whether a contender is pxecast in some way.
func ours(contender string) bool {
	return contender == Pxecast || strings.HasPrefix(contender, Pxecast+",")
}

// contenders lists those of some results, in the order of rank.
func contenders(results []Result) []string {
	var names []string
	for _, res := range results {
		if !slices.Contains(names, res.Contender) {
			names = append(names, res.Contender)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
}
