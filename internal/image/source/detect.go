package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

// A Form is how an image is stored.
type Form int

// The forms that are read. FormRaw is whatever is none of the others.
const (
	FormRaw Form = iota
	FormGzip
	FormXz
	FormZstd
	FormBzip2
	FormQcow2
	FormVmdk
	FormVhdx
	formOther // known, and not read
)

// String names the form as its users do, and as qemu-img does.
func (f Form) String() string {
	return [...]string{"raw", "gzip", "xz", "zstd", "bzip2", "qcow2", "vmdk", "vhdx", "other"}[f]
}

// container reports whether the form is a virtual disk that qemu-img reads.
func (f Form) container() bool { return f == FormQcow2 || f == FormVmdk || f == FormVhdx }

// headSize is how much of an input tells its form: the longest signature ends
// at byte 68.
const headSize = 512

// Detect tells the form of an input by its first bytes, 512 of them or as many as
// there are. The error says what else it is, and begins with a verb: "is a zip
// archive: unpack it first".
func Detect(head []byte) (Form, error) { return detect(head[:min(headSize, len(head))], true) }

// A signature is how the files of a form begin.
type signature struct {
	form   Form
	offset int
	magic  string
	sane   func(head []byte) bool // nil, or whether the rest of the header fits too
	what   string                 // of formOther: what it is
	hint   string                 // of formOther: what to do
}

var signatures = []signature{
	{form: FormGzip, magic: "\x1f\x8b\x08", sane: saneGzip},
	{form: FormXz, magic: "\xfd7zXZ\x00"},
	{form: FormZstd, magic: "\x28\xb5\x2f\xfd", sane: saneZstd},
	{form: FormBzip2, magic: "BZh", sane: saneBzip2},
	{form: FormQcow2, magic: "QFI\xfb\x00\x00\x00"},
	{form: FormVmdk, magic: "KDMV"},
	{form: FormVhdx, magic: "vhdxfile"},
	{form: formOther, magic: "# Disk DescriptorFile", what: "a vmdk description with its data in another file", hint: convertHint},
	{form: formOther, magic: "conectix", what: "a VHD image", hint: convertHint},
	{form: formOther, offset: 64, magic: "\x7f\x10\xda\xbe", what: "a VDI image", hint: convertHint},
	{form: formOther, magic: "PK\x03\x04", what: "a zip archive", hint: "unpack it first"},
	{form: formOther, magic: "7z\xbc\xaf\x27\x1c", what: "a 7-Zip archive", hint: "unpack it first"},
	{form: formOther, magic: "\x04\x22\x4d\x18", what: "compressed by lz4", hint: "unpack it first: lz4 -dc IMAGE | pxecast pack - --output FILE"},
}

const convertHint = "convert it first: qemu-img convert -O raw IMAGE disk.img"

// saneGzip: no reserved flag, and values of XFL and OS that encoders write
// (RFC 1952 §2.3). Raw data that begins like gzip by chance does not pass.
func saneGzip(h []byte) bool {
	return len(h) >= 10 && h[3]&0xe0 == 0 && (h[8] == 0 || h[8] == 2 || h[8] == 4) && (h[9] <= 13 || h[9] == 255)
}

// saneZstd: the reserved bit of the frame header descriptor (RFC 8878 §3.1.1.1.1).
func saneZstd(h []byte) bool { return len(h) >= 5 && h[4]&(1<<3) == 0 }

// saneBzip2: a level, then the magic of a block or of the end.
func saneBzip2(h []byte) bool {
	return len(h) >= 10 && h[3] >= '1' && h[3] <= '9' &&
		(string(h[4:10]) == "\x31\x41\x59\x26\x53\x59" || string(h[4:10]) == "\x17\x72\x45\x38\x50\x90")
}

// zstdSkippable: a zstd file may begin with a skippable frame (RFC 8878 §3.1.2).
func zstdSkippable(h []byte) bool {
	return len(h) >= 8 && h[0]&0xf0 == 0x50 && string(h[1:4]) == "\x2a\x4d\x18"
}

