package catalog

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/trust"
)

var lab = Offer{
	Server: "srv", Made: time.Unix(1700000000, 0).UTC(),
	Images: []Image{
		{ID: image.ID{1, 2, 3}, Name: "lab", Title: "Lab", RawSize: 1 << 30, PackedSize: 1 << 29, Modified: time.Unix(1600000000, 0).UTC(),
			Post: &Script{Digest: image.Digest{9}, Size: 12, Timeout: time.Minute}},
		{Name: "half", Title: "half", Problem: "still being copied"},
	},
	Orders: Orders{Image: "lab", Disk: "largest", Unattended: true, After: PowerOff},
}

func sign(t *testing.T, key *trust.Key, n Nonce) []byte {
	t.Helper()
	b, err := Sign(&lab, n, key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keys(t *testing.T) (ours, others *trust.Key, ring *trust.Keyring) {
	t.Helper()
	for _, k := range []**trust.Key{&ours, &others} {
		var err error
		if *k, err = trust.Generate(); err != nil {
			t.Fatal(err)
		}
	}
	ring, err := trust.ParseTrust(ours.Public().String())
	if err != nil {
		t.Fatal(err)
	}
	return ours, others, ring
}

func TestOfferComesBack(t *testing.T) {
	ours, _, ring := keys(t)
	got, key, err := Open(sign(t, ours, Nonce{7}), Nonce{7}, ring)
	if err != nil {
		t.Fatal(err)
	}
	if key != ours.Public() {
		t.Error("another key than signed it")
	}
	if !reflect.DeepEqual(*got, lab) {
		t.Errorf("got %+v\nwant %+v", *got, lab)
	}
}

// What a machine must not act on: others' offers, old ones, changed ones.
func TestOfferOfOthersIsRefused(t *testing.T) {
	ours, others, ring := keys(t)
	good := sign(t, ours, Nonce{7})
	for name, b := range map[string][]byte{
		"another's":      sign(t, others, Nonce{7}),
		"an old one":     sign(t, ours, Nonce{6}),
		"another's name": bytes.Replace(sign(t, others, Nonce{7}), []byte(others.Public().String()), []byte(ours.Public().String()), 1),
		"unsigned":       bytes.Replace(good, []byte(`"signature":"`), []byte(`"signatura":"`), 1),
	} {
		if o, _, err := Open(b, Nonce{7}, ring); !errors.Is(err, ErrUntrusted) {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
	for i := range good { // one character of it is another
		b := bytes.Clone(good)
		b[i] ^= 1
		if o, _, err := Open(b, Nonce{7}, ring); err == nil && !reflect.DeepEqual(*o, lab) {
			t.Fatalf("changed at %d: %+v", i, *o)
		}
	}
}

func FuzzOpen(f *testing.F) {
	key, err := trust.Generate()
	if err != nil {
		f.Fatal(err)
	}
	ring, err := trust.ParseTrust(trust.Any)
	if err != nil {
		f.Fatal(err)
	}
	b, err := Sign(&lab, Nonce{}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"offer":"e30=","key":"","signature":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, _, err := Open(b, Nonce{}, ring); (o == nil) != (err != nil) {
			t.Fatalf("%v, %v", o, err)
		}
	})
}
