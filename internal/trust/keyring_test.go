package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// numbered returns the i-th of a row of public keys.
func numbered(i int) PublicKey { return PublicKey{1, byte(i), byte(i >> 8)} }

func writeFile(t *testing.T, text string, mode fs.FileMode) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "trusted")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTrustOnTheCommandLine(t *testing.T) {
	a, b, c, stranger := numbered(1), numbered(2), numbered(3), numbered(9)
	file := writeFile(t, b.String()+" room 12\n"+c.String()+"\n", 0o644)
	for _, tt := range []struct {
		values  []string
		accepts []PublicKey
		refuses []PublicKey
	}{
		{[]string{a.String()}, []PublicKey{a}, []PublicKey{b, stranger, {}}},
		{[]string{a.String() + "," + b.String()}, []PublicKey{a, b}, []PublicKey{c, stranger}},
		{[]string{a.String(), " " + b.String() + " "}, []PublicKey{a, b}, []PublicKey{c, stranger}},
		{[]string{file}, []PublicKey{b, c}, []PublicKey{a, stranger}},
		{[]string{a.String(), file}, []PublicKey{a, b, c}, []PublicKey{stranger}},
		{[]string{"any"}, []PublicKey{a, stranger, {}}, nil},
		{[]string{"ANY," + a.String()}, []PublicKey{a, stranger}, nil},
	} {
		ring, err := ParseTrust(tt.values...)
		if err != nil {
			t.Errorf("%v: %v", tt.values, err)
			continue
		}
		for _, key := range tt.accepts {
			if !ring.Accepts(key) {
				t.Errorf("%v does not accept %v", tt.values, key)
			}
		}
		for _, key := range tt.refuses {
			if ring.Accepts(key) {
				t.Errorf("%v accepts %v", tt.values, key)
			}
		}
	}
}

func TestTrustThatIsNoneIsRefused(t *testing.T) {
	secretFile := writeFile(t, testSecret+"\n", 0o600)
	for _, tt := range []struct {
		value, want string
	}{
		{"", "no key to trust"},
		{" , ", "no key to trust"},
		{"all", `"all": not a public key`},
		{testPublic[:60], "copy it again"},
		{testSecret, "must not leave its sender"},
		{secretFile, "line 1: this is a secret key"},
		{"/nonexistent/trusted", "no such file"},
		{writeFile(t, "", 0o600), "no key to trust"},
		{writeFile(t, testPublic+"\n", 0o664), "chmod go-w"},
		{writeFile(t, testPublic+"\n", 0o646), "chmod go-w"},
		{t.TempDir() + "/", "not a regular file"},
	} {
		_, err := ParseTrust(tt.value)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want one with %q", tt.value, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), testSecret[len(secretPrefix):][:4]) {
			t.Errorf("%q: the error quotes the secret: %v", tt.value, err)
		}
	}
}

