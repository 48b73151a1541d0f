package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// SystemFile lists the keys that the whole machine accepts.
const SystemFile = "/etc/pxecast/trusted"

// ErrWritable means that others on this machine could add keys to a trust file.
var ErrWritable = errors.New("others can write this list of trusted keys")

// UserFile returns the path of the list of keys that the user accepts:
// $XDG_CONFIG_HOME/pxecast/trusted (by default ~/.config/pxecast/trusted).
func UserFile() (string, error) {
	dir, err := userDir("XDG_CONFIG_HOME", ".config")
	if err != nil {
		return "", fmt.Errorf("where trusted keys are kept: %w", err)
	}
	return filepath.Join(dir, "pxecast", "trusted"), nil
}

// LoadKeyring reads trust files. One that isn't there holds no keys.
func LoadKeyring(paths ...string) (*Keyring, error) {
	ring := new(Keyring)
	for _, path := range paths {
		if err := ring.load(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return ring, nil
}

// load adds the keys of the trust file at path. Errors: fs.ErrNotExist,
// [ErrWritable] if the group or others may write it, and one that tells the line
// for every file that is not a list of keys.
func (r *Keyring) load(path string) error {
	text, _, err := readTrustFile(path)
	if err != nil {
		return err
	}
	if err := r.parse(text); err != nil {
		return fmt.Errorf("trusted keys %s: %w", path, err)
	}
	return nil
}

func readTrustFile(path string) (text string, mode fs.FileMode, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", 0, fmt.Errorf("trusted keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, fmt.Errorf("trusted keys: %w", err)
	}
	mode = info.Mode()
	if !mode.IsRegular() {
		return "", 0, fmt.Errorf("trusted keys %s: is not a regular file", path)
	}
	if mode.Perm()&0o022 != 0 {
		return "", 0, fmt.Errorf("%s: %w (mode %04o): chmod go-w %[1]s", path, ErrWritable, mode.Perm())
	}
	text, err = readBounded(f, maxTrustFile)
	if err != nil {
		return "", 0, fmt.Errorf("trusted keys %s: %w", path, err)
	}
	return text, mode.Perm(), nil
}

// Remember accepts a key from now on and appends it with a name (which may be
// empty) to the trust file at path, [UserFile]'s as a rule, which is made if it
// isn't there. A key that the file has already is not added again. Several may
// remember at once, and a crash leaves the old list or the new one.
func (r *Keyring) Remember(path string, key PublicKey, name string) error {
	name = strings.Join(strings.Fields(name), " ") // as it will be read again
	if err := checkName(name); err != nil {
		return fmt.Errorf("remember a key: %w", err)
	}
	if err := remember(path, key, name); err != nil {
		return fmt.Errorf("remember a key: %w", err)
	}
	return r.add(key, name)
}

func remember(path string, key PublicKey, name string) error {
	// A list kept elsewhere and linked here is changed there.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer unlock()
	text, mode, err := readTrustFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, mode = "# senders whose images may be written: a key a line, then a name\n", 0o600
	} else if err != nil {
		return err
	}
	known := new(Keyring)
	if err := known.parse(text); err != nil {
		return fmt.Errorf("trusted keys %s: %w", path, err)
	}
	if known.Accepts(key) {
		return nil
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	text += strings.TrimSpace(key.String()+" "+name) + "\n"
	if err := new(Keyring).parse(text); err != nil || len(text) > maxTrustFile {
		return fmt.Errorf("%s is full: remove the keys that are no longer used", path)
	}
	temp, err := writeTemp(path, text, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return syncDir(dir)
}

// lockDir makes those who change a list in dir take turns. The lock goes with
// its holder, so a crash leaves none behind.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { d.Close() }, nil
}
