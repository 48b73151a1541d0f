package debian

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const indextargets = `http://third.example/repo/|stable|main|Third Party|bookworm|amd64
http://mirror.example/debian/|bookworm|main|Debian|bookworm|amd64
http://mirror.example/debian/|bookworm|contrib|Debian|bookworm|amd64
http://mirror.example/debian/|bookworm|main|Debian|bookworm|arm64
http://mirror.example/debian/|bookworm-updates|main|Debian|bookworm-updates|amd64
http://mirror.example/debian/|bookworm-backports|main|Debian Backports|bookworm-backports|amd64
http://mirror.example/security/|bookworm-security|main|Debian|bookworm-security|amd64
http://mirror.example/debian/|sid|main|Debian|sid|amd64
`

func TestOnlyDebiansOwnArchiveIsChosen(t *testing.T) {
	lines, codename, err := choose(parseTargets(indextargets))
	if err != nil || codename != "bookworm" {
		t.Fatalf("codename %q, %v", codename, err)
	}
	by := "deb [signed-by=" + Keyring + "] "
	want := []string{
		by + "http://mirror.example/debian/ bookworm main",
		by + "http://mirror.example/debian/ bookworm-updates main",
		by + "http://mirror.example/security/ bookworm-security main",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if _, _, err := choose(parseTargets("http://third.example/|stable|main|Third|noble|amd64")); !errors.Is(err, ErrNoSources) {
		t.Errorf("without a Debian archive: %v, want ErrNoSources", err)
	}
}

func TestMirrorsAreThoseOfTheHostsOwnRelease(t *testing.T) {
	m, err := mirrors(parseTargets(indextargets))
	want := mirror{main: "http://mirror.example/debian/", security: "http://mirror.example/security/"}
	if err != nil || m != want {
		t.Errorf("got %+v, %v, want %+v", m, err, want)
	}
	if _, err := mirrors(parseTargets("http://third.example/|stable|main|Third|noble|amd64")); !errors.Is(err, ErrNoSources) {
		t.Errorf("without a Debian archive: %v, want ErrNoSources", err)
	}
}

func TestAptOptionsAreProxiesAndOldMirrors(t *testing.T) {
	got := parseOptions(`APT::Architecture "amd64";
Acquire::http::Proxy "http://proxy.example:3142";
Acquire::https::Proxy "";
Acquire::http::Proxy::mirror.example "DIRECT";
Acquire::Check-Valid-Until "false";
Acquire::Retries "3";
Dir::Etc "etc/apt";
`)
	want := []string{
		`Acquire::http::Proxy "http://proxy.example:3142";`,
		`Acquire::http::Proxy::mirror.example "DIRECT";`,
		`Acquire::Check-Valid-Until "false";`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSuiteThatIsNoNameNeverReachesApt(t *testing.T) {
	for _, suite := range []string{"../x", "a b", "-o", "Trixie", "x\ny", "a/b"} {
		if _, err := (mirror{main: "http://mirror.invalid/"}).release(t.Context(), suite, []string{"main"}); !errors.Is(err, ErrNoSuite) {
			t.Errorf("%q: %v, want ErrNoSuite", suite, err)
		}
	}
}

func TestCodenameOfARelease(t *testing.T) {
	for text, want := range map[string]string{
		"Origin: Debian\nSuite: stable\nCodename: trixie\n":   "trixie",
		"Suite: stable-security\nCodename: trixie-security\n": "trixie",
		"Codename: trixie-updates\n":                          "trixie",
		"Codename: ../x\n":                                    "",
		"":                                                    "",
	} {
		got, err := codenameOf(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestAptsComplaintIsOneLine(t *testing.T) {
	said := "Ign:1 http://mirror.example x InRelease\nE: The repository 'http://mirror.example x Release' does not have a Release file.\nN: more\n"
	if got := complaint(said); got != "The repository 'http://mirror.example x Release' does not have a Release file." {
		t.Errorf("got %q", got)
	}
}
