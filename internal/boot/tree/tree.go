package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// ErrNone: there is no such file.
var ErrNone = errors.New("no such file")

// Tree is a folder, by its path.
type Tree string

// Made returns files that are made up, by their clean names.
type Made func(name string) (text []byte, ok bool)

// File is an open file of a tree.
type File struct {
	io.ReadSeeker
	Name     string // clean
	Size     int64
	Modified time.Time // the zero time for one that is made up
	close    func() error
}

// Close closes the file.
func (f *File) Close() error { return f.close() }

// Open opens a file by the name that somebody asked for. Errors: ErrName, ErrNone, or
// what is wrong with a file that is there. What is made up comes before what is in the
// folder. Links are followed within the folder only.
func (t Tree) Open(asked string, made Made) (*File, error) {
	name, err := Clean(asked)
	if err != nil {
		return nil, err
	}
	if text, ok := made(name); ok {
		return &File{ReadSeeker: bytes.NewReader(text), Name: name, Size: int64(len(text)), close: func() error { return nil }}, nil
	}
	// The folder is opened each time: a new one may have been put in its place.
	root, err := os.OpenRoot(string(t))
	if err != nil {
		return nil, fmt.Errorf("open the folder to boot from: %w", err)
	}
	defer root.Close()
	// O_NONBLOCK: a pipe in the folder must not hold us until somebody writes to it.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, absent(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNone
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &File{ReadSeeker: f, Name: name, Size: info.Size(), Modified: info.ModTime(), close: f.Close}, nil
}

// absent makes ErrNone of what says that a file is not there, or not within.
func absent(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) ||
		errors.Is(err, syscall.ELOOP) || ok && strings.Contains(path.Err.Error(), "escapes") {
		return ErrNone
	}
	return err
}
