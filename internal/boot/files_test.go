package boot

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pin/tftp/v3"
	"github.com/pxecast/pxecast/internal/boot/tree"
)

const secret = "what nobody may read"

// served is a boot server on loopback, without DHCP.
type served struct {
	*server
	tftp netip.AddrPort
	web  string // host and port
	told chan Event
}

// serve serves a folder with a kernel of 3 MB in it, and with what should not be
// there; secrets lie beside it.
func serve(t *testing.T) *served {
	t.Helper()
	outside := t.TempDir()
	folder := filepath.Join(outside, "tree")
	put := func(name, text string) {
		t.Helper()
		os.MkdirAll(filepath.Dir(filepath.Join(outside, name)), 0o755)
		if err := os.WriteFile(filepath.Join(outside, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("secret", secret)
	put("tree/.hidden", secret)
	put("tree/grub/.hidden", secret)
	put("tree2/secret", secret)
	put("tree/vmlinuz", strings.Repeat("kernel..", 3<<17))
	put("tree/core.0", "loader")
	put("tree/grub/i386-pc/normal.mod", "module")
	for name, to := range map[string]string{
		"link": "../secret", "absolute": filepath.Join(outside, "secret"), "folder": "..", "rootfolder": "/", "chain": "link",
		"passwd": "/etc/passwd", "self": "self", "grub/up": "../../secret", "inside": "core.0", "dangling": "nowhere",
	} {
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &served{told: make(chan Event, 10000)}
	cfg := Config{Interface: "lo", Addr: netip.MustParseAddr("127.0.0.1"), Tree: folder, Events: func(e Event) { s.told <- e }}
	cfg.Menu = func(m Machine) Menu { return Menu{Serial: 9600, Args: []string{"for=" + m.MAC}} }
	cfg.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "API") })
	if err := cfg.validate(); err != nil {
		t.Fatal(err)
	}
	s.server = &server{cfg: cfg, http: netip.MustParseAddrPort("127.0.0.1:0"), subnet: netip.MustParsePrefix("127.0.0.0/8"), tree: tree.Tree(folder)}
	l, err := s.listenHTTP()
	if err != nil {
		t.Fatal(err)
	}
	s.web = l.Addr().String()
	tftp, err := s.startTFTP(t.Context(), 0, 1500)
	if err != nil {
		t.Fatal(err)
	}
	s.tftp = tftp.Addr()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.serveHTTP(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// next waits for an event of a kind.
func (s *served) next(t *testing.T, kind EventKind) Event {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case e := <-s.told:
			if e.Kind == kind {
				return e
			}
		case <-late:
			t.Fatalf("no event %q", kind)
		}
	}
}

// traversals are names that lead out of the tree, or try to, and names of what is in
// it but not to be had.
func traversals() (all []string) {
	all = []string{
		"", ".", "..", "/", "//", "../", "/..", "./.", "...", ".../secret", "....//secret", "..;/secret", "~/secret", "~root/secret",
		".hidden", "grub/.hidden", "/.hidden", "grub", "grub/", "grub/i386-pc", "pipe", "link", "absolute", "folder/secret", "folder/tree2/secret", "folder",
		"rootfolder/etc/passwd", "chain", "passwd", "self", "grub/up", "dangling", "core.0/x", "core.0/../core.0", "vmlinuz/..", "nowhere",
		"C:\\secret", "C:/secret", "\\\\server\\secret", "file:///etc/passwd", "http://127.0.0.1/x", "secret", "tree2/secret", "core.0\x01", "core.0\n", "core.0;x",
		"%2e%2e/secret", "..%2fsecret", "%2e%2e%2fsecret", "..%5csecret", "..%c0%afsecret", "%252e%252e/secret", "..\xc0\xafsecret", "\xc0\xae\xc0\xae/secret",
		"．．/secret", "‥/secret", "..∕secret", strings.Repeat("a", 256), strings.Repeat("x/", 200) + "y", "*", "cor*", "core.?", "$HOME/secret", "`id`", "core.0|id",
	}
	for _, up := range []string{"../", "..\\", "/../", "\\..\\", "./../", "..//", "..\\/", "/..//", "..././", "grub/../../", "grub\\..\\..\\", "grub/./../../", "vmlinuz/../../", "folder/../", "\xff../"} {
		all = append(all, up+"secret", strings.Repeat(up, 12)+"etc/passwd", up+"tree2/secret")
	}
	return all
}

// tftpAsk sends a request and returns the first answer.
func tftpAsk(t *testing.T, at netip.AddrPort, opcode byte, name string) []byte {
	t.Helper()
	c, err := net.Dial("udp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	u.SetDeadline(time.Now().Add(20 * time.Second))
	u.WriteToUDPAddrPort([]byte("\x00"+string(opcode)+name+"\x00octet\x00"), at)
	b := make([]byte, 2000)
	n, from, err := u.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatalf("no answer to %q: %v", name, err)
	}
	if b[1] != 5 { // let it forget us
		u.WriteToUDPAddrPort([]byte{0, 5, 0, 0, 0}, from)
	}
	return b[:n]
}

func TestTFTPLeavesTheTreeAlone(t *testing.T) {
	s := serve(t)
	n := 0
	for _, name := range traversals() {
		if len(name) > 400 {
			continue // no request has room for it
		}
		n++
		if b := tftpAsk(t, s.tftp, 1, name); b[1] != 5 || bytes.Contains(b, []byte(secret)) {
			t.Errorf("%q is answered with %.60q", name, b)
		}
	}
	if n < 50 {
		t.Errorf("only %d names were tried", n)
	}
	for _, name := range []string{"new", "core.0", "../new", "/tmp/new"} {
		if b := tftpAsk(t, s.tftp, 2, name); b[1] != 5 || !strings.Contains(string(b), "read on") {
			t.Errorf("writing %q is answered with %.60q", name, b)
		}
	}
}

// httpAsk sends a request as it is written and returns the answer's status and body.
func httpAsk(t *testing.T, at, method, target string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp4", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, target)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%q: %v", target, err)
	}
	body, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(body)
}

