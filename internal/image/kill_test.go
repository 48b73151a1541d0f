package image

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// child starts a process that packs input to output.
func child(t *testing.T, input, output string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, input)
	cmd.Env = append(os.Environ(), childEnv+"="+output)
	return cmd
}

// checkKilled: what a killed pack leaves is nothing, or all of it.
func checkKilled(t *testing.T, output string, raw []byte) (finished bool) {
	t.Helper()
	for _, name := range ls(t, filepath.Dir(output)) {
		if name != filepath.Base(output) && !strings.HasSuffix(name, partialSuffix) {
			t.Errorf("left behind: %s", name)
		}
	}
	p, err := Open(output)
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Errorf("the output is there, but: %v", err)
		return true
	}
	defer p.Close()
	if err := p.Verify(t.Context(), nil); err != nil || p.Manifest().RawSize() != int64(len(raw)) {
		t.Errorf("the output is there, but: %v, %d of %d bytes", err, p.Manifest().RawSize(), len(raw))
	}
	return true
}

// Killed while it waits for more of a pipe, at many places in the image.
func TestKilledWhileReading(t *testing.T) {
	raw := noise(1, 3<<20)
	for _, fed := range []int{0, 1, blockSize, blockSize * 5, len(raw)} {
		out := filepath.Join(t.TempDir(), "out")
		cmd := child(t, "-", out)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(raw[:fed]); err != nil {
			t.Error(err)
		}
		cmd.Process.Kill()
		cmd.Wait()
		if checkKilled(t, out, raw) {
			t.Errorf("killed before the end of its input it left a finished file")
		}
		if names := ls(t, filepath.Dir(out)); len(names) != 0 {
			t.Errorf("left behind: %v", names)
		}
	}
}

// Killed at random moments from its start to after its end.
func TestKilledAtAnyMoment(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	raw := diskLike(2, 6<<20)
	in := writeFile(t, "raw", raw)
	var whole time.Duration
	finished := 0
	const rounds = 12
	for i := range rounds {
		out := filepath.Join(t.TempDir(), "out")
		cmd := child(t, in, out)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if i > 0 { // the first one lives, and tells how long it takes
			kill := time.AfterFunc(time.Duration(r.Int64N(int64(whole*5/4)+1)), func() { cmd.Process.Kill() })
			defer kill.Stop()
		}
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		if i == 0 {
			whole = time.Since(start)
		}
		io.Copy(io.Discard, stdout)
		cmd.Wait()
		done := checkKilled(t, out, raw)
		if done {
			finished++
		}
		if strings.HasPrefix(line, "packed <nil>") && !done {
			t.Error("it said that it was done, and there is no output")
		}
	}
	t.Logf("%d of %d finished", finished, rounds)
	if finished == 0 {
		t.Error("not even the one that lived")
	}
}
