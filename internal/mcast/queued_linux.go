package mcast

import "golang.org/x/sys/unix"

// Queued implements Conn by SIOCOUTQ (udp(7)): the kernel counts what the device
// has not yet taken, with its own overhead.
func (w *writer) Queued() (n int) {
	_ = control(w.raw, func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		return err
	})
	return n
}
