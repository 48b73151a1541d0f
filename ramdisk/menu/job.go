package menu

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
)

// job is one image on one disk.
type job struct {
	image    catalog.Image
	disk     disk.Info
	key      trust.PublicKey // signed the offer: the session must be of the same server
	machine  catalog.Machine
	network  Network
	verify   bool
	initDone bool // in an earlier attempt
}

// stage is what a job is at.
type stage string

// The stages, in their order.
const (
	asking    stage = "asking the server for a session"
	preparing stage = "running the image's init script"
	waiting   stage = "waiting for the session"
	receiving stage = "receiving"
	finishing stage = "running the image's post script"
)

// outcome is how a job ended.
type outcome struct {
	err      error
	refused  bool     // nothing was written
	again    bool     // trying again may help without anybody's doing
	lines    []string // the last ones of the script that failed
	initDone bool
	received *progress // the last that was heard of receiving; nil for none
}

// runner carries out jobs.
type runner struct {
	cfg    *Config
	server *server
	tell   func(catalog.Event)   // the server
	stage  func(stage, []string) // with the last lines of a script
	got    func(progress)        // while it receives

	asking  atomic.Bool    // the server for the session again
	answers sync.WaitGroup // to that
}

// run carries out j. Both scripts are there and checked before anything is
// written, so a changed one leaves the disk alone, and the machine finishes
// without the server.
func (r *runner) run(ctx context.Context, j job) outcome {
	o := outcome{refused: true, initDone: j.initDone}
	fail := func(err error) outcome {
		o.err = err
		// A server's no, too, may be another one in a moment: it was started again
		// and still looks through its images.
		o.again = !errors.Is(err, errChanged) && !errors.Is(err, errDisk)
		return o
	}
	r.stage(asking, nil)
	var scripts [2][]byte
	for i, s := range []*catalog.Script{j.image.Init, j.image.Post} {
		if s == nil {
			continue
		}
		var err error
		if scripts[i], err = r.server.script(ctx, s); err != nil {
			return fail(fmt.Errorf("%s script: %w", scriptNames[i], err))
		}
	}
	if j.image.Init != nil && !j.initDone {
		o.refused = false // it may have written
		if err := r.script(ctx, preparing, 0, j.image.Init, scripts[0], &j, &o); err != nil {
			o.err = err
			return o
		}
		o.initDone = true
	}
	if err := r.server.session(ctx, j.machine, j.image.ID); err != nil {
		return fail(err)
	}
	o.refused = false
	r.stage(waiting, nil)
	last, err := r.receive(ctx, &j)
	o.received = last
	if err != nil {
		return fail(err)
	}
	if j.image.Post != nil {
		o.err = r.script(ctx, finishing, 1, j.image.Post, scripts[1], &j, &o)
	}
	return o
}

// receive receives the image. A server that was started again knows nothing of the
// session that it sent before: so it is asked for it while the sender is silent.
func (r *runner) receive(ctx context.Context, j *job) (*progress, error) {
	within, stop := context.WithCancel(ctx)
	defer r.answers.Wait()
	defer stop()
	return receive(ctx, r.cfg, j, r.server.address, func(p progress) {
		r.stage(receiving, nil)
		r.got(p)
		if p.orphan && r.asking.CompareAndSwap(false, true) {
			r.answers.Go(func() {
				defer r.asking.Store(false)
				r.server.session(within, j.machine, j.image.ID) // a no changes nothing: others may have what is lacking
			})
		}
	})
}

var scriptNames = [2]string{"init", "post"}

// script runs one and tells the server how it went.
func (r *runner) script(ctx context.Context, at stage, which int, s *catalog.Script, body []byte, j *job, o *outcome) error {
	name := scriptNames[which]
	r.stage(at, nil)
	out := new(tail)
	exit, err := runScript(ctx, r.cfg.Temp, name, body, s.Timeout, j.environment(r.server.address), out, func() {
		r.stage(at, append([]string(nil), out.lines...))
	})
	e := catalog.Event{Machine: j.machine, Kind: catalog.Ran, Image: j.image.ID, Disk: diskLine(&j.disk), Script: name, Exit: exit, Output: out.text()}
	if err != nil {
		e.Text = err.Error()
		o.lines = out.lines
	}
	r.tell(e)
	return err
}

// environment is what scripts get.
func (j *job) environment(server string) []string {
	prefix := j.disk.Path
	if c := prefix[len(prefix)-1]; c >= '0' && c <= '9' {
		prefix += "p" // nvme0n1p1, as the kernel names them
	}
	m := &j.machine
	host, _, _ := strings.Cut(server, ":")
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb",
		"PXECAST_DISK=" + j.disk.Path, "PXECAST_PARTITION_PREFIX=" + prefix,
		"PXECAST_IMAGE=" + screen.Safe(j.image.Name), "PXECAST_IMAGE_ID=" + j.image.ID.String(),
		"PXECAST_MAC=" + m.MAC, "PXECAST_UUID=" + m.UUID, "PXECAST_SERIAL=" + m.Serial, "PXECAST_VENDOR=" + m.Vendor,
		"PXECAST_PRODUCT=" + m.Product, "PXECAST_HOSTNAME=" + m.Name, "PXECAST_FIRMWARE=" + m.Firmware,
		"PXECAST_ADDRESS=" + j.network.Address, "PXECAST_SERVER=" + host,
	}
}

// diskLine names a disk on one line.
func diskLine(d *disk.Info) string {
	s := d.Path + ", " + screen.Bytes(d.Size)
	if d.Model != "" {
		s += ", " + screen.Safe(d.Model)
	}
	if d.Serial != "" {
		s += ", serial " + screen.Safe(d.Serial)
	}
	return s
}
