package ramdisk

import (
	"bytes"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sample has one entry of every type, out of order.
func sample(t *testing.T) []entry {
	from := filepath.Join(t.TempDir(), "from")
	if err := os.WriteFile(from, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []entry{
		{path: "usr/bin/b", mode: 0o755, from: from},
		{path: "usr", mode: fs.ModeDir | 0o755},
		{path: "bin", mode: fs.ModeSymlink, target: "usr/bin"},
		{path: "usr/bin", mode: fs.ModeDir | 0o755},
		{path: "tmp", mode: fs.ModeDir | fs.ModeSticky | 0o777},
		{path: "console", mode: fs.ModeDevice | fs.ModeCharDevice | 0o600, device: 5<<8 | 1},
		{path: "a", mode: 0o644, data: []byte("a")},
	}
}

func archive(t *testing.T, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeCpio(&b, entries, 1_700_000_000); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The bytes of one small archive, as the kernel's document of the format has
// them: a header of 110 digits, the name, padding, the contents, padding.
func TestCpioBytes(t *testing.T) {
	got := archive(t, []entry{{path: "a", mode: 0o644, data: []byte("hello")}})
	want := "070701" + "00000001" + "000081A4" + "00000000" + "00000000" + "00000001" + "6553F100" + "00000005" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000002" + "00000000" + "a\x00" + "hello\x00\x00\x00" +
		"070701" + strings.Repeat("00000000", 4) + "00000001" + strings.Repeat("00000000", 6) + "0000000B" + "00000000" + "TRAILER!!!\x00" + "\x00\x00\x00"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", hex.Dump(got), hex.Dump([]byte(want)))
	}
}

func TestCpioIsTheSameInWhateverOrder(t *testing.T) {
	entries := sample(t)
	first := archive(t, entries)
	slices.Reverse(entries)
	if !bytes.Equal(first, archive(t, entries)) {
		t.Error("the order of the entries shows in the archive")
	}
}

func TestCpioReadsIt(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("cpio is not installed")
	}
	cmd := exec.Command("cpio", "--list", "--verbose", "--numeric-uid-gid", "--quiet")
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	cmd.Stdin = bytes.NewReader(archive(t, sample(t)))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"-rw-r--r-- 1 0 0 1 Nov 14 2023 a",
		"lrwxrwxrwx 1 0 0 7 Nov 14 2023 bin -> usr/bin",
		"crw------- 1 0 0 5, 1 Nov 14 2023 console",
		"drwxrwxrwt 2 0 0 0 Nov 14 2023 tmp",
		"drwxr-xr-x 2 0 0 0 Nov 14 2023 usr",
		"drwxr-xr-x 2 0 0 0 Nov 14 2023 usr/bin",
		"-rwxr-xr-x 1 0 0 12 Nov 14 2023 usr/bin/b",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCpioRefuses(t *testing.T) {
	for name, entries := range map[string][]entry{
		"a path twice":        {{path: "a", mode: 0o644}, {path: "a", mode: 0o644}},
		"a socket":            {{path: "a", mode: fs.ModeSocket}},
		"a file that is gone": {{path: "a", mode: 0o644, from: "/nonexistent"}},
	} {
		if err := writeCpio(new(bytes.Buffer), entries, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
