package main

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// Machine describes where the figures were taken: they mean nothing elsewhere.
type Machine struct {
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	MemoryMB int64             `json:"memory_mb"`
	Kernel   string            `json:"kernel"`
	Go       string            `json:"go"`
	Load     float64           `json:"load_at_start"` // of the last minute
	Versions map[string]string `json:"versions"`
}

// busy is the load per core from which on a machine is not ours alone.
const busy = 0.5

func describeMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Versions: map[string]string{}}
	m.CPU = procField("/proc/cpuinfo", "model name")
	kb, _ := strconv.ParseInt(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	m.MemoryMB = kb / 1024
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _ = strconv.ParseFloat(strings.Fields(string(b))[0], 64)
	}
	if out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "udpcast").Output(); err == nil {
		m.Versions["udpcast"] = string(out)
	}
	return m
}

// procField returns the value of the first "name: value" line of a file.
func procField(file, name string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
