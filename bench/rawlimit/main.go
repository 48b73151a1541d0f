// Rawlimit is the limit that no program on our sockets can pass: the same
// datagrams as pxecast's, sent and received by the same code, and no work done
// on what is in them. Host 0 of a lab sends, the others receive:
//
//	rawlimit send --interface eth0 --bytes 400000000 --receivers 8
//	rawlimit receive --interface eth0
//
// The receivers tell how much has arrived, and the sender keeps less in flight
// than their sockets hold: that nothing is dropped is the only protocol. A
// network that loses is an error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// group is where the datagrams go, in the range for use inside one site
// (RFC 2365).
var group = netip.MustParseAddrPort("239.77.77.77:7777")

// patience ends a run whose other side is gone, or that lost a datagram.
const patience = 10 * time.Second

var errSilent = fmt.Errorf("nothing was heard for %v: the other side is gone, or a datagram was lost", patience)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rawlimit:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say send or receive")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	card := flags.String("interface", "", "network interface (default: the only one)")
	bytes := flags.Int64("bytes", 0, "bytes of symbols to send")
	receivers := flags.Int("receivers", 1, "how many receivers to wait for")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	network, err := mcast.Interface(*card, mcast.Options{})
	if err != nil {
		return err
	}
	symbol := protocol.SymbolSize(network.MTU())
	switch {
	case args[0] == "receive":
		return receive(ctx, network)
	case args[0] != "send":
		return fmt.Errorf("%q is neither send nor receive", args[0])
	case *bytes < 1 || *receivers < 1:
		return errors.New("send needs --bytes and --receivers of at least 1")
	}
	return send(ctx, network, symbol, *bytes, *receivers)
}
