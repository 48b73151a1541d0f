package library

import (
	"strings"
	"testing"
)

// at returns headSize bytes of a disk with text at an offset.
func at(offset int, text string) string {
	return strings.Repeat("\x00", offset) + text + strings.Repeat("\x00", headSize-offset-len(text))
}

func TestJudge(t *testing.T) {
	noise := strings.Repeat("\x91\x01\xff\x00", headSize/4)
	for _, c := range []struct {
		file string
		size int64
		head string
		want string // beginning of the reason; "" an image
	}{
		{"lab.img", 1 << 20, at(0, ""), ""},
		{"lab.img", 1 << 20, noise, ""},
		{"LAB.RAW", 1 << 20, noise, ""},
		{"lab", 1 << 20, at(510, "\x55\xaa"), ""},
		{"lab", 1 << 20, at(512, "EFI PART"), ""},
		{"lab", 1 << 20, at(4096, "EFI PART"), ""},
		{"lab", 1 << 20, at(1080, "\x53\xef"), ""},
		{"lab", 1 << 20, noise, "not a disk image as far as can be seen"},
		{"lab.img", 0, "", "empty"},
		{"lab.img", 1<<20 + 1, noise, "not a disk image: its size"},
		{"lab", 1<<20 + 511, at(510, "\x55\xaa"), "not a disk image: its size"},
		{"lab.img", 1 << 20, strings.Repeat("Grüße\r\n\t", 1000)[:headSize], "text"},
		{"lab.img.gz", 512, "<!DOCTYPE html>" + strings.Repeat(" ", 497), "text"},
		{"notes", 7, "ü", "text"},
		{"notes", 1, "\xc3", "not a disk image: its size"},
		{"lab.img.gz", 1 << 20, noise, "not what its ending .gz says"},
		{"lab.img.gz", 1 << 20, at(510, "\x55\xaa"), ""}, // a browser has unpacked it
		{"lab.img.gz", 1000, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", ""},
		{"whatever", 1000, "\xfd7zXZ\x00....", ""},
		{"lab.img.gz", 5, "\x1f\x8b", "looks like gzip with a damaged"},
		{"lab.zip", 1000, "PK\x03\x04....", "a zip archive: unpack"},
		{"lab.vdi", 1 << 20, at(64, "\x7f\x10\xda\xbe"), "a VDI image: convert"},
		{"lab.img", 10240, at(257, "ustar"), "a tar archive"},
		{"vmlinuz", 8 << 20, at(510, "\x55\xaa\x00\x00HdrS"), "a Linux kernel"},
		{"initrd.img", 1 << 20, at(0, "070701"), "a cpio archive"},
		{"install.wim", 1 << 20, at(0, "MSWIM\x00\x00\x00"), "a Windows image file"},
		{"pxecast", 1 << 20, at(0, "\x7fELF"), "a program"},
	} {
		got := judge(c.file, c.size, []byte(c.head))
		if (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s of %d bytes, %.20q…: %q; want %q", c.file, c.size, c.head, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	for file, want := range map[string]bool{
		".lab.img.gz.Ab12Cd": true, ".hidden": true, "lab.img~": true, "lost+found": true, "lab.img": false, "a~b.img": false,
	} {
		if ignored(file) != want {
			t.Errorf("%s: ignored %v; want %v", file, !want, want)
		}
	}
	for file, want := range map[string]string{
		"lab.img.gz.part": ".part", "lab.img.crdownload": ".crdownload", "x.TMP": ".tmp", "lab.img": "", "part": "",
	} {
		if got := unfinishedEnding(file); got != want {
			t.Errorf("%s: unfinished %q; want %q", file, got, want)
		}
	}
	for name, fine := range map[string]bool{
		"lab": true, "Übung 7": true, strings.Repeat("n", 64): true,
		strings.Repeat("n", 65): false, "a\nb": false, "a\x1b[2J": false, "a\xff": false, "a\u202eb": false,
	} {
		if (nameFault(name) == "") != fine {
			t.Errorf("%q: %q", name, nameFault(name))
		}
	}
}

// Whatever the bytes are, something is said or they are an image; and text that is
// cut anywhere stays text.
func FuzzJudge(f *testing.F) {
	f.Add("lab.img", []byte("Grüße"))
	f.Add("lab", []byte(at(510, "\x55\xaa")))
	f.Add("lab.gz", []byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, file string, head []byte) {
		why := judge(file, int64(len(head)), head)
		if len(head) == 0 && why == "" || clean(why) != why && clean(file) == file {
			t.Errorf("%q: %q", file, why)
		}
		if isText(head) && head[0] < 0x80 {
			for n := range min(len(head), 50) {
				if !isText(head[:n+1]) {
					t.Errorf("%q is text, and its first %d bytes are not", head, n+1)
				}
			}
		}
	})
}
