package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/sdnotify"
	"github.com/pxecast/pxecast/sender"
	"github.com/pxecast/pxecast/serve"
)

// serveView shows a server: what it offers, its sessions, and the machines that
// are in none.
type serveView struct {
	screen   *screen.Screen
	event    *events
	now      func() time.Time
	sessions map[image.ID]*sendView
	told     time.Time // last status event
	key      string    // of the last state
}

func newServeView(s *screen.Screen, e *events) *serveView {
	return &serveView{screen: s, event: e, now: time.Now, sessions: map[image.ID]*sendView{}}
}

// show is for serve.Config.Status.
func (v *serveView) show(st serve.Status) {
	now := v.now()
	if now.Sub(v.told) >= time.Second && len(st.Sessions) > 0 {
		v.told = now
		v.event.print(serveStatusOf(&st))
	}
	rooms := v.rooms(now, &st)
	key := v.stateKey(&st)
	if key != v.key {
		v.key = key
		sdnotify.Status(v.headline(&st))
	}
	v.screen.Update(key, v.plain(&st, rooms), func(_, height int) []string { return v.block(&st, rooms, height) })
}

// plain is all of it on one line.
func (v *serveView) plain(st *serve.Status, rooms []oneRoom) string {
	text := v.headline(st)
	for _, r := range rooms {
		text += "; " + r.plain
	}
	return text
}

// block is at most height lines.
func (v *serveView) block(st *serve.Status, rooms []oneRoom, height int) []string {
	lines := append([]string{v.headline(st)}, v.problems(st.Images, 4)...)
	around := v.others(st, max(3, height/3))
	for i, r := range rooms {
		left := height - len(lines) - len(around)
		lines = append(append(lines, r.head), r.view.machines(&st.Sessions[i], max(2, left/(len(rooms)-i)-1))...)
	}
	return append(lines, around...)
}

// oneRoom is how a session is shown.
type oneRoom struct {
	view        *sendView
	head, plain string
}

func (v *serveView) rooms(now time.Time, st *serve.Status) []oneRoom {
	open := map[image.ID]*sendView{}
	var rooms []oneRoom
	for i := range st.Sessions {
		s := &st.Sessions[i]
		view := v.sessions[s.ImageID]
		if view == nil {
			view = newSendView(v.screen, &events{})
			view.now = func() time.Time { return v.now() }
		}
		open[s.ImageID] = view
		wire := view.wire.Add(now, float64(s.Traffic.Bytes))
		view.measure(now, s)
		rooms = append(rooms, oneRoom{view, view.headline(s, wire), view.plain(s, wire)})
	}
	v.sessions = open
	return rooms
}

func (v *serveView) stateKey(st *serve.Status) string {
	key := v.machineCounts(st)
	for i := range st.Sessions {
		key += st.Sessions[i].Name + stateKey(&st.Sessions[i])
	}
	return key
}

func (v *serveView) headline(st *serve.Status) string {
	ready := 0
	for i := range st.Images {
		if st.Images[i].Problem == "" {
			ready++
		}
	}
	text := fmt.Sprintf("%d images ready", ready)
	if ready == 1 {
		text = "1 image ready"
	}
	if n := len(st.Images) - ready; n > 0 {
		text += fmt.Sprintf(", %d not", n)
	}
	if c := v.machineCounts(st); c != "" {
		return text + "; machines: " + c
	}
	return text + "; no machine has come yet"
}

// machineCounts writes how many machines are in which state.
func (v *serveView) machineCounts(st *serve.Status) string {
	n := map[serve.State]int{}
	for i := range st.Machines {
		n[st.Machines[i].State]++
	}
	var parts []string
	for _, s := range []serve.State{serve.Booting, serve.AtMenu, serve.Imaging, serve.Installed, serve.Refused, serve.Failed} {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	return strings.Join(parts, ", ")
}

// problems lists images that can't be had now, and why.
func (v *serveView) problems(all []catalog.Image, most int) (lines []string) {
	more := 0
	for i := range all {
		switch {
		case all[i].Problem == "":
		case len(lines) == most:
			more++
		default:
			lines = append(lines, fmt.Sprintf("  %s: %s", screen.Safe(all[i].Name), screen.Safe(all[i].Problem)))
		}
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("  … and %d more", more))
	}
	return lines
}

