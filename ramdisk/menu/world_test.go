package menu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/trust"
	"golang.org/x/sys/unix"
)

const inNamespace = "PXECAST_TEST_NAMESPACE"

// TestMain puts the tests on the loopback of a network namespace of their own
// where they may be root, for they send real images by multicast.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Geteuid() == 0 && os.Getenv(inNamespace) == "" {
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(cmd.ProcessState.ExitCode())
	}
	if os.Getenv(inNamespace) != "" {
		if err := loopbackUp(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// built is the program itself, built once.
var built struct {
	sync.Once
	dir string
	err error
}

func program(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "pxecast-menu-"); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", built.dir+"/pxecast", "github.com/pxecast/pxecast/cmd/pxecast").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir + "/pxecast"
}

// world is a boot server with one image, and a machine with two consoles and a
// file for a disk.
type world struct {
	t            *testing.T
	dir, pxecast string
	key          *trust.Key
	raw          []byte // what the disk is to hold
	offer        catalog.Offer
	scripts      map[string][]byte
	forge        bool   // scripts come changed
	other        string // machine that offers are for; "" the one that asks
	address      string
	http         *httptest.Server
	mu           sync.Mutex
	sender       *exec.Cmd
	senders      sync.WaitGroup
	rate         string
	events       chan catalog.Event
	power        chan bool
	vt, serial   *terminal
}

const worldSize = 8 << 20

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), pxecast: program(t), rate: "auto", scripts: make(map[string][]byte), events: make(chan catalog.Event, 100), power: make(chan bool, 10)}
	var err error
	if w.key, _, err = trust.LoadOrCreateKey(w.dir + "/key"); err != nil {
		t.Fatal(err)
	}
	w.raw = make([]byte, worldSize)
	for i := range w.raw { // not to be compressed away, and nothing to be zeroed
		w.raw[i] = byte(i*i>>7 ^ i>>3*31)
	}
	w.write("lab.img", w.raw)
	w.write("disk", bytes.Repeat([]byte("old"), worldSize))
	w.write("root/run/pxecast/net", []byte("INTERFACE=lo\nADDRESS=127.0.0.1/8\nMAC=52:54:00:12:34:56\n"))
	w.write("root/proc/meminfo", []byte("MemTotal:        1000000 kB\n"))
	w.pack()
	w.vt, w.serial = newTerminal(t, true), newTerminal(t, true)
	w.serve()
	t.Cleanup(w.close)
	return w
}

func (w *world) write(name string, b []byte) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run(args ...string) *exec.Cmd {
	cmd := exec.Command(w.pxecast, args...)
	cmd.Env = append(os.Environ(), "PXECAST_KEY="+w.dir+"/key", "PXECAST_CACHE="+w.dir+"/cache", "HOME="+w.dir)
	cmd.Stderr = os.Stderr
	return cmd
}

func (w *world) pack() {
	w.t.Helper()
	pack := w.run("pack", w.dir+"/lab.img")
	pack.Stderr = nil
	err := pack.Run()
	out, err2 := w.run("inspect", "--json", w.dir+"/lab.img").Output()
	var got struct {
		ID     image.ID `json:"image_id"`
		Raw    int64    `json:"raw_bytes"`
		Packed int64    `json:"packed_bytes"`
	}
	if err := errors.Join(err, err2, json.Unmarshal(out, &got)); err != nil {
		w.t.Fatal(err)
	}
	w.offer = catalog.Offer{Server: "srv", Images: []catalog.Image{{ID: got.ID, Name: "lab", Title: "The lab", RawSize: got.Raw, PackedSize: got.Packed}}}
}

// script gives the image one.
func (w *world) script(body string, timeout time.Duration) *catalog.Script {
	d := image.Sum([]byte(body))
	w.scripts[d.String()] = []byte(body)
	return &catalog.Script{Digest: d, Size: len(body), Timeout: timeout}
}

