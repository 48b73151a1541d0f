package serve

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/trust"
)

const wipe = "#!/bin/sh\necho wiping\n"

// counter is a server's API with one image, and what it was told.
type counter struct {
	url    string
	key    *trust.Key
	wanted []image.ID
	heard  []catalog.Event
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	key, err := trust.Generate()
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{key: key}
	a := &api{
		name: "srv", key: key,
		settings: &Settings{Machines: []Rule{{Match: "52:54:00:*", Image: "lab", Unattended: true}}},
		images: func() []catalog.Image {
			return []catalog.Image{{ID: labID, Name: "lab", Init: &catalog.Script{Digest: image.Sum([]byte(wipe)), Size: len(wipe)}}}
		},
		script: func(d image.Digest) ([]byte, bool) { return []byte(wipe), d == image.Sum([]byte(wipe)) },
		want: func(id image.ID, a netip.Addr) (string, error) {
			switch id {
			case labID:
				c.wanted = append(c.wanted, id)
				return "lab", nil
			case image.ID{8}:
				return "", errBusy
			}
			return "", fmt.Errorf("no image has the ID %s", id.Short())
		},
		told: func(_ netip.Addr, e *catalog.Event) { c.heard = append(c.heard, *e) },
	}
	s := httptest.NewServer(a.handler())
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

// ask sends a request and returns status and body.
func (c *counter) ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestOfferIsForThisMachine(t *testing.T) {
	c := newCounter(t)
	ring, err := trust.ParseTrust(c.key.Public().String())
	if err != nil {
		t.Fatal(err)
	}
	for mac, image := range map[string]string{"52:54:00:00:00:01": "lab", "00:11:22:33:44:55": ""} {
		nonce := catalog.Nonce{7}
		q := catalog.Query(&catalog.Machine{MAC: mac, Memory: 1 << 30}, nonce)
		status, body := c.ask(t, "GET", catalog.OfferPath+"?"+q.Encode(), "")
		if status != 200 {
			t.Fatalf("%d: %s", status, body)
		}
		o, _, err := catalog.Open([]byte(body), nonce, ring)
		if err != nil {
			t.Fatal(err)
		}
		if o.For.MAC != mac || o.Orders.Image != image || o.Orders.Unattended != (image != "") || len(o.Images) != 1 {
			t.Errorf("%s is offered %+v", mac, o)
		}
		status, script := c.ask(t, "GET", catalog.ScriptsPath+o.Images[0].Init.Digest.String(), "")
		if status != 200 || script != wipe {
			t.Errorf("the script: %d %q", status, script)
		}
	}
}

func TestRequestsAreAnswered(t *testing.T) {
	c := newCounter(t)
	request := func(id image.ID) string {
		b, err := json.Marshal(catalog.Request{Image: id})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", catalog.SessionsPath, request(labID), 200, `"name":"lab"`},
		{"POST", catalog.SessionsPath, request(image.ID{8}), 503, "wait until one is through"},
		{"POST", catalog.SessionsPath, request(image.ID{9}), 404, "no image has the ID"},
		{"POST", catalog.SessionsPath, `{"image":"../../etc/passwd"}`, 400, "hexadecimal"},
		{"POST", catalog.SessionsPath, `{`, 400, "JSON"},
		{"POST", catalog.SessionsPath, `{"machine":{"name":"` + strings.Repeat("x", catalog.MaxEvent) + `"}}`, 400, "too large"},
		{"GET", catalog.SessionsPath, "", 405, ""},
		{"GET", catalog.OfferPath + "?nonce=07", "", 400, "nonce"},
		{"GET", catalog.OfferPath, "", 400, "nonce"},
		{"GET", catalog.ScriptsPath + strings.Repeat("0", 64), "", 404, "no image has this script"},
		{"GET", catalog.ScriptsPath + "..%2f..%2fetc%2fpasswd", "", 400, "hexadecimal"},
		{"GET", "/v1/", "", 404, ""},
		{"POST", catalog.EventsPath, `{"kind":"installed"}`, 204, ""},
		{"POST", catalog.EventsPath, `{"kind":"exploded"}`, 400, "not known"},
	} {
		status, body := c.ask(t, tt.method, tt.path, tt.body)
		if status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s %s %.60s: %d %s, want %d with %q", tt.method, tt.path, tt.body, status, body, tt.status, tt.says)
		}
	}
	if len(c.wanted) != 1 || len(c.heard) != 1 {
		t.Errorf("%d sessions and %d events came through, want one each", len(c.wanted), len(c.heard))
	}
}

// What machines tell is shown to people and kept: it has bounds, and its end is
// what counts.
func TestEventsAreBounded(t *testing.T) {
	c := newCounter(t)
	e := catalog.Event{Kind: catalog.Ran, Script: "post", Exit: 1, Output: strings.Repeat("x", catalog.MaxText) + "the end",
		Machine: catalog.Machine{Name: strings.Repeat("ü", 200), MAC: "52:54:00:AA:BB:CC"}}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := c.ask(t, "POST", catalog.EventsPath, string(b)); status != 204 {
		t.Fatalf("%d %s", status, body)
	}
	got := c.heard[0]
	if len(got.Output) != catalog.MaxText || !strings.HasSuffix(got.Output, "the end") {
		t.Errorf("%d bytes of output, at the end %q", len(got.Output), got.Output[len(got.Output)-10:])
	}
	if len(got.Machine.Name) != 128 || got.Machine.MAC != "52:54:00:aa:bb:cc" {
		t.Errorf("machine %+v", got.Machine)
	}
}
