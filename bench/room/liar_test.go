package room

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/receiver"
)

// lies are what a peer can do to those who fetch from it, and what is said of it.
var lies = map[string]string{
	"corrupts": "serves wrong bytes",
	"hangs":    "does not answer in time",
	"closes":   "closes connections early",
	"lists":    "lists blocks that it does not have",
}

// asLiar in the environment makes this program a receiver that lies.
const asLiar = "PXECAST_ROOM_LIE"

// liar receives like all others, to the file os.Args[1], and is in the roster as
// they are; it lies to those who fetch from it.
func liar(lie string) error {
	network, err := mcast.Interface("eth0", mcast.Options{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	var heard receiver.Heard
	listening, stop := context.WithCancel(ctx)
	if err := receiver.Discover(listening, network, netip.Addr{}, func(h receiver.Heard) { heard = h; stop() }); err != nil && ctx.Err() != nil {
		return err
	}
	target, err := disk.Lock(os.Args[1], heard.RawSize)
	if err != nil {
		return err
	}
	defer target.Close()
	client := lane.NewClient(network.Addr())
	defer client.Close()
	_, err = receiver.Run(ctx, receiver.Config{
		Network: network, ID: 0x11e5, Name: "liar", Fetch: client, Linger: 2 * time.Second,
		Serve: func(ctx context.Context, st lane.Store) (receiver.Service, error) {
			return serveLies(ctx, lie, network.Addr(), st)
		},
	}, heard, target)
	return err
}

// lying is the program's own server, on the loopback, behind one that lies.
type lying struct {
	*lane.Server
	front http.Server
	addr  netip.AddrPort
}

func serveLies(ctx context.Context, lie string, addr netip.Addr, st lane.Store) (*lying, error) {
	honest, err := lane.Serve(ctx, lane.ServerConfig{Store: st, Addr: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		honest.Close()
		return nil, err
	}
	v := &lying{Server: honest, addr: l.Addr().(*net.TCPAddr).AddrPort()}
	v.front.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { v.answer(w, r, lie, st) })
	go v.front.Serve(l)
	return v, nil
}

func (v *lying) Addr() netip.AddrPort { return v.addr }

func (v *lying) Close() {
	v.front.Close()
	v.Server.Close()
}

var said sync.Once

// answer asks the honest server and answers with what the lie makes of it.
func (v *lying) answer(w http.ResponseWriter, r *http.Request, lie string, st lane.Store) {
	response, err := http.Get("http://" + v.Server.Addr().String() + r.RequestURI)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	status := response.StatusCode
	asked := strings.Contains(r.RequestURI, "/block/")
	if lie == "lists" && asked && everyThird(r.RequestURI) {
		status, b = http.StatusNotFound, nil
	}
	block := asked && status == http.StatusOK
	if asked && (lie == "lists") != block {
		said.Do(func() { fmt.Println(lied) })
	}
	whole := true
	switch {
	case lie == "lists" && strings.HasSuffix(r.RequestURI, "/have") && response.StatusCode == http.StatusOK:
		all := blockset.New(st.Manifest().Blocks())
		all.AddRange(0, all.Len())
		b = all.AppendBinary(nil)
	case lie == "corrupts" && block:
		b = bytes.Clone(b)
		b[len(b)/2] ^= 1
	case lie == "hangs" && block, lie == "closes" && block:
		whole = false
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.WriteHeader(status)
	if whole {
		w.Write(b)
		return
	}
	w.Write(b[:len(b)/2])
	http.NewResponseController(w).Flush()
	if lie == "hangs" {
		<-r.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

// everyThird says which blocks one that lists all never has: it may have the rest
// by the time that it is asked for it.
func everyThird(uri string) bool {
	sbn, err := strconv.Atoi(uri[strings.LastIndexByte(uri, '/')+1:])
	return err == nil && sbn%3 == 0
}

// lied is what a liar prints when it lies for the first time.
const lied = "lied"
