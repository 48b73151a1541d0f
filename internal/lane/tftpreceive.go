package lane

import (
	"io"
	"net/netip"

	"github.com/pin/tftp/v3"

	"github.com/pxecast/pxecast/internal/gate"
)

// receive is a transfer as the library does it.
func (c *Client) receive(at netip.AddrPort, n name, w io.Writer) error {
	client, err := tftp.NewClient(at.String())
	if err != nil {
		return err
	}
	if c.local.IsValid() {
		if err := client.SetLocalAddr(c.local.String()); err != nil {
			return err
		}
	}
	client.SetBlockSize(gate.Block)
	client.SetTimeout(gate.QuickWaits.First)
	client.SetRetries(gate.QuickWaits.Times)
	client.SetBackoff(gate.QuickWaits.Backoff)
	r, err := client.Receive(n.String(), "octet")
	if err != nil {
		return err
	}
	_, err = r.WriteTo(w)
	return err
}
