package lane

import (
	"io"
	"net/netip"

	"github.com/pin/tftp/v3"
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
	client.SetBlockSize(tftpBlock)
	client.SetTimeout(tftpWait)
	client.SetRetries(tftpAgain)
	client.SetBackoff(tftpBackoff)
	r, err := client.Receive(n.String(), "octet")
	if err != nil {
		return err
	}
	_, err = r.WriteTo(w)
	return err
}
