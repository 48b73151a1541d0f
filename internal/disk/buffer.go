package disk

import "unsafe"

// AlignedBuffer returns n bytes of zeroed memory that start at a multiple of
// 4096, as WriteBlock and ReadBlock need to reach the disk without a copy.
func AlignedBuffer(n int) []byte {
	b := make([]byte, n+pageSize-1)
	skip := -int(address(b)) & (pageSize - 1)
	return b[skip : skip+n : skip+n]
}

func address(p []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p))) }
