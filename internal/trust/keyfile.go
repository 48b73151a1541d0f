package trust

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxKeyFile bounds a key file in bytes: one key and a few lines of comment.
const maxKeyFile = 4 << 10

// ErrExposed means that others on this machine can read a secret key.
var ErrExposed = errors.New("others can read this secret key")

// DefaultKeyPath returns where this machine's sender keeps its key:
// $PXECAST_KEY, else for root /var/lib/pxecast/key, else
// $XDG_STATE_HOME/pxecast/key (by default ~/.local/state/pxecast/key).
func DefaultKeyPath() (string, error) {
	if path := os.Getenv("PXECAST_KEY"); path != "" {
		return path, nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/pxecast/key", nil
	}
	dir, err := userDir("XDG_STATE_HOME", ".local/state")
	if err != nil {
		return "", fmt.Errorf("where to keep the key: %w: set PXECAST_KEY to a path", err)
	}
	return filepath.Join(dir, "pxecast", "key"), nil
}

// userDir returns a directory of the XDG Base Directory Specification, which
// has relative values ignored.
func userDir(env, fallback string) (string, error) {
	if dir := os.Getenv(env); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, fallback), nil
}

// LoadKey reads the key file at path. Errors: fs.ErrNotExist, [ErrExposed] if
// the group or others may read it, and one for every file that is not a key.
func LoadKey(path string) (*Key, error) {
	// O_NONBLOCK: a FIFO in the key's place must not hang the start.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("secret key %s: is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s: %w (mode %04o): chmod 600 %[1]s, or remove it to have a new one made", path, ErrExposed, mode)
	}
	text, err := readBounded(f, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("secret key %s: %w", path, err)
	}
	key, err := parseKeyFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: restore it from a copy, or remove it to have a new one made", path, err)
	}
	return key, nil
}

// parseKeyFile reads one line with a secret key among comments and empty lines.
func parseKeyFile(text string) (key *Key, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if key != nil {
			return nil, errors.New("holds more than one secret key")
		}
		if key, err = ParseKey(line); err != nil {
			return nil, err
		}
	}
	if key == nil {
		return nil, errors.New("holds no secret key")
	}
	return key, nil
}

// LoadOrCreateKey reads the key file at path or, if there is none, makes a key
// and stores it there, readable by its owner only; made tells which. Starters at
// the same moment all get the same key, and a crash leaves none or a whole one.
func LoadOrCreateKey(path string) (key *Key, made bool, err error) {
	key, err = LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	if key, err = Generate(); err != nil {
		return nil, false, err
	}
	err = storeKey(path, key)
	if errors.Is(err, fs.ErrExist) { // another starter was first: its key counts
		key, err = LoadKey(path)
		return key, false, err
	}
	if err != nil {
		return nil, false, fmt.Errorf("store a new secret key: %w", err)
	}
	return key, true, nil
}

// storeKey writes a new key file. It fails with fs.ErrExist if there is one.
func storeKey(path string, key *Key) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text := "# pxecast's secret key: keep it to this machine\n# public key: " + key.Public().String() + "\n" + key.secret() + "\n"
	temp, err := writeTemp(path, text, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	// Unlike a rename, a link never replaces a key that came in between.
	if err := os.Link(temp, path); err != nil {
		return err
	}
	return syncDir(dir)
}

// writeTemp writes text, down to the disk, to a new file beside path.
func writeTemp(path, text string, mode fs.FileMode) (temp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readBounded reads all of r, which must not exceed limit bytes.
func readBounded(r io.Reader, limit int) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return "", err
	}
	if len(b) > limit {
		return "", fmt.Errorf("is longer than %d bytes", limit)
	}
	return string(b), nil
}
