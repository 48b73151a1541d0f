package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/trust"
)

// errLoud: the machine tells it later.
var errLoud = fmt.Errorf("more than %d events of one machine, or %d of all, within %v: tell it again in a moment", quotaEach, quotaAll, quotaTime)

// api answers machines, as package catalog describes it.
type api struct {
	name     string // of this server
	key      *trust.Key
	settings *Settings
	images   func() []catalog.Image
	script   func(image.Digest) ([]byte, bool)
	want     func(image.ID, netip.Addr) (name string, err error)
	told     func(netip.Addr, *catalog.Event)
	quota    quota
}

func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+catalog.OfferPath, a.offer)
	mux.HandleFunc("GET "+catalog.ScriptsPath+"{digest}", a.scripts)
	mux.HandleFunc("POST "+catalog.SessionsPath, a.sessions)
	mux.HandleFunc("POST "+catalog.EventsPath, a.events)
	return mux
}

func (a *api) offer(w http.ResponseWriter, r *http.Request) {
	m, nonce, err := catalog.ParseQuery(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	images := a.images()
	if len(images) > catalog.MaxImages {
		images = images[:catalog.MaxImages]
	}
	o := catalog.Offer{Server: a.name, Made: time.Now().UTC(), For: m, Images: images, Orders: a.settings.orders(&m)}
	body, err := catalog.Sign(&o, nonce, a.key)
	if err == nil && len(body) > catalog.MaxOffer { // better without descriptions than not at all
		for i := range o.Images {
			o.Images[i].Description = ""
		}
		body, err = catalog.Sign(&o, nonce, a.key)
	}
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

func (a *api) scripts(w http.ResponseWriter, r *http.Request) {
	var d image.Digest
	if err := d.UnmarshalText([]byte(r.PathValue("digest"))); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	b, ok := a.script(d)
	if !ok {
		refuse(w, http.StatusNotFound, errors.New("no image has this script any more: ask for the images again"))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(b)
}

func (a *api) sessions(w http.ResponseWriter, r *http.Request) {
	var req catalog.Request
	from, ok := a.read(w, r, &req)
	if !ok {
		return
	}
	name, err := a.want(req.Image, from)
	switch {
	case errors.Is(err, errBusy), errors.Is(err, errEnding):
		refuse(w, http.StatusServiceUnavailable, err)
	case err != nil:
		refuse(w, http.StatusNotFound, err)
	default:
		answer(w, http.StatusOK, catalog.Session{Image: req.Image, Name: name})
	}
}

func (a *api) events(w http.ResponseWriter, r *http.Request) {
	var e catalog.Event
	from, ok := a.read(w, r, &e)
	if !ok {
		return
	}
	e.Machine = e.Machine.Clean()
	for _, f := range []*string{&e.Text, &e.Disk, &e.Script, &e.Output} {
		*f = strings.ToValidUTF8((*f)[max(0, len(*f)-catalog.MaxText):], "") // the last lines are what counts
	}
	if lines := strings.SplitAfter(e.Output, "\n"); len(lines) > catalog.MaxLines {
		e.Output = strings.Join(lines[len(lines)-catalog.MaxLines:], "")
	}
	switch e.Kind {
	case catalog.Arrived, catalog.Refused, catalog.Installed, catalog.Failed, catalog.Ran:
	default:
		refuse(w, http.StatusBadRequest, fmt.Errorf("kind %q is not known here", e.Kind))
		return
	}
	if !a.quota.takes(time.Now(), from.String()) {
		refuse(w, http.StatusServiceUnavailable, errLoud)
		return
	}
	a.told(from, &e)
	w.WriteHeader(http.StatusNoContent)
}

// read decodes the body of a request into v and returns whom it is from. If it
// can't, it has answered.
func (a *api) read(w http.ResponseWriter, r *http.Request, v any) (from netip.Addr, ok bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return from, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, catalog.MaxEvent))
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return from, false
	}
	return ap.Addr().Unmap(), true
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, err error) {
	answer(w, status, catalog.Refusal{Error: err.Error()})
}
