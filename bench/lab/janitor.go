package lab

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// janitorScript reads the names of namespaces, one a line, until the pipe it
// reads from closes, be it by Close or because the lab's process died. Then it
// kills what runs in them and deletes them. $1 is the lab's process: it may
// have a thread in a namespace (Host.Do) and is not to be killed by its own
// Close.
const janitorScript = `
names=
while read -r name; do names="$names $name"; done
for name in $names; do
	for pid in $(ip netns pids "$name" 2>/dev/null); do
		[ "$pid" = "$1" ] || kill -9 "$pid" 2>/dev/null
	done
	ip netns del "$name" 2>/dev/null
done
exit 0
`

// A janitor is a child process that outlives its parent just long enough to
// remove what the parent made. It is the only way in which a lab is removed,
// so every test that closes a lab tests the way a crash takes.
type janitor struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func startJanitor() (*janitor, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("sh", "-c", janitorScript, "janitor", fmt.Sprint(os.Getpid()))
	cmd.Stdin = r
	// A session of its own: neither Ctrl-C nor a closing terminal may end it
	// before its work is done.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return &janitor{cmd: cmd, pipe: w}, nil
}

// hold tells the janitor of a namespace to remove in the end.
func (j *janitor) hold(name string) error {
	_, err := io.WriteString(j.pipe, name+"\n")
	return err
}

// finish lets the janitor work and waits until it is done.
func (j *janitor) finish() error {
	j.pipe.Close()
	return j.cmd.Wait()
}
