package trust

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// testKey is the key whose seed is 0, 1, 2 … 31.
func testKey(t testing.TB) *Key {
	t.Helper()
	k, err := ParseKey(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The textual forms are kept in files and on kernel command lines: they may
// never change within their version.
const (
	testSecret      = "PXECAST-SECRET-KEY-1-000g40r40m30e209185gr38e1w8124gk2gahc5rr34d1p70x3rfqm8yc"
	testPublic      = "pxecast1-0eggffzksr8bw7bgvmceejy0k5ky9nhgkejgtqrxvj3684jn66w0wakh"
	testFingerprint = "m1nv-j97k-wyep-ze7s"
)

func TestTextualFormsAreStable(t *testing.T) {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(i)
	}
	if got := secretPrefix + encodeBody(secretPrefix, seed); got != testSecret {
		t.Fatalf("secret key is written as %s", got)
	}
	k := testKey(t)
	if got := k.secret(); got != testSecret {
		t.Errorf("secret key is written as %s", got)
	}
	// RFC 8032's function: this seed's public key, computed elsewhere too.
	public := k.Public()
	if got := hex.EncodeToString(public[:]); got != "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8" {
		t.Errorf("public key is %s", got)
	}
	if got := k.Public().String(); got != testPublic {
		t.Errorf("public key is written as %s", got)
	}
	if got := k.Public().Fingerprint(); got != testFingerprint {
		t.Errorf("fingerprint is %s", got)
	}
	if back, err := ParsePublicKey(testPublic); err != nil || back != k.Public() {
		t.Errorf("read back: %v, %v", back, err)
	}
}

// A key is pasted into shells, URLs and kernel command lines without quoting.
func TestPublicKeyIsOneShellSafeWord(t *testing.T) {
	for range 50 {
		k, err := Generate()
		if err != nil {
			t.Fatal(err)
		}
		if s := k.Public().String(); strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyz-") != "" || len(s) != 65 {
			t.Errorf("public key %q is not 65 safe characters", s)
		}
	}
}

func TestTypedKeyIsForgiven(t *testing.T) {
	want := testKey(t).Public()
	typed := strings.ToUpper(testPublic)
	typed = typed[:len(publicPrefix)] + strings.NewReplacer("0", "O", "1", "L").Replace(typed[len(publicPrefix):])
	if got, err := ParsePublicKey(typed); err != nil || got != want {
		t.Errorf("%s: %v, %v", typed, got, err)
	}
}

func TestEverySlipInAKeyIsNoticed(t *testing.T) {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	for i := len(publicPrefix); i < len(testPublic); i++ {
		for _, c := range alphabet {
			slip := testPublic[:i] + string(c) + testPublic[i+1:]
			if _, err := ParsePublicKey(slip); (err == nil) != (slip == testPublic) {
				t.Errorf("character %d read as %c: %v", i, c, err)
			}
		}
		if i+1 < len(testPublic) && testPublic[i] != testPublic[i+1] {
			swapped := testPublic[:i] + testPublic[i+1:i+2] + testPublic[i:i+1] + testPublic[i+2:]
			if _, err := ParsePublicKey(swapped); err == nil {
				t.Errorf("characters %d and %d exchanged: accepted", i, i+1)
			}
		}
	}
}

func TestWhatIsNotAKeyIsRefused(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "does not start with"},
		{"hello", "does not start with"},
		{"pxecast1-", "0 characters"},
		{testPublic[:64], "55 characters"},
		{testPublic + "0", "57 characters"},
		{"pxecast1-" + strings.Repeat("u", 56), "holds a character that no key has"},
		{"pxecast1-" + strings.Repeat("\n", 56), "holds a character that no key has"},
		{"pxecast1-" + strings.Repeat("é", 28), "holds a character that no key has"},
		{"pxecast2-" + testPublic[9:], "does not start with"},
		{"pxecast1-" + testSecret[len(secretPrefix):], "checksum"},
		{testSecret, "secret key, it must not leave its sender"},
		{strings.ToLower(testSecret), "secret key, it must not leave its sender"},
	} {
		_, err := ParsePublicKey(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want one with %q", tt.text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), testSecret[len(secretPrefix):]) {
			t.Errorf("%q: the error quotes the secret: %v", tt.text, err)
		}
	}
}

