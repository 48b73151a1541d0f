package library

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
)

const (
	initScript = "#!/bin/sh\necho before\n"
	postScript = "#!/bin/sh\necho after\n"
)

func TestBeside(t *testing.T) {
	s := open(t)
	s.write("lab.img.gz", gz(t, disk(1, 2)))
	s.write("lab.d/title", []byte("\n  Lab, autumn \x1b[31m2026  \r\nsecond line\n"))
	s.write("lab.d/description", []byte("Debian 12\r\n\tand what the course needs\x07\n\n"))
	s.write("lab.d/init", []byte(initScript))
	s.write("lab.d/post", []byte(postScript))
	s.write("lab.d/timeout", []byte("90s\n"))
	s.write("lab.d/README", []byte("is not looked at"))
	for i := range 200 {
		s.write(fmt.Sprintf("lab.d/driver-%d", i), []byte("nor is this"))
	}
	s.write("plain.img", disk(2, 2))
	s.work()
	i := s.image("lab")
	if i.Title != "Lab, autumn ?[31m2026" || i.Description != "Debian 12\n    and what the course needs?" || i.Problem != "" {
		t.Errorf("%+v", i)
	}
	for body, sc := range map[string]*catalog.Script{initScript: i.Init, postScript: i.Post} {
		if sc == nil || sc.Digest != image.Sum([]byte(body)) || sc.Size != len(body) || sc.Timeout != 90*time.Second {
			t.Fatalf("script %+v", sc)
		}
		if b, ok := s.Script(sc.Digest); !ok || string(b) != body {
			t.Errorf("%q, %v", b, ok)
		}
	}
	if _, ok := s.Script(image.Digest{}); ok {
		t.Error("a script that there isn't")
	}
	s.write("lab.d/post", []byte(initScript))
	s.later(0)
	if i := s.image("lab"); i.Post != nil || i.Problem != "lab.d is being changed" {
		t.Errorf("with another script: %+v", i)
	}
	if i := s.image("plain"); i.Title != "plain" || i.Description != "" || i.Init != nil || i.Post != nil || i.Problem != "" {
		t.Errorf("%+v", i)
	}
}

// A script that is being changed is not offered, neither the old one nor half the
// new one; then the new one is, and only that.
func TestScriptChanges(t *testing.T) {
	s := open(t)
	s.write("lab.img", disk(1, 2))
	s.write("lab.d/post", []byte(postScript))
	s.work()
	old := s.image("lab").Post.Digest
	f, err := os.OpenFile(filepath.Join(s.folder, "lab.d/post"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f.WriteString("echo and more\n")
		s.later(0)
		s.want("lab", "lab.d is being changed")
		s.later(time.Hour)
		s.want("lab", "lab.d is being changed")
		if _, ok := s.Script(old); ok {
			t.Error("the old script is still served")
		}
	}
	f.Close()
	s.later(0)
	s.later(s.rest)
	i := s.image("lab")
	if i.Problem != "" || i.Post.Digest != image.Sum([]byte(postScript+"echo and more\necho and more\n")) {
		t.Errorf("%+v", i)
	}
	if i.Post.Timeout != defaultTimeout {
		t.Errorf("timeout %v", i.Post.Timeout)
	}
	if err := os.RemoveAll(filepath.Join(s.folder, "lab.d")); err != nil {
		t.Fatal(err)
	}
	s.later(0)
	if i := s.image("lab"); i.Problem != "" || i.Post != nil {
		t.Errorf("its folder is gone: %+v", i)
	}
}

// An image whose script is no good is not offered without it.
func TestBadScripts(t *testing.T) {
	long := "#!/bin/sh\n" + strings.Repeat("#", catalog.MaxScript)
	for _, c := range []struct{ file, body, want string }{
		{"post", "", "lab.d/post is no program"},
		{"post", "echo hello\n", "lab.d/post is no program"},
		{"init", "#!/bin/sh\r\necho hello\r\n", "lab.d/init has the line ends of Windows"},
		{"init", long, "lab.d/init: longer than 256 KiB"},
		{"post", long[:catalog.MaxScript], ""},
		{"post", "\x7fELF\x02\x01", ""},
		{"post.sh", postScript, "lab.d/post.sh is not looked at: call it post"},
		{"INIT", initScript, "lab.d/INIT is not looked at: call it init"},
		{"post.old", postScript, ""},
		{"timeout", "soon", `lab.d/timeout: "soon" is no time`},
		{"timeout", "10", `lab.d/timeout: "10" is no time`},
		{"timeout", "25h", "is no time from 1s to 24h"},
		{"timeout", "-1m", "is no time from 1s to 24h"},
		{"timeout", " 1h30m \n", ""},
		{"init/x", "", "lab.d/init: not a regular file"},
	} {
		s := open(t)
		s.write("lab.img", disk(1, 1))
		s.write("lab.d/"+c.file, []byte(c.body))
		s.work()
		got := s.image("lab").Problem
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s %.20q: %q; want %q", c.file, c.body, got, c.want)
		}
		if c.want != "" {
			for d := range s.snapshot().scripts {
				t.Errorf("%s %.20q: script %v is served", c.file, c.body, d)
			}
		}
	}
	if postScript == initScript {
		t.Error("the two must differ")
	}
}

// Images of one name share the folder.
func TestBesideForTwo(t *testing.T) {
	s := open(t)
	s.write("lab.img", disk(1, 1))
	s.write("lab.raw", disk(2, 1))
	s.write("lab.d/post", []byte(postScript))
	s.work()
	for _, name := range []string{"lab.img", "lab.raw"} {
		if i := s.image(name); i.Post == nil {
			t.Errorf("%+v", i)
		}
	}
}

func TestTextIsCut(t *testing.T) {
	if got := firstLine(strings.Repeat("ü", 200), maxTitle); got != strings.Repeat("ü", maxTitle) {
		t.Errorf("title %q", got)
	}
	got := prose(strings.Repeat("ü", 5000), 4095)
	if got != strings.Repeat("ü", 2047) {
		t.Errorf("description of %d bytes", len(got))
	}
	if got := prose("", 10) + firstLine("\n\n", 10); got != "" {
		t.Errorf("%q", got)
	}
}

func FuzzProse(f *testing.F) {
	f.Add([]byte("a\tb\r\n\x1b[2J"), 5)
	f.Fuzz(func(t *testing.T, text []byte, limit int) {
		limit = min(max(limit, 0), 1000)
		got := prose(string(text), limit)
		if len(got) > limit || clean(strings.ReplaceAll(got, "\n", "")) != strings.ReplaceAll(got, "\n", "") {
			t.Errorf("%q from %q", got, text)
		}
		if l := firstLine(string(text), limit); strings.Contains(l, "\n") || clean(l) != l {
			t.Errorf("%q from %q", l, text)
		}
		if _, err := parseTimeout(text); err == nil && len(bytes.TrimSpace(text)) > 100 {
			t.Errorf("%q is a time", text)
		}
	})
}
