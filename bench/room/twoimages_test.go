package room

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestTwoImagesShareTheWire: one machine sends two images at once through one
// port. Nobody gets a block of the other image, and each has half of the wire for
// as long as both are there.
func TestTwoImagesShareTheWire(t *testing.T) {
	const wire, size = 200, 96 << 20 // Mbit/s, bytes
	r := newRoom(t, 4)
	r.wire(wire)
	var images [2]string
	for i, name := range []string{"odd.img", "even.img"} {
		images[i] = r.noise(name, size)
		// Not the same noise twice: a block in the wrong place must show.
		flip(t, images[i], byte(i+1))
		r.pack(images[i])
	}
	var receivers []*process
	for i := 1; i <= 4; i++ {
		receivers = append(receivers, r.receive(i, "--image", []string{"odd", "even"}[i%2]))
	}
	var senders [2]*process
	for i, image := range images {
		senders[i] = r.send(image, "--min-receivers", "2", "--linger", "100ms")
	}
	for i, p := range receivers {
		r.well(images[(i+1)%2], i+1, p)
	}
	// Both images are the same size. If each had half of the wire all the time,
	// both end when the wire has carried both.
	half := wireTime(size, wire/2)
	for i, s := range senders {
		if s.code() != 0 {
			t.Fatalf("sender %d: %s", i+1, s.stderr.String())
		}
		v := r.last(s)
		share := half / v.Seconds
		t.Logf("sender %d: %.2f s, %.3f of half the wire, sent %.3f × packed", i+1, v.Seconds, share, v.overhead())
		if math.Abs(share-1) > 0.1 {
			t.Errorf("sender %d had %.3f of half the wire", i+1, share)
		}
	}
}

// wireTime returns the seconds that so many bytes of symbols take at a rate of
// Ethernet frames in Mbit/s.
func wireTime(bytes int, mbit float64) float64 {
	const symbol, frame = 1408, 1408 + 40 + 28 + 14
	return float64(bytes) / symbol * frame * 8 / (mbit * 1e6)
}

// flip changes every byte of a file.
func flip(t *testing.T, path string, by byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] ^= by
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
