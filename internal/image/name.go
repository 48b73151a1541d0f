package image

import (
	"path/filepath"
	"strings"

	"github.com/pxecast/pxecast/internal/image/source"
)

// endings are what file names of images end in; they say how an image is
// stored and not which one it is.
var endings = []string{".gz", ".xz", ".zst", ".zstd", ".bz2", ".img", ".raw", ".dd", ".qcow2", ".vmdk", ".vhdx"}

// NameOf returns what the image at path is called when nobody gives it a name:
// "lab" for /srv/lab.img.gz, "stdin" for [source.Stdin].
func NameOf(path string) string {
	if path == source.Stdin {
		return "stdin"
	}
	name := filepath.Base(path)
	for i := 0; i < len(endings); i++ {
		if n, ok := cutSuffixFold(name, endings[i]); ok && n != "" {
			name, i = n, -1
		}
	}
	return name
}

func cutSuffixFold(s, suffix string) (string, bool) {
	at := len(s) - len(suffix)
	if at < 0 || !strings.EqualFold(s[at:], suffix) {
		return s, false
	}
	return s[:at], true
}
