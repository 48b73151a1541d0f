package menu

import (
	"fmt"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/screen"
)

// run is a job at work, with its earlier attempts.
type run struct {
	job      job
	stage    stage
	since    time.Time // of the stage
	lines    []string  // the last ones of the script that runs
	progress *progress
	attempts int
	trouble  time.Time // since when no attempt has got anything; zero: none has failed
	wrote    bool      // to the disk, in this attempt or an earlier one
	stopping bool
}

func (r *run) at(s stage, lines []string, now time.Time) {
	if s != r.stage {
		r.since = now
	}
	r.stage, r.lines = s, lines
}

// begin starts a job.
func (m *model) begin(j job) {
	r := &run{job: j, stage: asking, since: m.now, attempts: 1}
	if m.run != nil && m.alone() {
		r.attempts, r.trouble = m.run.attempts+1, m.run.trouble
	}
	r.wrote = m.run != nil && m.run.wrote && m.run.job.disk.Path == j.disk.Path
	m.run = r
	m.turn(&workPage{})
	m.do(startJob{j, m.address})
}

// ended takes how a job ended.
func (m *model) ended(o outcome) {
	r := m.run
	r.job.initDone = o.initDone
	if o.received != nil {
		r.progress = o.received
	}
	if o.err == nil {
		r.wrote = false
		m.succeed()
		return
	}
	r.wrote = r.wrote || !o.refused
	if p := o.received; r.trouble.IsZero() || p != nil && p.BytesWritten > p.BytesReused {
		r.trouble = m.now
	}
	text := screen.Safe(o.err.Error())
	if m.alone() && o.again && r.attempts < maxAttempts && m.now.Sub(r.trouble) < maxRetry {
		m.turn(&againPage{text: text, at: m.now.Add(pause(r.attempts))})
		return
	}
	m.fail(m.failure(), r.job.image.ID, text, o.lines)
}

// failure is what a job that did not come to its end counts as: an attempt that was
// refused leaves a disk as the one before it did.
func (m *model) failure() catalog.Kind {
	if m.run != nil && m.run.wrote {
		return catalog.Failed
	}
	return catalog.Refused
}

// pause is how long an unattended machine waits after so many attempts.
func pause(attempts int) time.Duration {
	return min(time.Minute, 5*time.Second<<min(attempts-1, 4))
}

// giveUp ends an unattended run that no job is at work for.
func (m *model) giveUp(id image.ID, text string) { m.fail(m.failure(), id, text, nil) }

// fail tells people and server why the disk is not done.
func (m *model) fail(kind catalog.Kind, id image.ID, text string, lines []string) {
	e := catalog.Event{Machine: m.machine, Kind: kind, Image: id, Text: text}
	if m.run != nil && m.run.job.image.ID == id {
		e.Disk = diskLine(&m.run.job.disk)
	}
	if len(lines) > 0 {
		e.Output = (&tail{lines}).text()
	}
	m.do(tellServer{e})
	m.touched = true // what failed is for people
	m.turn(&failedPage{id: id, text: text, lines: lines, untouched: kind == catalog.Refused})
}

// succeed goes on to what comes after.
func (m *model) succeed() {
	r := m.run
	e := catalog.Event{Machine: m.machine, Kind: catalog.Installed, Image: r.job.image.ID, Disk: diskLine(&r.job.disk)}
	if p := r.progress; p != nil {
		e.Text = fmt.Sprintf("%s in %.0f s", screen.Bytes(p.BytesWritten), p.Seconds)
	}
	m.do(tellServer{e})
	d := &donePage{after: m.plan.After, in: afterPeople}
	if d.after == "" {
		d.after = catalog.Reboot
	}
	if m.alone() {
		d.in = afterAlone
	}
	m.touched = true
	d.at = m.now.Add(d.in)
	m.turn(d)
}

// imageID is of an image that may not be there.
func imageID(images []catalog.Image, i int) (id image.ID) {
	if i >= 0 {
		id = images[i].ID
	}
	return id
}

// workPage shows a job at work.
type workPage struct{}

func (*workPage) tick(*model) {}

func (*workPage) enter(m *model, word string) {
	if word == "stop" && !m.run.stopping {
		m.run.stopping = true
		m.do(stopJob{})
		return
	}
	if word != "" && word != "b" {
		m.said = "Only stop does anything now."
	}
}

func (*workPage) view(m *model, f *frame) {
	r := m.run
	f.body = r.job.summary()
	f.hints = []string{"stop (then the disk will not boot)"}
	f.prompt = "Type stop and Enter to stop"
	text := capital(string(r.stage))
	switch {
	case r.stopping:
		text = "Stopping"
	case r.stage == receiving && r.progress != nil:
		f.live, f.brief = r.progress.lines(), r.progress.brief()
		f.phase = string(r.stage) + r.progress.State + deref(r.progress.Waiting) + r.progress.notice
		return
	}
	text += ", " + screen.Duration(m.now.Sub(r.since))
	if r.attempts > 1 {
		text += fmt.Sprintf(", attempt %d", r.attempts)
	}
	f.live = []line{{text: "  " + text}, {}}
	for _, l := range r.lines[max(0, len(r.lines)-8):] {
		f.live = append(f.live, line{text: "  | " + l, style: faint})
	}
	f.brief, f.phase = text, string(r.stage)+fmt.Sprint(r.stopping)
	if n := len(r.lines); n > 0 {
		f.brief, f.phase = text+": "+r.lines[n-1], f.phase+r.lines[n-1]
	}
}

// capital begins a sentence.
func capital(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		s = string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return screen.Safe(*s)
}
