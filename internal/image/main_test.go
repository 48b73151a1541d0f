package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unsafe"
)

// childEnv makes the test binary pack childEnv's input into its output, for
// tests that kill it.
const childEnv = "PXECAST_TEST_PACK"

func TestMain(m *testing.M) {
	if out := os.Getenv(childEnv); out != "" {
		_, err := Pack(context.Background(), os.Args[1], out, PackOptions{})
		fmt.Println("packed", err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// noise returns n incompressible bytes.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(b)
	return b
}

// diskLike returns n bytes of text, binary and zero areas, as disks have them.
func diskLike(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n+1<<20)
	for len(b) < n {
		switch r.IntN(4) {
		case 0:
			b = append(b, noise(r.Uint64(), 1+r.IntN(300<<10))...)
		case 1:
			b = append(b, make([]byte, 1+r.IntN(900<<10))...)
		default:
			for end := len(b) + r.IntN(200<<10); len(b) < end; {
				b = fmt.Appendf(b, "/usr/lib/module-%d.ko %x\n", r.IntN(3000), r.IntN(1<<20))
			}
		}
	}
	return b[:n]
}

// alternating returns blocks blocks, every second one zero.
func alternating(blocks int) []byte {
	b := make([]byte, blocks*blockSize)
	for i := 0; i < blocks; i += 2 {
		copy(b[i*blockSize:], noise(uint64(i), 1000))
	}
	return b
}

func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustPack(t testing.TB, input string, opts PackOptions) (*Packed, string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.img.zst")
	p, err := Pack(t.Context(), input, out, opts)
	if err != nil {
		t.Fatalf("pack %s: %v", input, err)
	}
	t.Cleanup(func() { p.Close() })
	return p, out
}

// tool returns the path of a program, or skips the test.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// filter runs b through a program.
func filter(t testing.TB, b []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(tool(t, name), args...)
	cmd.Stdin = bytes.NewReader(b)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return out
}

// unpack returns what the zstd program makes of a packed image.
func unpack(t testing.TB, path string) []byte {
	t.Helper()
	b, err := exec.Command(tool(t, "zstd"), "-dcq", path).Output()
	if err != nil {
		t.Fatalf("zstd -dc %s: %v", path, err)
	}
	return b
}

func sha(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// ls returns the names in a folder.
func ls(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func aligned(p []byte) bool { return uintptr(unsafe.Pointer(&p[0]))%sector == 0 }
