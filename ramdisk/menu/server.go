package menu

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
)

// answerWithin bounds each question to the server. A session takes a moment to be
// opened; all else is there at once.
const answerWithin = 20 * time.Second

// errChanged: a script is another than the server signed.
var errChanged = errors.New("the script is not the one that the server signed")

// refusedError is a server's no, which asking again does not change at once.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// server is the boot server as this machine talks to it.
type server struct {
	address string // host:port
	ring    *trust.Keyring
	client  *http.Client
}

func newServer(address string, ring *trust.Keyring) *server {
	return &server{address, ring, &http.Client{
		// No proxy and no redirection: the server is the one on the command line.
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answerWithin,
	}}
}

// offer asks for a signed offer and returns it with the key that signed it.
func (s *server) offer(ctx context.Context, m catalog.Machine) (*catalog.Offer, trust.PublicKey, error) {
	var n catalog.Nonce
	rand.Read(n[:])
	b, err := s.do(ctx, http.MethodGet, catalog.OfferPath+"?"+catalog.Query(&m, n).Encode(), nil, catalog.MaxOffer)
	if err != nil {
		return nil, trust.PublicKey{}, err
	}
	o, key, err := catalog.Open(b, n, s.ring)
	if errors.Is(err, catalog.ErrUntrusted) {
		why := "its key is not among those that this machine was built with"
		if s.ring.Empty() {
			why = "this machine was given no key to trust"
		}
		err = fmt.Errorf("%w: %s. Nothing that %s offers is used; build the ramdisk on that server, or name its key with pxecast.trust=", err, why, s.address)
	}
	if err == nil && o.For != m.Clean() {
		return nil, key, fmt.Errorf("%s answers with what it offers to another machine, %s", s.address, cmp.Or(screen.Safe(o.For.MAC), "an unknown one"))
	}
	return o, key, err
}

// session has the server open the session of an image.
func (s *server) session(ctx context.Context, m catalog.Machine, id image.ID) error {
	body, err := json.Marshal(catalog.Request{Machine: m, Image: id})
	if err != nil {
		return err
	}
	b, err := s.do(ctx, http.MethodPost, catalog.SessionsPath, body, 64<<10)
	if err != nil {
		return err
	}
	var got catalog.Session
	if err := json.Unmarshal(b, &got); err != nil || got.Image != id {
		return errors.New("the server opened a session of another image than it was asked for")
	}
	return nil
}

// script fetches a script and refuses all but the one that was signed.
func (s *server) script(ctx context.Context, want *catalog.Script) ([]byte, error) {
	b, err := s.do(ctx, http.MethodGet, catalog.ScriptsPath+want.Digest.String(), nil, catalog.MaxScript)
	if err != nil {
		return nil, err
	}
	if image.Sum(b) != want.Digest {
		return nil, errChanged
	}
	return b, nil
}

// event tells the server what happened.
func (s *server) event(ctx context.Context, e *catalog.Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = s.do(ctx, http.MethodPost, catalog.EventsPath, body, 64<<10)
	return err
}

// do makes one request and returns at most limit bytes of the answer. A refusal
// of the server is a *refusedError, unless its status says that it is in trouble.
func (s *server) do(ctx context.Context, method, path string, body []byte, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, unreachable(s.address, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, unreachable(s.address, err)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("the server %s answers with more than %s", s.address, screen.Bytes(limit))
	case resp.StatusCode/100 != 2:
		var r catalog.Refusal
		if json.Unmarshal(b, &r) != nil || r.Error == "" {
			r.Error = fmt.Sprintf("the server %s answers %q: is that pxecast serve?", s.address, resp.Status)
		}
		if text := screen.Safe(r.Error); resp.StatusCode/100 == 4 {
			return nil, &refusedError{text}
		} else {
			return nil, errors.New(text)
		}
	}
	return b, nil
}

// unreachable says in words why a server does not answer.
func unreachable(address string, err error) error {
	var netErr net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: is pxecast serve running there?", address)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("no way to %s: is the server switched on, and the cable in?", address)
	case errors.As(err, &netErr) && netErr.Timeout():
		return fmt.Errorf("%s does not answer: is the server switched on, and does its firewall let machines in?", address)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s ended the conversation: was the server started again?", address)
	}
	return fmt.Errorf("the server %s can't be asked: %w", address, err)
}

func isUntrusted(err error) bool { return errors.Is(err, catalog.ErrUntrusted) }
