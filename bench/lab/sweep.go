package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
)

// netnsDir is where ip-netns(8) keeps the names of network namespaces.
const netnsDir = "/run/netns/"

// prefix marks the namespaces of labs. The rest of a name is the process that
// owns it (pid and start time, so that a reused pid is not mistaken for it),
// the number of the lab in that process, and the namespace's role.
const prefix = "pxelab-"

var labs atomic.Int64

func newName() string {
	pid := os.Getpid()
	return fmt.Sprintf("%s%d-%d-%d", prefix, pid, startTime(pid), labs.Add(1))
}

// startTime returns when a process started, in clock ticks since boot; 0 if
// there is no such process (proc_pid_stat(5), field 22).
func startTime(pid int) uint64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field, the program's name, may hold blanks and brackets.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return 0
	}
	t, _ := strconv.ParseUint(fields[19], 10, 64)
	return t
}

// dead tells whether name is a lab's namespace whose owner is gone.
func dead(name string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return false
	}
	parts := strings.Split(rest, "-")
	if len(parts) != 4 {
		return false
	}
	pid, err := strconv.Atoi(parts[0])
	if err != nil {
		return false
	}
	born, err := strconv.ParseUint(parts[1], 10, 64)
	return err == nil && startTime(pid) != born
}

// sweep removes the namespaces of dead processes, for the case that their
// janitors were killed as well. Best effort: a lab can be made beside them.
func sweep() {
	entries, err := os.ReadDir(netnsDir)
	if err != nil {
		return
	}
	var names strings.Builder
	for _, e := range entries {
		if dead(e.Name()) {
			names.WriteString(e.Name() + "\n")
		}
	}
	if names.Len() == 0 {
		return
	}
	cmd := exec.Command("sh", "-c", janitorScript, "janitor", "0")
	cmd.Stdin = strings.NewReader(names.String())
	_ = cmd.Run()
}
