package library

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image"
)

// A folder as people have them: each thing that is no image is shown with its
// reason, the others are served.
func TestFolderWithEverything(t *testing.T) {
	s := open(t)
	packed := gz(t, disk(1, 3))
	s.write("good.img.gz", packed)
	s.write("plain", disk(2, 2))
	s.write("truncated.img.gz", packed[:len(packed)-1000])
	s.write("notes.txt", []byte("remember the milk\n"))
	s.write("empty.img", nil)
	s.write("stuff/lab.img", disk(3, 1))
	s.write("odd.d/title", []byte("nobody's"))
	s.write("good.img.gz.d/title", []byte("misplaced"))
	s.write("archive.tar.gz", gz(t, []byte(at(257, "ustar"))))
	s.write("odd.bin.gz", gz(t, disk(4, 1)[:1000]))
	s.write("lab.zip", []byte("PK\x03\x04 and so on"))
	s.write("next.img.part", disk(5, 1))
	s.write(".lab.img.gz.Ab12Cd", packed[:100])
	s.write(strings.Repeat("long", 20)+".img", disk(6, 1))
	s.write("copied.img", disk(7, 1))
	copying, err := os.OpenFile(filepath.Join(s.folder, "copied.img"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer copying.Close()
	if err := os.Symlink("nowhere.img", filepath.Join(s.folder, "link.img")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(s.folder, "stuff/lab.img"), filepath.Join(s.folder, "elsewhere.img")); err != nil {
		t.Fatal(err)
	}
	s.work()

	want := map[string]string{
		"good": "", "plain": "", "elsewhere": "",
		"truncated":                         "gzip image truncated.img.gz: it ends early: copy or download it again",
		"notes.txt":                         "text, not a disk image",
		"empty.img":                         "empty: there is nothing to write to a disk",
		"stuff":                             "a folder, not an image",
		"odd.d":                             "a folder beside an image odd that is not there",
		"good.img.gz.d":                     "the folder beside an image has its name without endings: call it good.d",
		"archive.tar.gz":                    "compressed in it is a tar archive, not a disk image",
		"odd.bin.gz":                        "not a disk image: its size is no multiple of 512 bytes",
		"lab.zip":                           "a zip archive: unpack it first",
		"next.img.part":                     "still being copied, as its ending .part says",
		strings.Repeat("long", 20) + ".img": "its name is too long: rename it to 64 characters or less",
		"copied":                            "still being copied",
		"link":                              "a link that leads nowhere",
	}
	got := s.problems()
	for name, problem := range want {
		if p, ok := got[name]; !ok || p != problem {
			t.Errorf("%s: %q (%v); want %q", name, p, ok, problem)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("and also %v", got)
	}
	s.holds("good", disk(1, 3))
	s.holds("plain", disk(2, 2))
	s.holds("elsewhere", disk(3, 1))
}

// A file is left alone while anybody writes to it, however slowly.
func TestCopying(t *testing.T) {
	s := open(t)
	raw := disk(1, 2)
	f, err := os.Create(filepath.Join(s.folder, "lab.img"))
	if err != nil {
		t.Fatal(err)
	}
	for part := range 4 {
		s.later(0)
		s.want("lab", "still being copied")
		s.later(time.Hour) // the other end sleeps
		s.want("lab", "still being copied")
		if wake := s.shelf.wake(s.now()); !wake.After(s.now()) || wake.After(s.now().Add(s.rest)) {
			t.Errorf("looks again at %v, it is %v", wake, s.now())
		}
		f.Write(raw[part<<19 : (part+1)<<19])
	}
	s.later(0)
	f.Close()
	s.later(s.rest - 1)
	s.want("lab", "still being copied")
	s.later(1)
	s.want("lab", "waits to be packed")
	s.work()
	s.holds("lab", raw)
}

// Where nobody can tell whether a file is open, that it rests must do.
func TestCopyingInPieces(t *testing.T) {
	s := open(t)
	raw := disk(1, 2)
	for part := range 4 {
		f, err := os.OpenFile(filepath.Join(s.folder, "lab.img"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		f.Write(raw[part<<19 : (part+1)<<19])
		f.Close()
		s.later(s.rest / 2)
		s.want("lab", "still being copied")
	}
	s.work()
	s.holds("lab", raw)
}

// What lay there before the server was started is not waited for, what is in the
// cache is there at once, and a changed file is not.
func TestStartFindsWhatIsPacked(t *testing.T) {
	s := open(t)
	cache := s.cfg.Cache.Dir
	s.write("a.img", disk(1, 2))
	s.write("b.img", disk(2, 2))
	s.work()
	s.reopen(cache)
	s.write("b.img", disk(3, 2))
	s.write("c.img", disk(4, 2))
	s.later(time.Hour)
	s.want("a", "")
	s.want("b", "waits to be packed")
	s.want("c", "waits to be packed")
	s.holds("a", disk(1, 2))
}

// A changed file is another image; who has the old one open keeps it.
func TestChangedFile(t *testing.T) {
	s := open(t)
	s.write("lab.img", disk(1, 2))
	s.work()
	id := s.image("lab").ID
	old, _, err := s.Take(id)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	s.write("lab.img", disk(2, 2))
	s.scan()
	if p, _, err := s.Take(id); err != nil { // nobody was told yet that it is gone
		t.Error(err)
	} else {
		p.Close()
	}
	s.later(0)
	s.want("lab", "still being copied")
	if _, _, err := s.Take(id); err == nil {
		t.Error("the old image can still be had")
	}
	s.work()
	s.holds("lab", disk(2, 2))
	s.same(old, disk(1, 2))
	if err := old.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	// Permissions are no content.
	if err := os.Chmod(filepath.Join(s.folder, "lab.img"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.later(0)
	s.want("lab", "")
	if err := os.Remove(filepath.Join(s.folder, "lab.img")); err != nil {
		t.Fatal(err)
	}
	s.later(0)
	if got := s.problems(); len(got) != 0 {
		t.Errorf("removed, and shown: %v", got)
	}
	s.same(old, disk(1, 2))
}

// What is damaged is not tried again before somebody does something about it.
func TestDamagedUntilChanged(t *testing.T) {
	s := open(t)
	whole := gz(t, disk(1, 3))
	s.write("lab.img.gz", whole[:len(whole)/2])
	s.work()
	s.want("lab", "it ends early")
	s.later(24 * time.Hour)
	if b := s.shelf.next(); b != nil {
		t.Errorf("%s is to be packed again", b.file)
	}
	s.write("lab.img.gz", whole)
	s.work()
	s.holds("lab", disk(1, 3))
}

// The cause of a failure may lie elsewhere.
func TestFailureOutsideIsTriedAgain(t *testing.T) {
	s := open(t)
	s.write("lab.img", disk(1, 2))
	dir := s.cfg.Cache.Dir
	s.cfg.Cache.Dir = filepath.Join(s.folder, "lab.img", "no", "folder") // ENOTDIR
	s.work()
	s.want("lab", "not a directory")
	for _, b := range s.shelf.books {
		if b.state != failed || !b.retry.IsZero() {
			t.Errorf("state %d, tried again at %v", b.state, b.retry)
		}
		b.retry = s.now().Add(retryAfter) // as after a full disk
	}
	if wake := s.shelf.wake(s.now()); !wake.Equal(s.now().Add(retryAfter)) {
		t.Errorf("looks again at %v", wake)
	}
	s.cfg.Cache.Dir = dir
	s.later(retryAfter - 1)
	s.want("lab", "not a directory")
	s.later(1)
	s.work()
	s.holds("lab", disk(1, 2))
}

// Who waits sees how far packing is.
func TestProgressIsShown(t *testing.T) {
	s := open(t)
	s.write("lab.img", disk(1, 16))
	s.later(0)
	s.later(s.rest)
	j := s.start(t.Context(), s.shelf.next())
	s.publish()
	s.want("lab", "being packed")
	p := <-j.progress // the first comes at once
	s.shelf.progress(j, p, j.began)
	if !s.publish() {
		t.Errorf("%+v shows nothing new", p)
	}
	s.want("lab", " %")
	s.end(j, <-j.done)
	s.publish()
	s.holds("lab", disk(1, 16))
}

func TestNamesAndTake(t *testing.T) {
	s := open(t)
	raw := disk(1, 2)
	s.write("lab.img", raw)
	s.write("other.img.gz", gz(t, raw)) // the same image
	s.write("room.img", disk(2, 2))
	s.write("room.qcow.img.gz", gz(t, disk(3, 2)))
	s.write("room.raw", disk(4, 2))
	s.write("room", []byte("text"))
	s.write("thing", []byte("text"))
	s.write("thing.img", disk(5, 2))
	s.work()
	if i := s.image("thing"); i.Problem != "" {
		t.Errorf("found the text, not the image: %s", i.Problem)
	}
	lab, other := s.image("lab"), s.image("other")
	if lab.ID != other.ID || lab.Name != "lab" || other.Name != "other" {
		t.Errorf("%+v\n%+v", lab, other)
	}
	if _, _, err := s.Take(image.ID{1}); err == nil {
		t.Error("took an image that there isn't")
	}
	s.holds("room.raw", disk(4, 2))
}

func TestOrder(t *testing.T) {
	s := open(t)
	for i, title := range []string{"Zoo", "apple", "Bread"} {
		s.write(fmt.Sprintf("%d.img", i), disk(byte(i), 1))
		s.write(fmt.Sprintf("%d.d/title", i), []byte(title))
	}
	s.write("aa.txt", []byte("text"))
	s.work()
	var got []string
	for _, i := range s.Images() {
		got = append(got, i.Title)
	}
	if strings.Join(got, " ") != "aa.txt apple Bread Zoo" {
		t.Errorf("in the order %v", got)
	}
}

// A file server that is away for a while takes no image away; a folder that is gone
// does.
func TestFolderIsLost(t *testing.T) {
	s := open(t)
	s.write("lab.img", disk(1, 2))
	s.work()
	aside := s.folder + "-aside"
	if err := os.Rename(s.folder, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.folder, nil, 0o600); err != nil { // can't be read as a folder
		t.Fatal(err)
	}
	s.later(time.Minute)
	s.holds("lab", disk(1, 2))
	if err := os.Remove(s.folder); err != nil {
		t.Fatal(err)
	}
	s.later(time.Minute)
	if got := s.problems(); len(got) != 0 {
		t.Errorf("the folder is gone, and there is %v", got)
	}
	if err := os.Rename(aside, s.folder); err != nil {
		t.Fatal(err)
	}
	s.later(time.Minute)
	s.holds("lab", disk(1, 2)) // from the cache
}

// A virtual disk is an image like any other, a packed image is served from where
// it lies.
func TestOtherForms(t *testing.T) {
	s := open(t)
	raw := disk(1, 2)
	s.write("lab.img", raw)
	s.work()
	p, _, err := s.Take(s.image("lab").ID)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	packed, err := os.ReadFile(p.Name())
	if err != nil {
		t.Fatal(err)
	}
	s.write("packed.img.zst", packed)
	s.write("torn.img.zst", packed[:len(packed)-10])
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed")
	}
	out, err := exec.Command("qemu-img", "convert", "-f", "raw", "-O", "qcow2", s.path("lab.img"), s.path("virtual.qcow2")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.work()
	s.holds("virtual", raw)
	s.want("torn", "torn.img.zst")
	if i := s.image("packed"); i.ID != s.image("lab").ID || i.Problem != "" {
		t.Errorf("%+v", i)
	}
	if left, err := os.ReadDir(s.cfg.Cache.Dir); err != nil || len(left) != 3 {
		t.Errorf("the cache holds %v, %v; want lab, virtual and a mark for packed", left, err)
	}
}

func TestFolderMustBeThere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{file, filepath.Join(file, "x"), filepath.Join(t.TempDir(), "none")} {
		if _, err := Open(Config{Folder: folder}); err == nil {
			t.Errorf("%s opened", folder)
		}
	}
}
