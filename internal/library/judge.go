package library

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pxecast/pxecast/internal/image/source"
	"github.com/pxecast/pxecast/protocol"
)

const (
	sectorSize = 512
	headSize   = 4096 + sectorSize // bytes of a file that judge wants: the GPT of a disk with 4 KiB sectors is in them
	textSize   = 4096              // bytes that are text all over in a text
)

// unfinished are the endings that browsers and copying programs give to files
// that are not complete.
var unfinished = []string{".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".download", ".opdownload", ".aria2"}

// rawEndings are what raw images are called; the others need a sign in their
// content.
var rawEndings = []string{".img", ".raw", ".dd", ".iso", ".bin"}

// otherEndings promise a form that is not raw.
var otherEndings = []string{".gz", ".xz", ".zst", ".zstd", ".bz2", ".qcow2", ".vmdk", ".vhdx"}

// strangers are files that people put beside disk images, and that would make a
// disk nobody can use.
var strangers = []struct {
	offset      int
	magic, what string
}{
	{0, "\x7fELF", "a program, not a disk image"},
	{0, "%PDF-", "a PDF document, not a disk image"},
	{0, "070701", "a cpio archive (an initrd?), not a disk image"},
	{0, "MSWIM\x00\x00\x00", "a Windows image file (WIM), not a disk image: apply it to a disk and take an image of that"},
	{0, "partclone-image", "an image of partclone, not a disk image: restore it and take an image of the disk"},
	{257, "ustar", "a tar archive, not a disk image"},
	{514, "HdrS", "a Linux kernel, not a disk image"},
}

// ignored reports whether a file is none of our business: hidden (so are the
// files that rsync has not finished), an editor's copy, what mkfs makes.
func ignored(file string) bool {
	return strings.HasPrefix(file, ".") || strings.HasSuffix(file, "~") || file == "lost+found"
}

// nameFault tells why an image can't be called so, "" when it can. The name goes
// into announcements and onto consoles.
func nameFault(name string) string {
	switch {
	case !utf8.ValidString(name) || clean(name) != name:
		return "its name has characters that can't be shown: rename it"
	case len(name) > protocol.MaxName:
		return "its name is too long: rename it to 64 characters or less"
	}
	return ""
}

// unfinishedEnding returns the ending by which a program says that the file is
// not complete, or "".
func unfinishedEnding(file string) string {
	end := strings.ToLower(path.Ext(file))
	if slices.Contains(unfinished, end) {
		return end
	}
	return ""
}

// judge tells why a file of size bytes that begins with head (headSize bytes, or
// all) is no disk image; "" when it seems to be one. `pxecast send` takes whatever
// it is given for a raw image; in a folder, where nobody said that this is an
// image, something must speak for it.
func judge(file string, size int64, head []byte) string {
	if size == 0 {
		return "empty: there is nothing to write to a disk"
	}
	form, err := source.Detect(head)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "is ")
	}
	if form != source.FormRaw {
		return "" // what is in it is seen when it is packed
	}
	if what := judgeContent(head); what != "" {
		return what
	}
	end := strings.ToLower(path.Ext(file))
	switch {
	case !wholeSectors(size):
		return noSectors
	case looksLikeDisk(head) || slices.Contains(rawEndings, end):
		return ""
	case slices.Contains(otherEndings, end):
		return "not what its ending " + end + " says: copy or download it again"
	}
	return "not a disk image as far as can be seen: if it is one, give it a name that ends in .img"
}

const noSectors = "not a disk image: its size is no multiple of 512 bytes"

func wholeSectors(size int64) bool { return size%sectorSize == 0 }

// judgeContent tells what raw content is that begins with head and can't be a
// disk's; "" when it may be one.
func judgeContent(head []byte) string {
	for _, s := range strangers {
		if len(head) > s.offset && bytes.HasPrefix(head[s.offset:], []byte(s.magic)) {
			return s.what
		}
	}
	if isText(head[:min(textSize, len(head))]) {
		return "text, not a disk image"
	}
	return ""
}

// isText reports whether b is UTF-8 text, perhaps cut inside a character.
func isText(b []byte) bool {
	for range utf8.UTFMax - 1 {
		if r, n := utf8.DecodeLastRune(b); n == 1 && r == utf8.RuneError {
			b = b[:len(b)-1]
		}
	}
	return len(b) > 0 && utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool {
		return r < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1b", r) || r == 0x7f
	})
}

// looksLikeDisk reports whether raw content that begins with head has what firmware
// or Linux looks for on a disk: a boot sector, a GPT, an ext file system.
func looksLikeDisk(head []byte) bool {
	at := func(offset int, magic string) bool {
		return len(head) > offset && bytes.HasPrefix(head[offset:], []byte(magic))
	}
	const gpt = "EFI PART"
	return at(510, "\x55\xaa") || at(512, gpt) || at(4096, gpt) || at(1080, "\x53\xef")
}

// clean returns text without what a terminal would not print but obey.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == utf8.RuneError,
			r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // line ends and changes of direction
			return '?'
		}
		return r
	}, text)
}
