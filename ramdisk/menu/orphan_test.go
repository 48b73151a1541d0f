package menu

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// The server is asked for the session again while its sender is silent, and only
// then.
func TestReceiverTellsThatItsSenderIsSilent(t *testing.T) {
	const events = `{"event":"status"}
{"event":"notice","kind":"serve","text":"others can't fetch from here"}
{"event":"status"}
{"event":"notice","kind":"orphan","text":"the sender is silent"}
{"event":"status"}
{"event":"notice","kind":"peer","text":"a machine misbehaves"}
{"event":"status"}
{"event":"notice","kind":"restarted","text":"the sender was started again"}
{"event":"status"}
{"event":"notice","kind":"orphan","text":"the sender is silent"}
{"event":"notice","kind":"back","text":"the sender is there again"}
{"event":"status"}
`
	var got []bool
	follow(json.NewDecoder(strings.NewReader(events)), func(p progress) { got = append(got, p.orphan) })
	if want := []bool{false, false, true, true, false, false}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
