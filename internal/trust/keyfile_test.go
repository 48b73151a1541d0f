package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestKeyIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "pxecast", "key")
	first, made, err := LoadOrCreateKey(path)
	if err != nil || !made {
		t.Fatalf("first start: made %t, %v", made, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("key file has mode %04o, want 0600", mode)
	}
	again, made, err := LoadOrCreateKey(path)
	if err != nil || made {
		t.Fatalf("second start: made %t, %v", made, err)
	}
	if again.Public() != first.Public() {
		t.Errorf("second start has key %v, the first had %v", again.Public(), first.Public())
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "# public key: "+first.Public().String()) {
		t.Errorf("the file does not tell its public key: %q, %v", text, err)
	}
}

func TestStartersAtTheSameMomentShareOneKey(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		path := filepath.Join(dir, "key")
		const starters = 8
		var keys [starters]PublicKey
		var makers int
		var mu sync.Mutex
		var wg sync.WaitGroup
		gate := make(chan struct{})
		for i := range starters {
			wg.Go(func() {
				<-gate
				key, made, err := LoadOrCreateKey(path)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				keys[i] = key.Public()
				if made {
					makers++
				}
			})
		}
		close(gate)
		wg.Wait()
		for _, key := range keys {
			if key != keys[0] {
				t.Fatalf("starters have keys %v and %v", keys[0], key)
			}
		}
		if makers != 1 {
			t.Fatalf("%d starters say they made the key, want 1", makers)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 1 {
			t.Fatalf("left behind: %v, %v", files, err)
		}
	}
}

func TestKeyThatOthersCanReadIsRefused(t *testing.T) {
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o666} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(testSecret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, _, err := LoadOrCreateKey(path)
		if !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %04o: error %v, want one that says to chmod 600", mode, err)
		}
	}
}

// A file that isn't a key is never replaced by a new key: whoever trusts the old
// one would be locked out by a slip.
func TestFileThatIsNotAKeyIsRefusedAndLeftAlone(t *testing.T) {
	for name, text := range map[string]string{
		"empty":      "",
		"comment":    "# nothing here\n",
		"public key": testPublic,
		"cut short":  testSecret[:50],
		"two keys":   testSecret + "\n" + testSecret + "\n",
		"garbage":    "\x00\x01\x02",
		"too long":   testSecret + "\n" + strings.Repeat("#", maxKeyFile),
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LoadOrCreateKey(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names the file", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("%s: the file was changed to %q, %v", name, after, err)
		}
	}
	fifo := filepath.Join(t.TempDir(), "key")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, t.TempDir()} {
		if _, _, err := LoadOrCreateKey(path); err == nil {
			t.Errorf("%s was taken for a key", path)
		}
	}
}

func TestKeyFileWithCommentsAndWindowsLineEnds(t *testing.T) {
	key, err := parseKeyFile("\r\n# of the lab\r\n  " + testSecret + "\r\n\r\n")
	if err != nil || key.Public().String() != testPublic {
		t.Errorf("%v, %v", key, err)
	}
}

func TestDefaultPaths(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	key := "/home/ann/.local/state/pxecast/key"
	stateKey := "/state/pxecast/key"
	if os.Geteuid() == 0 {
		key, stateKey = "/var/lib/pxecast/key", "/var/lib/pxecast/key"
	}
	for _, tt := range []struct{ env, value, key, trusted string }{
		{"PXECAST_KEY", "", key, "/home/ann/.config/pxecast/trusted"},
		{"PXECAST_KEY", "my/key", "my/key", "/home/ann/.config/pxecast/trusted"},
		{"XDG_STATE_HOME", "/state", stateKey, "/home/ann/.config/pxecast/trusted"},
		{"XDG_CONFIG_HOME", "/config", key, "/config/pxecast/trusted"},
		{"XDG_CONFIG_HOME", "relative", key, "/home/ann/.config/pxecast/trusted"},
	} {
		t.Run(tt.env+"="+tt.value, func(t *testing.T) {
			t.Setenv("PXECAST_KEY", "")
			t.Setenv(tt.env, tt.value)
			if got, err := DefaultKeyPath(); err != nil || got != tt.key {
				t.Errorf("key at %s, %v, want %s", got, err, tt.key)
			}
			if got, err := UserFile(); err != nil || got != tt.trusted {
				t.Errorf("trusted keys at %s, %v, want %s", got, err, tt.trusted)
			}
		})
	}
}