func TestFingerprintsTellKeysApart(t *testing.T) {
	seen := make(map[string]PublicKey)
	for i := range 1000 {
		key := PublicKey{byte(i), byte(i >> 8)}
		f := key.Fingerprint()
		if other, ok := seen[f]; ok {
			t.Fatalf("%v and %v both have fingerprint %s", key, other, f)
		}
		seen[f] = key
	}
}

func TestSignatureHoldsForItsKeyContextAndMessageOnly(t *testing.T) {
	k := testKey(t)
	sig, err := k.Sign("announcement v1", []byte("lab image"))
	if err != nil {
		t.Fatal(err)
	}
	other := sig
	other[7] ^= 1
	stranger, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		key     PublicKey
		context Context
		msg     string
		sig     Signature
		want    bool
	}{
		{"as signed", k.Public(), "announcement v1", "lab image", sig, true},
		{"another message", k.Public(), "announcement v1", "lab imagE", sig, false},
		{"another context", k.Public(), "announcement v2", "lab image", sig, false},
		{"bytes moved from message to context", k.Public(), "announcement v1l", "ab image", sig, false},
		{"no context", k.Public(), "", "lab image", sig, false},
		{"context too long", k.Public(), Context(strings.Repeat("x", 256)), "lab image", sig, false},
		{"another signature", k.Public(), "announcement v1", "lab image", other, false},
		{"no signature", k.Public(), "announcement v1", "lab image", Signature{}, false},
		{"another key", stranger.Public(), "announcement v1", "lab image", sig, false},
		{"no key", PublicKey{}, "announcement v1", "lab image", sig, false},
		{"not a point of the curve", PublicKey{2}, "announcement v1", "lab image", sig, false},
	} {
		if got := tt.key.Verify(tt.context, []byte(tt.msg), tt.sig); got != tt.want {
			t.Errorf("%s: verified %t, want %t", tt.name, got, tt.want)
		}
	}
	for _, context := range []Context{"", Context(strings.Repeat("x", 256))} {
		if _, err := k.Sign(context, nil); err == nil {
			t.Errorf("signed in a context of %d bytes", len(context))
		}
	}
}

// RFC 8032 §7.2, the test vector "foo": other implementations agree with ours.
func TestSignatureOfRFC8032(t *testing.T) {
	decode := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key := PublicKey(decode("dfc9425e4f968f7f0c29f0259cf5f9aed6851c2bb4ad8bfb860cfee0ab248292"))
	msg := decode("f726936d19c800494e3fdaff20b276a8")
	sig := Signature(decode("55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a8b36950b95130022907a7fb7c4e9b2d5f6cca685a587b4b21f4b888e4e7edb0d"))
	if !key.Verify("foo", msg, sig) {
		t.Error("the RFC's signature does not verify")
	}
}

func TestPrintingAKeyNeverShowsIt(t *testing.T) {
	k := testKey(t)
	body, seed := testSecret[len(secretPrefix):], hex.EncodeToString(k.private.Seed())
	for _, format := range []string{"%v", "%+v", "%s", "%#v", "%q", "%x"} {
		s := fmt.Sprintf(format, k)
		if strings.Contains(s, body) || strings.Contains(s, seed) || strings.Contains(s, hex.EncodeToString([]byte(body))) {
			t.Errorf("%s prints the secret: %s", format, s)
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	for _, s := range []string{testPublic, strings.ToUpper(testPublic), testSecret, "pxecast1-", "any", "", testPublic[:40], "pxecast1-" + strings.Repeat("z", 56), "PXECAST1-" + strings.Repeat("oil0", 14)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := ParsePublicKey(s)
		if err != nil {
			return
		}
		if back, err := ParsePublicKey(key.String()); err != nil || back != key {
			t.Errorf("%q read as %v, which reads as %v, %v", s, key, back, err)
		}
		if len(s) != len(key.String()) {
			t.Errorf("%q passes for %v", s, key)
		}
	})
}

func FuzzKeyFile(f *testing.F) {
	for _, s := range []string{testSecret, "# comment\n\n" + testSecret + "\n", testSecret + "\n" + testSecret, testPublic, "", "#", "\r\n" + testSecret + "\r\n", testSecret[:30]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := parseKeyFile(s)
		if err != nil {
			return
		}
		if back, err := parseKeyFile(key.secret()); err != nil || back.Public() != key.Public() {
			t.Errorf("%q does not survive being written: %v", s, err)
		}
	})
}
