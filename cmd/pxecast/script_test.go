package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "pxecast" {
		flag.Parse()
		flag.Set("test.parallel", "6") // the scripts wait rather than compute
	}
	testscript.Main(m, map[string]func(){"pxecast": main})
}

// environment is the key of what the programs of a script have for theirs.
type environment struct{}

func params(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("PXECAST_CACHE", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("PXECAST_KEY", filepath.Join(e.WorkDir, "key"))
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			e.Values[environment{}] = e.Vars
			e.Defer(func() { endAll("PXECAST_KEY=" + e.Getenv("PXECAST_KEY")) })
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("no condition [%s]", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "until": until, "signal": signalProcess, "json": jsonFields, "noise": noise, "flip": flip, "terminal": terminal,
		},
	}
}

func TestScripts(t *testing.T) { testscript.RunT(apart{t}, params("testdata/script")) }

func TestNetwork(t *testing.T) { testscript.RunT(apart{t}, params("testdata/network")) }

// exits STATUS COMMAND ARG...: the command's exit status is STATUS.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND ARG...")
	}
	err := ts.Exec(args[1], args[2:]...)
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("exit status %d, want %s", status, args[0])
	}
}

// until FILE PATTERN: waits for a line of FILE that matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE PATTERN")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	for end := time.Now().Add(20 * time.Second); ; {
		b, _ := os.ReadFile(ts.MkAbs(args[0]))
		if pattern.Match(b) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("no %q in %s, which has:\n%s", args[1], args[0], b)
		}
		<-time.After(10 * time.Millisecond) // of another process
	}
}

// signal NAME FILE: sends a signal to the process whose ID is in FILE.
func signalProcess(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME FILE")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[1])))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, unix.SignalNum("SIG"+args[0])))
}

// json FILE PATH=VALUE...: the last line of FILE is a JSON object with these
// values, PATH being like receivers.0.state or receivers.len. VALUE * is any but null.
func jsonFields(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: json FILE PATH=VALUE...")
	}
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n")
	var object any
	ts.Check(json.Unmarshal([]byte(lines[len(lines)-1]), &object))
	for _, a := range args[1:] {
		path, want, _ := strings.Cut(a, "=")
		got, ok := at(object, path)
		if !ok {
			ts.Fatalf("no %s in %s", path, lines[len(lines)-1])
		}
		if text := fmt.Sprint(got); text != want && (want != "*" || got == nil) {
			ts.Fatalf("%s is %s, want %s, in %s", path, text, want, lines[len(lines)-1])
		}
	}
}

func at(v any, path string) (any, bool) {
	for _, key := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[key]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(key)
			if key == "len" {
				v = len(x)
			} else if err != nil || i >= len(x) {
				return nil, false
			} else {
				v = x[i]
			}
		default:
			return nil, false
		}
	}
	if f, ok := v.(float64); ok && f == float64(int64(f)) {
		return int64(f), true
	}
	return v, true
}

// noise FILE BYTES SEED: bytes that don't compress, the same ones every time.
func noise(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: noise FILE BYTES SEED")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	seed, err := strconv.ParseUint(args[2], 10, 64)
	ts.Check(err)
	b := make([]byte, n)
	for i := range b {
		seed = seed*6364136223846793005 + 1442695040888963407
		b[i] = byte(seed >> 56)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// flip FILE OFFSET: changes one bit.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], offset)
	ts.Check(err)
	b[0] ^= 1
	_, err = f.WriteAt(b[:], offset)
	ts.Check(err)
}
