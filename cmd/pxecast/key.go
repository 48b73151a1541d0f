package main

import (
	"fmt"

	"github.com/pxecast/pxecast/internal/trust"
	"github.com/urfave/cli/v2"
)

func (p *program) keyCommand() *cli.Command {
	return &cli.Command{
		Name: "key", Usage: "show this machine's sender key and its fingerprint",
		UsageText: "pxecast key [--json]",
		Description: "Receivers accept a sender by its public key: `receive --trust KEY`, or a line in\n" +
			"/etc/pxecast/trusted. The fingerprint is for comparing by eye. The secret key is made\n" +
			"at first use and never leaves this machine.\n\n" +
			examples("pxecast key", "pxecast receive --disk /dev/sda --trust KEY"),
		Flags:  []cli.Flag{jsonFlag("print one JSON object")},
		Action: p.key,
	}
}

func (p *program) key(c *cli.Context) error {
	path, key, err := senderKey()
	if err != nil {
		return err
	}
	public := key.Public()
	if c.Bool("json") {
		return p.object(struct {
			PublicKey   string `json:"public_key"`
			Fingerprint string `json:"fingerprint"`
			Path        string `json:"path"`
		}{public.String(), public.Fingerprint(), path})
	}
	_, err = fmt.Fprintf(p.out, "public key   %s\nfingerprint  %s\nsecret key   %s\n", public, public.Fingerprint(), path)
	return err
}

// senderKey returns this machine's key, made now if there is none.
func senderKey() (path string, key *trust.Key, err error) {
	if path, err = trust.DefaultKeyPath(); err != nil {
		return "", nil, err
	}
	key, _, err = trust.LoadOrCreateKey(path)
	return path, key, err
}
