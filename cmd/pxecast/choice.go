package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/receiver"
)

const (
	// listenFor is how long a machine listens at least before it takes the only
	// session that it heard: two announcements of the slowest other sender. One
	// that has waited for its sender for longer joins at once.
	listenFor = 500 * time.Millisecond

	// sessionSilence is after how many missing announcements a session is no
	// longer there: ten.
	sessionSilence = 2 * time.Second

	// severalFor gives a session whose sender was killed time to fall silent
	// before it makes the choice ambiguous.
	severalFor = sessionSilence + listenFor

	// hintAfter is how long nothing is heard before people are told what that
	// may mean.
	hintAfter = 5 * time.Second

	// trustedFor is how long a machine that trusts some senders waits for one
	// of them before it talks about another.
	trustedFor = 5 * time.Second
)

// choice decides which session to join.
type choice struct {
	p        *program
	bench    bool   // the target keeps nothing and no image was asked for: a bench may have it
	want     string // name or beginning of the ID of the image, "" any
	ring     *trust.Keyring
	explicit bool          // the ring is what --trust says: nobody else is to be considered
	patience time.Duration // for a sender
	server   netip.Addr    // is asked directly; zero none
}

// wait returns the session to join, as soon as that is clear.
func (c *choice) wait(ctx context.Context, r *radio, network string) (receiver.Heard, error) {
	began := time.Now()
	var first time.Time // when anything that is wanted was heard
	timer := time.NewTicker(50 * time.Millisecond)
	defer timer.Stop()
	for {
		now := time.Now()
		o := sortOffers(r.sessions(now.Add(-sessionSilence)), c.want, c.ring, c.bench)
		if len(o.trusted)+len(o.unknown) == 0 {
			first = time.Time{}
		} else if first.IsZero() {
			first = now
		}
		if !first.IsZero() && c.ripe(&o, now.Sub(first), now.Sub(began)) {
			c.p.screen.Clear()
			return c.decide(ctx, &o)
		}
		c.show(&o, network, now.Sub(began))
		if now.Sub(began) > c.patience {
			return receiver.Heard{}, c.nobody(&o, network)
		}
		select {
		case <-timer.C:
		case <-r.news:
		case err := <-r.failed:
			return receiver.Heard{}, err
		case <-ctx.Done():
			return receiver.Heard{}, context.Cause(ctx)
		}
	}
}

// ripe reports whether it is time to decide, d after the first offer and
// listened after this machine began to listen.
func (c *choice) ripe(o *offers, d, listened time.Duration) bool {
	switch {
	case len(o.trusted) == 1:
		return listened >= listenFor
	case len(o.trusted) > 1:
		return d >= severalFor
	case c.explicit:
		return false // an unknown sender must not keep this machine from waiting for its own
	case !c.ring.Empty():
		return d >= trustedFor
	case len(o.unknown) > 1:
		return d >= severalFor
	}
	return listened >= listenFor
}

// show says what is being waited for.
func (c *choice) show(o *offers, network string, waited time.Duration) {
	text := "waiting for a sender on " + network
	if c.want != "" {
		text = "waiting for a sender of " + screen.Safe(c.want) + " on " + network
	}
	state := text
	switch {
	case len(o.unknown) > 0 && len(o.trusted) == 0 && !c.ring.Empty():
		text += "; not trusted: " + offerList(o.unknown)
		state += "unknown"
	case len(o.other) > 0:
		text += "; other images here: " + offerList(o.other)
		state += "other"
	case len(o.benches) > 0:
		text += "; a bench is running here, which is for --disk discard only"
		state += "bench"
	case len(o.trusted)+len(o.unknown) > 0: // that will do
	case waited >= hintAfter && !c.server.IsValid():
		text += "; where multicast does not get through, --server ADDRESS asks the sender's machine"
		state += "hint"
	case waited >= hintAfter:
		text += fmt.Sprintf("; %v does not answer either", c.server)
		state += "hint"
	}
	text += fmt.Sprintf(" … %s", screen.Duration(waited))
	c.p.screen.Update(state, text, func(int, int) []string { return []string{text} })
}

func (c *choice) nobody(o *offers, network string) error {
	switch {
	case len(o.unknown) > 0:
		return fmt.Errorf("no trusted sender within %v, only %s: if that is the right one, give its key with --trust (`pxecast key` shows it there)", c.patience, offerList(o.unknown))
	case len(o.other) > 0:
		return fmt.Errorf("no sender of %s within %v, only %s: check --image", screen.Safe(c.want), c.patience, offerList(o.other))
	}
	if len(o.benches) > 0 {
		return fmt.Errorf("no sender of an image within %v, only a bench: take part in that with `pxecast receive --disk discard`, without --image", c.patience)
	}
	return fmt.Errorf("no sender heard on %s within %v: is `pxecast send` running, in this network? A switch that filters multicast (IGMP snooping without a querier) hides it too: then name the machine that sends with --server", network, c.patience)
}

// decide picks the session out of what is offered, with the user's help if
// there is a user.
func (c *choice) decide(ctx context.Context, o *offers) (receiver.Heard, error) {
	list, known := o.trusted, true
	if len(list) == 0 {
		list, known = o.unknown, false
	}
	h := list[0]
	if len(list) > 1 {
		i, err := c.which(ctx, list)
		if err != nil {
			return h, err
		}
		h = list[i]
	}
	if known {
		return h, nil
	}
	return h, c.accept(ctx, &h)
}

func (c *choice) which(ctx context.Context, list []receiver.Heard) (int, error) {
	if !c.p.canAsk() {
		return 0, fmt.Errorf("%d sessions are open: %s: choose one with --image NAME, or one sender with --trust KEY", len(list), offerList(list))
	}
	for i := range list {
		c.p.screen.Say("%3d  %s", i+1, offerLine(&list[i]))
	}
	i, err := c.p.pick(ctx, "Which one?", len(list))
	if err == nil && i < 0 {
		err = fmt.Errorf("none chosen: nothing was written")
	}
	return max(i, 0), err
}

// accept asks once whether an unknown sender is to be trusted.
func (c *choice) accept(ctx context.Context, h *receiver.Heard) error {
	key := h.Key()
	if !c.p.canAsk() {
		return fmt.Errorf("the sender of %s at %v is not trusted here, key fingerprint %s: compare it with `pxecast key` there, then give --trust %s", screen.Safe(h.Name), h.Report.Addr(), key.Fingerprint(), key)
	}
	c.p.screen.Say("%s", offerLine(h))
	c.p.screen.Say("This sender is not known here. `pxecast key` on it shows its fingerprint; it should be %s", key.Fingerprint())
	ok, err := c.p.confirm(ctx, "Trust it, now and from now on?")
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the sender at %v is not trusted: nothing was written", h.Report.Addr())
	}
	path, err := trust.UserFile()
	if err == nil {
		err = c.ring.Remember(path, key, h.Report.Addr().String())
	}
	if err != nil {
		c.p.screen.Say("pxecast: the key is trusted only this time: %s", oneLine(err))
	}
	return nil
}