func TestTrustFile(t *testing.T) {
	a, b := numbered(1), numbered(2)
	for _, tt := range []struct {
		name, text string
		want       map[PublicKey]string
		err        string
	}{
		{"empty", "", map[PublicKey]string{}, ""},
		{"keys and names", a.String() + "\n" + b.String() + "\troom  12, Ann's \n", map[PublicKey]string{a: "", b: "room 12, Ann's"}, ""},
		{"comments", "# ours\n\n  " + a.String() + " lab # since May\n#" + b.String() + "\n", map[PublicKey]string{a: "lab"}, ""},
		{"no last line end", a.String(), map[PublicKey]string{a: ""}, ""},
		{"windows line ends", a.String() + " lab\r\n", map[PublicKey]string{a: "lab"}, ""},
		{"twice", a.String() + " lab\n" + a.String() + "\n", map[PublicKey]string{a: "lab"}, ""},
		{"any", "# ours\nany\n", nil, `line 2: "any" is only taken on the command line`},
		{"half a key", a.String() + "\n" + b.String()[:50] + "\n", nil, "line 2: public key has 41 characters"},
		{"a name only", "lab " + a.String() + "\n", nil, "line 1: not a public key"},
		{"name too long", a.String() + " " + strings.Repeat("x", maxName+1), nil, "line 1: a key's name"},
		{"name with an escape sequence", a.String() + " \x1b[2Jlab", nil, "line 1: a key's name"},
		{"name that writes backwards", a.String() + " \u202ebal", nil, "line 1: a key's name"},
		{"name that is not UTF-8", a.String() + " \xff", nil, "line 1: a key's name"},
	} {
		ring, err := LoadKeyring(writeFile(t, tt.text, 0o600))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := make(map[PublicKey]string)
		for key, name := range ring.Keys() {
			got[key] = name
			if !ring.Accepts(key) || ring.Name(key) != name {
				t.Errorf("%s: %v %q is listed but not accepted", tt.name, key, name)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) || ring.Empty() != (len(tt.want) == 0) || ring.AcceptsAny() {
			t.Errorf("%s: keys %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTrustFilesAreBounded(t *testing.T) {
	var text strings.Builder
	for i := range maxKeys {
		fmt.Fprintln(&text, numbered(i), strings.Repeat("x", maxName))
	}
	if _, err := LoadKeyring(writeFile(t, text.String(), 0o600)); err != nil {
		t.Errorf("%d keys with the longest names: %v", maxKeys, err)
	}
	full := writeFile(t, text.String(), 0o600)
	fmt.Fprintln(&text, numbered(maxKeys))
	if _, err := LoadKeyring(writeFile(t, text.String(), 0o600)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%d keys: error %v", maxKeys+1, err)
	}
	if _, err := LoadKeyring(writeFile(t, strings.Repeat("#", maxTrustFile+1), 0o600)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a file too long: error %v", err)
	}
	if err := new(Keyring).Remember(full, numbered(maxKeys), ""); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("remembered in a full file: error %v", err)
	}
}

func TestSystemAndUserFileTogether(t *testing.T) {
	a, b := numbered(1), numbered(2)
	ring, err := LoadKeyring(writeFile(t, a.String(), 0o644), writeFile(t, b.String(), 0o600), "/nonexistent/trusted")
	if err != nil {
		t.Fatal(err)
	}
	if !ring.Accepts(a) || !ring.Accepts(b) || ring.Accepts(numbered(3)) {
		t.Error("the keys of both files are not what is accepted")
	}
	if ring, err := LoadKeyring("/nonexistent/trusted"); err != nil || !ring.Empty() {
		t.Errorf("no file at all: %v", err)
	}
}

func TestRememberedKeyIsThereNextTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config", "pxecast", "trusted")
	a, b := numbered(1), numbered(2)
	ring := new(Keyring)
	for range 2 { // the second time changes nothing
		if err := ring.Remember(path, a, "  room 12\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := ring.Remember(path, b, ""); err != nil {
		t.Fatal(err)
	}
	if !ring.Accepts(a) || !ring.Accepts(b) {
		t.Error("not accepted at once")
	}
	again, err := LoadKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Accepts(a) || again.Name(a) != "room 12" || !again.Accepts(b) {
		t.Error("not accepted the next time")
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), a.String()) != 1 {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode: %v, %v", info, err)
	}
}

func TestRememberKeepsWhatIsInTheFile(t *testing.T) {
	a, b := numbered(1), numbered(2)
	before := "# ours\n" + a.String() + " lab  # since May" // no line end
	path := writeFile(t, before, 0o644)
	link := filepath.Join(t.TempDir(), "trusted")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := new(Keyring).Remember(link, b, "attic"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != before+"\n"+b.String()+" attic\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the file's mode: %v, %v", info, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link to it: %v, %v", info, err)
	}
}

func TestRememberRefusesABrokenFileOrName(t *testing.T) {
	ring := new(Keyring)
	const broken = "pxecast1-half\n"
	path := writeFile(t, broken, 0o600)
	if err := ring.Remember(path, numbered(1), ""); err == nil {
		t.Error("appended to a broken file")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != broken {
		t.Errorf("the broken file was changed to %q, %v", text, err)
	}
	if err := ring.Remember(writeFile(t, "", 0o666), numbered(1), ""); !errors.Is(err, ErrWritable) {
		t.Errorf("a file that all can write: error %v", err)
	}
	if err := ring.Remember(writeFile(t, "", 0o600), numbered(1), "lab # any"); err == nil {
		t.Error("remembered a name that reads as a comment")
	}
	if !ring.Empty() {
		t.Error("a key that could not be remembered is accepted")
	}
}

func TestManyRememberAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "trusted")
	const n = 24
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := new(Keyring).Remember(path, numbered(i), fmt.Sprint("sender ", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ring, err := LoadKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if ring.Name(numbered(i)) != fmt.Sprint("sender ", i) {
			t.Errorf("sender %d's key was lost", i)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func FuzzTrustFile(f *testing.F) {
	for _, s := range []string{"", testPublic, testPublic + " lab\n# comment\n", "any\n", testSecret, numbered(1).String() + "\r\n" + numbered(2).String() + " room 12 # x\n", testPublic + " \x1b[2J"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ring := new(Keyring)
		if err := ring.parse(s); err != nil {
			return
		}
		if ring.AcceptsAny() {
			t.Fatal("a file accepts any key")
		}
		var text strings.Builder
		n := 0
		for key, name := range ring.Keys() {
			fmt.Fprintln(&text, key, name)
			n++
		}
		again := new(Keyring)
		if err := again.parse(text.String()); err != nil {
			t.Fatalf("%q was read, written and refused: %v", s, err)
		}
		for key, name := range again.Keys() {
			n--
			if !ring.Accepts(key) || ring.Name(key) != name {
				t.Errorf("%v %q changed", key, name)
			}
		}
		if n != 0 {
			t.Errorf("%d keys were lost", n)
		}
	})
}

func FuzzParseTrust(f *testing.F) {
	for _, s := range []string{"any", testPublic, testPublic + "," + testPublic, "ANY, ", "/dev/null", testSecret, ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "/") {
			return // would open files of this machine
		}
		ring, err := ParseTrust(s)
		if err == nil && ring.Empty() {
			t.Errorf("%q accepts nothing and is no error", s)
		}
		if err == nil && ring.AcceptsAny() && !strings.Contains(strings.ToLower(s), "any") {
			t.Errorf("%q accepts any key", s)
		}
	})
}
