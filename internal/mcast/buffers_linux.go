package mcast

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// bufferBytes holds the largest UDP datagram and the largest row of them
	// that the kernel coalesces: both are IPv4 packets of at most 64 KiB.
	bufferBytes = 64 << 10

	// controlBytes holds the one control message that is asked for: the segment
	// size of a coalesced row, an int.
	controlBytes = 32
)

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	n      uint32 // bytes received or sent
}

// buffers is where the kernel puts what one recvmmsg brings.
type buffers struct {
	size     int
	data     []byte
	headers  []mmsghdr
	iovecs   []unix.Iovec
	names    []unix.RawSockaddrInet4
	controls [][controlBytes]byte
}

// newBuffers returns buffers for n messages of size bytes each. The headers
// point into the slices beside them, which never move.
func newBuffers(n, size int) *buffers {
	u := &buffers{
		size:     size,
		data:     make([]byte, n*size),
		headers:  make([]mmsghdr, n),
		iovecs:   make([]unix.Iovec, n),
		names:    make([]unix.RawSockaddrInet4, n),
		controls: make([][controlBytes]byte, n),
	}
	for i := range u.headers {
		u.iovecs[i].Base = &u.data[i*size]
		u.iovecs[i].SetLen(size)
		h := &u.headers[i].header
		h.Iov = &u.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&u.names[i]))
		h.Control = &u.controls[i][0]
	}
	return u
}

// receive calls recvmmsg once, without waiting. MSG_TRUNC asks for the length
// that a message had, not the length that was stored.
func (u *buffers) receive(fd uintptr) (int, syscall.Errno) {
	for i := range u.headers { // the kernel wrote the lengths it used
		h := &u.headers[i].header
		h.Namelen = unix.SizeofSockaddrInet4
		h.SetControllen(controlBytes)
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd,
		uintptr(unsafe.Pointer(&u.headers[0])), uintptr(len(u.headers)), unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// message returns message i of the last receive. truncated is how many
// datagrams were dropped because the message was longer than its buffer: never,
// unless the buffers are smaller than bufferBytes.
func (u *buffers) message(i int) (m message, truncated int) {
	h := &u.headers[i]
	n := int(h.n)
	size := segmentSize(u.controls[i][:h.header.Controllen])
	if size <= 0 {
		size = n
	}
	if h.header.Flags&unix.MSG_TRUNC != 0 {
		return message{}, rowLen(n, size)
	}
	start := i * u.size
	return message{data: u.data[start : start+n : start+n], size: size, from: addrPort(&u.names[i])}, 0
}

// segmentSize finds the UDP_GRO control message, an int; 0 if there is none.
func segmentSize(control []byte) int {
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		n := int(h.Len)
		if n < unix.SizeofCmsghdr || n > len(control) {
			return 0
		}
		if h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && n >= unix.CmsgLen(4) {
			return int(int32(binary.NativeEndian.Uint32(control[unix.CmsgLen(0):])))
		}
		control = control[min(unix.CmsgSpace(n-unix.CmsgLen(0)), len(control)):]
	}
	return 0
}

func addrPort(name *unix.RawSockaddrInet4) netip.AddrPort {
	port := (*[2]byte)(unsafe.Pointer(&name.Port)) // network byte order
	return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), binary.BigEndian.Uint16(port[:]))
}

func rawAddr(a netip.AddrPort) unix.RawSockaddrInet4 {
	raw := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
	port := (*[2]byte)(unsafe.Pointer(&raw.Port))
	binary.BigEndian.PutUint16(port[:], a.Port())
	return raw
}