// serve starts the server, at the same address as before.
func (w *world) serve() {
	w.t.Helper()
	if w.address == "" {
		w.address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp4", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.address = l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+catalog.OfferPath, func(rw http.ResponseWriter, r *http.Request) {
		m, n, err := catalog.ParseQuery(r.URL.Query())
		o := w.offer
		o.For = m
		if w.other != "" {
			o.For.MAC = w.other
		}
		b, err2 := catalog.Sign(&o, n, w.key)
		if err := errors.Join(err, err2); err != nil {
			w.t.Error(err)
		}
		rw.Write(b)
	})
	mux.HandleFunc("GET "+catalog.ScriptsPath+"{digest}", func(rw http.ResponseWriter, r *http.Request) {
		rw.Write(w.scripts[r.PathValue("digest")])
		if w.forge {
			io.WriteString(rw, "rm -rf /tmp/everything\n")
		}
	})
	mux.HandleFunc("POST "+catalog.SessionsPath, w.session)
	mux.HandleFunc("POST "+catalog.EventsPath, func(rw http.ResponseWriter, r *http.Request) {
		var e catalog.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			w.t.Error(err)
		}
		w.events <- e
	})
	w.http = &httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	w.http.Start()
}

// session has a real sender send the image.
func (w *world) session(rw http.ResponseWriter, r *http.Request) {
	var q catalog.Request
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.Image != w.offer.Images[0].ID {
		w.t.Errorf("%+v, %v", q, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sender == nil {
		cmd := w.run("send", w.dir+"/lab.img", "--interface", "lo", "--linger", "0s", "--rate", w.rate, "--json")
		cmd.Stderr = nil
		if err := cmd.Start(); err != nil {
			w.t.Error(err)
		}
		w.sender = cmd
		w.senders.Go(func() {
			cmd.Wait()
			w.mu.Lock()
			w.sender = nil
			w.mu.Unlock()
		})
	}
	json.NewEncoder(rw).Encode(catalog.Session{Image: q.Image, Name: "lab"})
}

// crash ends the server, its session too.
func (w *world) crash() {
	w.http.CloseClientConnections()
	w.http.Close()
	w.mu.Lock()
	if w.sender != nil {
		w.sender.Process.Kill()
	}
	w.mu.Unlock()
	w.senders.Wait()
}

func (w *world) close() { w.crash() }

// boot starts the menu with the words of a kernel command line beside the usual.
func (w *world) boot(words string, disks ...disk.Info) {
	w.t.Helper()
	if !strings.Contains(words, "pxecast.trust=") {
		words += " pxecast.trust=" + w.key.Public().String()
	}
	if disks == nil {
		disks = []disk.Info{w.disk()}
	}
	cfg := Config{
		Consoles: []Console{{w.vt.path, ScreenConsole}, {w.serial.path, LineConsole}},
		Options:  ParseOptions("pxecast.server=" + w.address + " " + words),
		Program:  w.pxecast, Shell: []string{"/bin/sh", "-c", "PS1='ready> ' exec /bin/sh -i"}, Root: w.dir + "/root", Trusted: w.dir + "/none", Temp: w.dir,
		Disks: func() ([]disk.Info, error) { return disks, nil },
		Power: func(off bool) error { w.power <- off; return nil },
	}
	ctx, stop := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := Run(ctx, cfg); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(func() {
		began := time.Now()
		stop()
		running.Wait()
		if d := time.Since(began); d > 30*time.Second {
			w.t.Errorf("the menu took %v to end", d)
		}
	})
}

func (w *world) disk() disk.Info {
	path := w.dir + "/disk"
	return disk.Info{Path: path, Device: path, Kind: disk.WholeDisk, Size: 3 * worldSize, Model: "A file", Serial: "F1", Contents: "blank"}
}

// event waits for the next one.
func (w *world) event(kind catalog.Kind) catalog.Event {
	w.t.Helper()
	select {
	case e := <-w.events:
		if e.Kind != kind {
			w.t.Fatalf("the server was told %+v, want %s", e, kind)
		}
		return e
	case <-time.After(40 * time.Second):
		w.t.Fatalf("the server was not told of %s", kind)
	}
	panic("not reached")
}

// imaged: the disk begins with the image.
func (w *world) imaged() bool {
	w.t.Helper()
	b, err := os.ReadFile(w.dir + "/disk")
	if err != nil {
		w.t.Fatal(err)
	}
	return bytes.HasPrefix(b, w.raw)
}

// untouched: the disk is as it was.
func (w *world) untouched() bool {
	b, err := os.ReadFile(w.dir + "/disk")
	return err == nil && bytes.Equal(b, bytes.Repeat([]byte("old"), worldSize))
}
