package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pxecast/pxecast/internal/boot"
	"github.com/pxecast/pxecast/internal/mcast"
)

// Check returns what on this machine or its network would be in a server's way. It
// changes nothing, and takes some seconds.
func Check(ctx context.Context, set Settings, network mcast.Network) []boot.Finding {
	var all []boot.Finding
	switch list, err := os.ReadDir(set.Images); {
	case errors.Is(err, fs.ErrNotExist) && set.Images == DefaultImages:
		all = append(all, boot.Finding{What: "there are no images", Why: "the folder " + set.Images + " is not there: it is made at the first start", Do: "put images into it, also while pxecast serves"})
	case err != nil:
		all = append(all, boot.Finding{Fatal: true, What: "there are no images", Why: err.Error(), Do: "make the folder, and put images into it; --images names another"})
	case len(list) == 0:
		all = append(all, boot.Finding{What: "there are no images", Why: fmt.Sprintf("the folder %s is empty", set.Images), Do: "put images into it, also while pxecast serves"})
	}
	if set.Querier == "off" {
		all = append(all, boot.Finding{What: "pxecast does not ask who wants multicast", Why: "the querier is off", Do: "leave it on auto, unless a router or switch asks: switches that filter multicast forget the machines after some minutes else"})
	}
	cfg, err := set.boot(network)
	if err != nil {
		return append(all, boot.Finding{Fatal: true, What: "the settings are wrong", Why: err.Error(), Do: "correct them"})
	}
	return append(all, boot.Check(ctx, cfg)...)
}
