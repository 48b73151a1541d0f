package serve

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
)

func read(t *testing.T, text string) (Settings, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pxecast.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadSettings(file)
}

func TestSettingsAreRead(t *testing.T) {
	s, err := read(t, `
images = "/srv/images"
dhcp = "10.0.0.100-10.0.0.200"
gather = "0s"
boot-timeout = "3s"

[[machine]]
match = "52:54:00:*"
image = "lab"
disk = "largest"
unattended = true
after = "poweroff"

[[machine]]
match = "PC-1?"
image = "staff"
`)
	if err != nil {
		t.Fatal(err)
	}
	if s.Gather.Or(time.Minute) != 0 {
		t.Errorf("gather = 0s is %v", s.Gather.Or(time.Minute))
	}
	if got := (Duration{}).Or(time.Minute); got != time.Minute {
		t.Errorf("no time given is %v", got)
	}
	first, last, err := s.Range()
	if err != nil || first.String() != "10.0.0.100" || last.String() != "10.0.0.200" {
		t.Errorf("range %v to %v: %v", first, last, err)
	}
	for _, tt := range []struct {
		who  string
		m    catalog.Machine
		want catalog.Orders
	}{
		{"by MAC", catalog.Machine{MAC: "52:54:00:12:34:56", Name: "pc-12"}, catalog.Orders{Image: "lab", Disk: "largest", Unattended: true, After: catalog.PowerOff}},
		{"by name, in other letters", catalog.Machine{MAC: "00:11:22:33:44:55", Name: "pc-12"}, catalog.Orders{Image: "staff"}},
		{"unknown", catalog.Machine{MAC: "00:11:22:33:44:55", Name: "pc-123"}, catalog.Orders{}},
		{"who says nothing", catalog.Machine{}, catalog.Orders{}},
	} {
		if got := s.orders(&tt.m); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.who, got, tt.want)
		}
	}
}

// A setting that is misread could overwrite the wrong disks: nothing is guessed.
func TestWrongSettingsAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		`imagse = "/srv"`:                               `"imagse" is no setting`,
		`gather = "10"`:                                 "with its unit",
		"images = \"/srv\"\ngather = ":                  "line 2",
		`dhcp = "10.0.0.200-10.0.0.100"`:                "10.0.0.100-10.0.0.200",
		`dhcp = "yes"`:                                  "proxy, off, or a range",
		`boot-default = "disk"`:                         "local or image",
		`http-port = 70000`:                             "1 to 65535",
		`serial-speed = 12`:                             "give one of",
		"[[machine]]\nmatch = \"a\"\ndisk = \"bigest\"": "largest",
		`after = "halt"`:                                "reboot, poweroff",
		"[[machine]]\nimage = \"lab\"":                  "no match",
		"[[machine]]\nmatch = \"[\"":                    "not complete",
		"[[machine]]\nmatch = \"a\"\nafter = \"x\"":     "reboot, poweroff",
		"[[machine]]\nmatch = \"a\"\nunattended = true": "no image",
		"[[machine]]\nmatch = \"a\"\ndiks = \"first\"":  "no setting",
	} {
		if _, err := read(t, text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\ngives %v, want one line with %q", text, err, want)
		}
	}
	if _, err := ReadSettings(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// The example that comes with pxecast says what holds without it.
func TestExampleSettings(t *testing.T) {
	text, err := os.ReadFile("../dist/pxecast.toml")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := read(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^#(\[\[|[a-z-]+ = )`).ReplaceAllString(string(text), "$1")
	shown, err := read(t, all)
	if err != nil {
		t.Fatal(err)
	}
	if len(shown.Machines) == 0 || shown.Images == "" {
		t.Fatalf("nothing is set: %+v", shown)
	}
	for _, s := range []*Settings{&plain, &shown} {
		s.Interface, s.After, s.Machines = "", "", nil // which have no default that could be shown
		if err := s.Fill(); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(plain, shown) {
		t.Errorf("it shows %+v\nand without it holds %+v", shown, plain)
	}
}
