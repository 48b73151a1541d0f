package mcast

import "fmt"

// Options change how the sockets of a Network send. The zero value is useful.
type Options struct {
	// TTL is the number of routers multicast may cross plus one, 1 to 255;
	// default 1, the local network only.
	TTL int
	// NoGSO sends one datagram per message from the start, for kernels and
	// virtual network cards that corrupt segmented sends; default false.
	NoGSO bool
}

// validate fills in the defaults.
func (o Options) validate() (Options, error) {
	if o.TTL == 0 {
		o.TTL = 1
	}
	if o.TTL < 1 || o.TTL > 255 {
		return o, fmt.Errorf("ttl %d: want 1 to 255", o.TTL)
	}
	return o, nil
}