// others lists machines that no session has.
func (v *serveView) others(st *serve.Status, height int) []string {
	in := map[string]bool{}
	for i := range st.Sessions {
		for _, r := range st.Sessions[i].Receivers {
			in[r.Address] = true
		}
	}
	t := screen.Table{Columns: []screen.Column{{}, {}, {}, {}}}
	more := 0
	for i := range st.Machines {
		switch m := &st.Machines[i]; {
		case in[m.Address.String()] && m.State == serve.Imaging:
		case len(t.Rows) >= height-1:
			more++
		default:
			t.Rows = append(t.Rows, []string{"  " + screen.Safe(m.Title()), m.Address.String(), v.painted(m.State), screen.Safe(m.Text)})
		}
	}
	lines := t.Lines()
	if more > 0 {
		lines = append(lines, fmt.Sprintf("  … and %d more machines", more))
	}
	return lines
}

func (v *serveView) painted(s serve.State) string {
	switch s {
	case serve.Installed:
		return v.screen.Paint(screen.Green, string(s))
	case serve.Failed, serve.Refused:
		return v.screen.Paint(screen.Red, string(s))
	}
	return string(s)
}

// news says what happened, on a line that stays.
func (v *serveView) news(n serve.News) {
	switch {
	case n.Machine != nil:
		v.event.print(machineEventOf(n.Machine))
		v.machine(n.Machine)
	case n.Session != nil:
		e := sessionEvent{summaryOf(&n.Session.Status, n.Session.Err), n.Session.Name}
		e.Event = "session"
		v.event.print(e)
		v.ended(&n.Session.Status, n.Session.Err)
	case n.Image != nil:
		v.event.print(imageEventOf(n.Image))
		v.image(n.Image)
	case n.Notice != nil:
		v.event.print(noticeEvent{Event: "notice", Kind: n.Notice.Kind, Text: n.Notice.Text})
		v.screen.Say("pxecast: %s", screen.Safe(n.Notice.Text))
	}
}

func (v *serveView) machine(n *serve.MachineNews) {
	text := fmt.Sprintf("%s %s", n.Title(), n.State)
	if n.Address.IsValid() && n.Title() != n.Address.String() {
		text = fmt.Sprintf("%s (%v) %s", n.Title(), n.Address, n.State)
	}
	if n.Text != "" {
		text += ": " + n.Text
	}
	if n.Event != nil && n.Event.Disk != "" {
		text += ", " + n.Event.Disk
	}
	v.screen.Say("%s", screen.Safe(text))
	if n.Event != nil && n.Event.Output != "" {
		for line := range strings.Lines(n.Event.Output) {
			v.screen.Say("  %s", screen.Safe(n.Event.Script+": "+strings.TrimRight(line, "\r\n")))
		}
	}
}

func (v *serveView) image(i *catalog.Image) {
	if i.Problem != "" {
		v.screen.Say("image %s: %s", screen.Safe(i.Name), screen.Safe(i.Problem))
		return
	}
	v.screen.Say("image %s is ready: %s, packed %s, ID %s", screen.Safe(i.Name), screen.Bytes(i.RawSize), screen.Bytes(i.PackedSize), i.ID.Short())
}

// ended says how a session went.
func (v *serveView) ended(st *sender.Status, err error) {
	why := ""
	if err != nil {
		why = oneLine(err)
	}
	v.screen.Say("%s ended after %s: %s; sent %s, packed %s", screen.Safe(st.Name), screen.Duration(time.Duration(st.Seconds()*float64(time.Second))),
		counts(st.Receivers), screen.Bytes(st.Traffic.Bytes), screen.Bytes(st.Packed))
	for _, l := range resultTable(st, why) {
		v.screen.Say("  %s", l)
	}
}