func TestHTTPLeavesTheTreeAlone(t *testing.T) {
	s := serve(t)
	n := 0
	for _, name := range traversals() {
		for _, target := range []string{"/" + name, name, "/v1/../" + name} {
			if target == "" || strings.ContainsAny(target, " \r\n") {
				continue // is no request line
			}
			n++
			status, body := httpAsk(t, s.web, "GET", target)
			if status < 400 && body != "API" || strings.Contains(body, secret) || strings.Contains(body, "root:") {
				t.Errorf("%q is answered with %d %.60q", target, status, body)
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d names were tried", n)
	}
	for _, method := range []string{"PUT", "POST", "DELETE", "PATCH", "MKCOL"} {
		if status, _ := httpAsk(t, s.web, method, "/core.0"); status != http.StatusMethodNotAllowed {
			t.Errorf("%s is answered with %d", method, status)
		}
	}
}

// How firmware and boot loaders write the names of what there is.
func TestNamesOfFirmware(t *testing.T) {
	s := serve(t)
	for _, name := range []string{"core.0", "/core.0", "//core.0", `\core.0`, "core.0\xff", "/core.0\xff\xff", "inside",
		"/grub/i386-pc/normal.mod", "/grub//i386-pc/normal.mod", `\grub\i386-pc\normal.mod`, "grub/grub.cfg", "/grub/grub.cfg"} {
		if b := tftpAsk(t, s.tftp, 1, name); b[1] != 3 {
			t.Errorf("%q: %.60q", name, b)
		}
	}
	for _, target := range []string{"/core.0", "//core.0", "/inside", "/grub/i386-pc/normal.mod", "/boot.ipxe", "/boot.ipxe?mac=52:54:00:12:34:56", "http://x/core.0"} {
		if status, body := httpAsk(t, s.web, "GET", target); status != 200 || body == "" {
			t.Errorf("%q: %d", target, status)
		}
	}
	if _, body := httpAsk(t, s.web, "GET", "/v1/offer"); body != "API" {
		t.Errorf("the API answers %q", body)
	}
}

// Both menus are the machine's own, by its card's address.
func TestMenusAreOfTheMachine(t *testing.T) {
	s := serve(t)
	for _, name := range []string{"grub/machine/52:54:00:12:34:56", "grub/grub.cfg-01-52-54-00-12-34-56"} {
		if b := tftpAsk(t, s.tftp, 1, name); !strings.Contains(fetch(t, s, name), "for=52:54:00:12:34:56") {
			t.Errorf("%s: %q", name, b)
		}
	}
	if text := fetch(t, s, "grub/machine/any"); !strings.Contains(text, "for= ") {
		t.Errorf("any machine's menu: %q", text)
	}
	if _, body := httpAsk(t, s.web, "GET", "/boot.ipxe?mac=52-54-00-12-34-56"); !strings.Contains(body, "for=52:54:00:12:34:56") {
		t.Errorf("%q", body)
	}
	if b := tftpAsk(t, s.tftp, 1, "grub/machine/52:54"); b[1] != 5 {
		t.Errorf("half an address has a menu: %q", b)
	}
}

// fetch gets a file by TFTP.
func fetch(t *testing.T, s *served, name string) string {
	t.Helper()
	c, err := tftp.NewClient(s.tftp.String())
	if err != nil {
		t.Fatal(err)
	}
	c.SetBlockSize(1468)
	w, err := c.Receive(name, "octet")
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var b strings.Builder
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b.String()
}

// Of each file that goes out is told when it begins and how it ends.
func TestTransfersAreTold(t *testing.T) {
	s := serve(t)
	if got := fetch(t, s, "/vmlinuz"); len(got) != 3<<20 {
		t.Errorf("%d bytes by TFTP", len(got))
	}
	e := s.next(t, Loading)
	if e.What != "vmlinuz" || e.By != "TFTP" || e.Size != 3<<20 || e.Addr.String() != "127.0.0.1" {
		t.Errorf("%+v", e)
	}
	if e = s.next(t, Loaded); e.Sent != 3<<20 {
		t.Errorf("%+v", e)
	}
	if status, body := httpAsk(t, s.web, "GET", "/vmlinuz"); status != 200 || len(body) != 3<<20 {
		t.Errorf("%d, %d bytes by HTTP", status, len(body))
	}
	s.next(t, Loading)
	if e = s.next(t, Loaded); e.Sent != 3<<20 || e.By != "HTTP" {
		t.Errorf("%+v", e)
	}
	httpAsk(t, s.web, "GET", "/initrd.img")
	if e = s.next(t, Failed); e.What != "/initrd.img" || e.Text != "no such file" {
		t.Errorf("%+v", e)
	}
}

// Whoever makes up names fills neither memory nor the log with them.
func TestOddNamesAreToldOnce(t *testing.T) {
	s := serve(t)
	for i := range 20 {
		httpAsk(t, s.web, "GET", fmt.Sprintf("/%d%s", i, strings.Repeat("x", 9000)))
	}
	if len(s.told) != 1 {
		t.Errorf("%d events", len(s.told))
	}
	if e := s.next(t, Failed); len(e.What) > 300 {
		t.Errorf("a name of %d bytes is told", len(e.What))
	}
	for said := range s.known.said {
		if len(said) > 300 {
			t.Errorf("%d bytes are remembered", len(said))
		}
	}
}

// A ROM asks for the size first and breaks off: that is no failure. One that breaks
// off in the middle of the file is.
func TestBrokenOffTransfers(t *testing.T) {
	s := serve(t)
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	u.SetDeadline(time.Now().Add(20 * time.Second))
	// ask breaks off when it has the block of that number; 0 is the answer to the option.
	ask := func(last byte) {
		u.WriteToUDPAddrPort([]byte("\x00\x01vmlinuz\x00octet\x00tsize\x000\x00"), s.tftp)
		b := make([]byte, 2000)
		for got := byte(0); ; {
			k, from, err := u.ReadFromUDPAddrPort(b)
			if err != nil {
				t.Fatal(err)
			}
			if b[1] == 6 && string(b[:k]) != "\x00\x06tsize\x003145728\x00" {
				t.Fatalf("%q", b[:k])
			}
			if b[1] == 3 {
				got = b[3]
			}
			if got == last {
				u.WriteToUDPAddrPort([]byte{0, 5, 0, 0, 'x', 0}, from)
				return
			}
			u.WriteToUDPAddrPort([]byte{0, 4, 0, got}, from)
		}
	}
	ask(0)
	ask(2)
	if e := <-s.told; e.Kind != Loading || e.What != "vmlinuz" {
		t.Errorf("%+v", e)
	}
	if e := s.next(t, Failed); e.Sent != 1024 {
		t.Errorf("%+v", e)
	}
}

// More blocks than their numbers have bits: the numbers begin again, as clients expect
// that load ramdisks with the blocks of 512 bytes that they have without options.
func TestBlockNumbersGoRound(t *testing.T) {
	s := serve(t)
	const size = 65536*512 + 1000
	f, err := os.Create(filepath.Join(string(s.tree), "big"))
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("the end"), size-7)
	f.Close()
	c, err := tftp.NewClient(s.tftp.String())
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Receive("big", "octet")
	if err != nil {
		t.Fatal(err)
	}
	var tail last
	n, err := w.WriteTo(&tail)
	if err != nil || n != size || !bytes.HasSuffix(tail.kept, []byte("the end")) {
		t.Errorf("%d bytes, %v, at the end %q", n, err, tail.kept[max(0, len(tail.kept)-10):])
	}
}

// last keeps what was written last.
type last struct{ kept []byte }

func (l *last) Write(p []byte) (int, error) {
	l.kept = append(l.kept[:0], p...)
	return len(p), nil
}

func TestOwnAddressesAreNotGivenOut(t *testing.T) {
	s := &server{cfg: Config{Interface: "lo", DHCP: DHCP{Mode: Full}}}
	if all := s.setup().Never; !slices.Contains(all, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("only %v", all)
	}
}

func TestTakenPortsAreNamed(t *testing.T) {
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	port := u.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	s := &server{cfg: Config{Addr: netip.MustParseAddr("127.0.0.1")}}
	_, err = s.startTFTP(t.Context(), port, 1500)
	want := fmt.Sprintf("boot.test (pid %d) has UDP port %d: end it first", os.Getpid(), port)
	if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v, want %s", err, want)
	}
}
