package image

import "testing"

func TestNameOf(t *testing.T) {
	for in, want := range map[string]string{
		"/a/lab.img.gz": "lab", "lab.qcow2": "lab", "LAB.IMG.XZ": "LAB", "win11-23H2.raw.zst": "win11-23H2",
		"debian-12.7": "debian-12.7", ".img": ".img", "-": "stdin", "room.iso": "room.iso", "lab.img.zstd": "lab",
	} {
		if got := NameOf(in); got != want {
			t.Errorf("NameOf(%q) = %q; want %q", in, got, want)
		}
	}
}
