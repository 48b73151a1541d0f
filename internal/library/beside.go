package library

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"golang.org/x/sys/unix"
)

// besideEnding makes the name of the folder beside an image: lab.d has what
// belongs to lab.img.gz.
const besideEnding = ".d"

// What there may be in the folder beside an image.
const (
	titleFile       = "title"       // a line
	descriptionFile = "description" // text
	initFile        = "init"        // a program that the machine runs before its disk is written
	postFile        = "post"        // a program that it runs after
	timeoutFile     = "timeout"     // how long each of them may take: "10m", "90s"
)

var besideFiles = []string{titleFile, descriptionFile, initFile, postFile, timeoutFile}

const (
	maxTitle       = 80 // characters, about what a line of a console has
	defaultTimeout = 10 * time.Minute
	maxTimeout     = 24 * time.Hour
)

// A beside is what the folder beside an image says of it; zero where there is none.
type beside struct {
	title, description string
	init, post         *script
	problem            string // why the image must not be offered
}

// A script is a program of an image, with its bytes: what is signed is what is
// served.
type script struct {
	catalog.Script
	body []byte
}

// A besidePrint changes when anything in the folder does.
type besidePrint struct {
	files   string // names and stamps
	changed time.Time
	writing bool
}

// printBeside looks at the folder at path. Errors match fs.ErrNotExist when there
// is none.
func printBeside(path string) (besidePrint, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return besidePrint{}, err
	}
	var p besidePrint
	var b strings.Builder
	for _, e := range entries {
		if ignored(e.Name()) {
			continue
		}
		if !slices.Contains(besideFiles, e.Name()) { // that it is there may matter: post.sh
			fmt.Fprintf(&b, "%q\n", e.Name())
			continue
		}
		var st unix.Stat_t
		err := unix.Stat(filepath.Join(path, e.Name()), &st)
		s := stampOf(&st)
		fmt.Fprintf(&b, "%q %v %v\n", e.Name(), err, s) // a link to nothing has an error
		if err == nil && s.changed().After(p.changed) {
			p.changed = s.changed()
		}
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			p.writing = p.writing || isBeingWritten(filepath.Join(path, e.Name()))
		}
	}
	p.files = b.String()
	return p, nil
}

func isBeingWritten(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return errors.Is(err, unix.EWOULDBLOCK)
	}
	defer f.Close()
	return openForWriting(int(f.Fd()))
}

// readBeside reads the folder at path. Whatever is wrong with it is the problem of
// its image: an image without its post is another than its owner thinks.
func readBeside(path string) (b beside) {
	fault := func(format string, args ...any) {
		if b.problem == "" {
			b.problem = filepath.Base(path) + "/" + fmt.Sprintf(format, args...)
		}
	}
	if file := misnamed(path); file != "" {
		base, _, _ := strings.Cut(strings.ToLower(file), ".")
		fault("%s is not looked at: call it %s", file, base)
	}
	text := make(map[string][]byte)
	for _, file := range besideFiles {
		body, err := readSmall(filepath.Join(path, file), catalog.MaxScript)
		switch {
		case err == nil:
			text[file] = body
		case !errors.Is(err, fs.ErrNotExist):
			fault("%s: %v", file, err)
		}
	}
	b.title = firstLine(string(text[titleFile]), maxTitle)
	b.description = prose(string(text[descriptionFile]), catalog.MaxText)
	timeout, err := parseTimeout(text[timeoutFile])
	if err != nil {
		fault("%s: %v", timeoutFile, err)
	}
	for file, to := range map[string]**script{initFile: &b.init, postFile: &b.post} {
		body, ok := text[file]
		if !ok {
			continue
		}
		if why := scriptFault(body); why != "" {
			fault("%s %s", file, why)
			continue
		}
		*to = &script{catalog.Script{Digest: image.Sum(body), Size: len(body), Timeout: timeout}, body}
	}
	return b
}

// scriptEndings are what people add to the names of scripts.
var scriptEndings = []string{"", ".sh", ".bash", ".py", ".pl", ".txt"}

// misnamed returns a file that is meant to be a script, as far as its name tells,
// and isn't called like one: post.sh, where there is no post.
func misnamed(path string) string {
	entries, _ := os.ReadDir(path)
	names := make(map[string]bool)
	for _, e := range entries {
		names[e.Name()] = true
	}
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		end := filepath.Ext(name)
		base := strings.TrimSuffix(name, end)
		if (base == initFile || base == postFile) && !names[base] && slices.Contains(scriptEndings, end) {
			return e.Name()
		}
	}
	return ""
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(path string, limit int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe must not wait for its writer
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, cause(err)
	} else if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(b) > limit {
		return nil, fmt.Errorf("longer than %d KiB", limit>>10)
	}
	return b, nil
}

// cause returns what the system said, without the path that people know already.
func cause(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// scriptFault tells why the kernel would not run a file with this content, "" when
// it would. Whether the file may be executed here does not matter: it never is.
func scriptFault(body []byte) string {
	line, _, _ := bytes.Cut(body, []byte("\n"))
	switch {
	case bytes.HasPrefix(body, []byte("\x7fELF")):
		return ""
	case !bytes.HasPrefix(body, []byte("#!")):
		return "is no program: its first line must be #! and an interpreter, such as #!/bin/sh"
	case bytes.HasSuffix(line, []byte("\r")):
		return "has the line ends of Windows, which no interpreter's name has: convert it (sed -i 's/\\r$//')"
	}
	return ""
}

func parseTimeout(text []byte) (time.Duration, error) {
	s := strings.TrimSpace(string(text))
	if s == "" {
		return defaultTimeout, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second || d > maxTimeout {
		return 0, fmt.Errorf("%.40q is no time from 1s to 24h, such as 10m or 90s", s)
	}
	return d, nil
}

// firstLine returns the first line of text that has something in it, cut to so
// many characters.
func firstLine(text string, limit int) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	runes := []rune(clean(strings.TrimSpace(line)))
	return string(runes[:min(limit, len(runes))])
}

// prose returns text for people, cut to so many bytes, its lines kept.
func prose(text string, limit int) string {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")), "\n")
	for i, line := range lines {
		lines[i] = clean(strings.ReplaceAll(strings.TrimRight(line, " \t\r"), "\t", "    "))
	}
	text = strings.Join(lines, "\n")
	if len(text) <= limit {
		return text
	}
	text = text[:limit]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text
}