// Form tells the form of a file or block device by how it begins; it reads no
// more than that, so it finds no damage farther in. Of a stream it knows
// nothing: looking would take it away.
func (in *Input) Form() (form Form, known bool, err error) {
	if in.stream || in.File() == nil {
		return FormRaw, false, nil
	}
	head := make([]byte, headSize)
	n, err := in.File().ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return FormRaw, false, fmt.Errorf("read image %s: %w", in.name, err)
	}
	form, err = detect(head[:n], true)
	if err != nil {
		return FormRaw, false, fmt.Errorf("image %s %w", in.name, err)
	}
	return form, true, nil
}

// detect tells the form from the first headSize bytes of an input, fewer when
// that is all there is.
//
// outer is set for the input itself and not for what was decompressed. There,
// one flipped bit in the signature would turn a compressed file into raw data
// that looks sound: so a head that is one bit away from a signature, and a
// file that ends inside one, are refused. By chance this happens to fewer than
// one in 10⁷ raw images, and the message says what to do then.
func detect(head []byte, outer bool) (Form, error) {
	if zstdSkippable(head) {
		return FormZstd, nil
	}
	for _, s := range signatures {
		if !s.matches(head) {
			continue
		}
		if s.form == formOther {
			return formOther, fmt.Errorf("is %s: %s", s.what, s.hint)
		}
		return s.form, nil
	}
	if !outer {
		return FormRaw, nil
	}
	for _, s := range signatures {
		if s.form != formOther && s.damaged(head) || s.form == FormZstd && nearSkippable(head) {
			return formOther, fmt.Errorf("looks like %v with a damaged or truncated header: copy or download it again "+
				"(if it really is a raw image, compress it: gzip < IMAGE | pxecast pack - --output FILE)", s.form)
		}
	}
	return FormRaw, nil
}

func (s *signature) matches(head []byte) bool {
	end := s.offset + len(s.magic)
	if len(head) < end || string(head[s.offset:end]) != s.magic {
		return false
	}
	// "BZh" alone is three letters; the other magics are no text and stand
	// for themselves, so that their damage is found by their decoders.
	return s.form != FormBzip2 || saneBzip2(head)
}

// damaged reports whether head is a truncated or nearly right beginning of
// the form.
func (s *signature) damaged(head []byte) bool {
	if len(head) <= len(s.magic) || s.form == FormBzip2 && len(head) < 10 {
		// One byte is too little to call it anything but one byte.
		return len(head) >= 2 && strings.HasPrefix(s.magic, string(head[:min(len(head), len(s.magic))]))
	}
	if s.form == FormBzip2 {
		return nearBzip2(head)
	}
	if distance(head[:len(s.magic)], s.magic) != 1 {
		return false
	}
	return s.sane == nil || s.sane(head)
}

// nearBzip2 reports one flipped bit anywhere in the first ten bytes.
func nearBzip2(head []byte) bool {
	const block, final = "\x31\x41\x59\x26\x53\x59", "\x17\x72\x45\x38\x50\x90"
	off := distance(head[:3], "BZh") + min(distance(head[4:10], block), distance(head[4:10], final))
	if head[3] < '1' || head[3] > '9' {
		off++
	}
	return off == 1
}

// nearSkippable is damaged for a zstd file that begins with a skippable frame
// before a zstd frame, as pzstd and others write them.
func nearSkippable(head []byte) bool {
	if len(head) < 8 {
		return len(head) >= 2 && head[0]&0xf0 == 0x50 && strings.HasPrefix("\x2a\x4d\x18", string(head[1:min(4, len(head))]))
	}
	next := binary.LittleEndian.Uint32(head[4:])
	return next <= headSize-12 && len(head) >= int(next)+12 && string(head[8+next:12+next]) == "\x28\xb5\x2f\xfd" &&
		bits.OnesCount8(head[0]&0xf0^0x50)+distance(head[1:4], "\x2a\x4d\x18") == 1
}

// distance returns the number of bits in which a and b differ.
func distance(a []byte, b string) int {
	n := 0
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

// errTruncated and errGarbage are the causes that users ask about; decoders
// report them in many words.
var (
	errTruncated = errors.New("it ends early: copy or download it again")
	errGarbage   = errors.New("something follows the end of its data: remove it, or copy or download it again")
)
