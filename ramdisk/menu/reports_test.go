package menu

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/trust"
)

// A machine restarts when the server was told everything, in its order, or when
// it took too long.
func TestReportsAreFlushed(t *testing.T) {
	var got []string
	hold := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e catalog.Event
		json.NewDecoder(r.Body).Decode(&e)
		select {
		case <-hold:
			got = append(got, e.Text)
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r := newReports()
	go r.run(ctx)
	for _, text := range []string{"a", "b", "c"} {
		r.add(catalog.Event{Text: text})
	}
	short, end := context.WithTimeout(ctx, 50*time.Millisecond)
	defer end()
	r.flush(short) // nobody to tell yet
	r.to(newServer(strings.TrimPrefix(srv.URL, "http://"), new(trust.Keyring)))
	time.AfterFunc(200*time.Millisecond, func() { close(hold) })
	r.flush(ctx)
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("told %q before it went off", got)
	}
}

// A server that is away for long costs the oldest reports, and no memory.
func TestReportsAreBounded(t *testing.T) {
	r := newReports()
	for range 3 * mostReports {
		r.add(catalog.Event{})
	}
	if len(r.queue) != mostReports {
		t.Errorf("%d are kept", len(r.queue))
	}
}
