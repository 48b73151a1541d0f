package main

import (
	"fmt"
	"strings"

	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/receiver"
)

// offers are the open sessions that were heard, by what they are to us.
type offers struct {
	trusted []receiver.Heard // what we want, from a sender we know
	unknown []receiver.Heard // what we want, from a sender we do not know
	other   []receiver.Heard // other images
	benches []receiver.Heard // whose made-up images are not for a disk
}

// leastPrefix is how many digits of an image ID name it.
const leastPrefix = 4

// sortOffers sorts what was heard. want is the name of an image or the first
// digits of its ID, "" for any. A sender can take any name, so what an unknown
// one offers never hides what a known one does. bench says that benches are
// wanted too.
func sortOffers(heard []receiver.Heard, want string, ring *trust.Keyring, bench bool) offers {
	var o offers
	for _, h := range heard {
		switch {
		case h.State.Over():
		case h.Bench && !bench:
			o.benches = append(o.benches, h)
		case !matches(&h, want):
			o.other = append(o.other, h)
		case ring.Accepts(h.Key()):
			o.trusted = append(o.trusted, h)
		default:
			o.unknown = append(o.unknown, h)
		}
	}
	return o
}

func matches(h *receiver.Heard, want string) bool {
	return want == "" || strings.EqualFold(h.Name, want) ||
		len(want) >= leastPrefix && strings.HasPrefix(h.Image().String(), strings.ToLower(want))
}

// offerLine describes a session to people who choose.
func offerLine(h *receiver.Heard) string {
	return screen.Safe(fmt.Sprintf("%s  %s  image ID %s  from %s  fingerprint %s",
		h.Name, screen.Bytes(h.RawSize), h.Image().Short(), h.Report.Addr(), h.Key().Fingerprint()))
}

func offerList(all []receiver.Heard) string {
	const most = 5 // a flood of sessions must not flood the terminal too
	var texts []string
	for i := range all[:min(len(all), most)] {
		texts = append(texts, offerLine(&all[i]))
	}
	if more := len(all) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}
