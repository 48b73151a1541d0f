package main

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/pxecast/pxecast/internal/querier"
	"github.com/pxecast/pxecast/internal/screen"
)

// What people and scripts are told of who asks: people nothing as long as it is
// somebody else, as it should be.
func TestQuerierNotices(t *testing.T) {
	other := querier.Notice{Role: querier.Silent, Other: netip.MustParseAddr("10.0.0.1")}
	we := querier.Notice{Role: querier.Asking}
	broken := querier.Notice{Role: querier.Asking, Err: errors.New("send an IGMP query on eth0:\nnetwork is down")}
	const (
		theirs = `{"event":"querier","role":"silent","other":"10.0.0.1","error":null}` + "\n"
		us     = `{"event":"querier","role":"asking","other":null,"error":null}` + "\n"
		failed = `{"event":"querier","role":"failed","other":null,"error":"send an IGMP query on eth0:; network is down"}` + "\n"
	)
	for _, c := range []struct {
		name       string
		notices    []querier.Notice
		json, text string
	}{
		{"another one asks", []querier.Notice{other}, theirs, ""},
		{"we do, then another one, then we", []querier.Notice{we, other, we}, us + theirs + us,
			"acting as IGMP querier on eth0, for switches that filter multicast (--querier off: don't)\n" +
				"10.0.0.1 is the IGMP querier on eth0 now: no longer acting as one\n" +
				"the other IGMP querier on eth0 fell silent: acting as querier again\n"},
		{"we can't", []querier.Notice{broken}, failed,
			"the IGMP querier failed: send an IGMP query on eth0:; network is down; switches that filter multicast may forget the machines\n"},
	} {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		text, err := os.Create(out.Name() + "2")
		if err != nil {
			t.Fatal(err)
		}
		defer text.Close()
		a := &asking{p: &program{screen: screen.New(text)}, event: newEvents(true, out), network: "eth0"}
		for _, n := range c.notices {
			a.notice(n)
		}
		for name, want := range map[string]string{out.Name(): c.json, text.Name(): c.text} {
			if got, err := os.ReadFile(name); err != nil || string(got) != want {
				t.Errorf("%s: told (%v)\n%s\nwant\n%s", c.name, err, got, want)
			}
		}
	}
}
