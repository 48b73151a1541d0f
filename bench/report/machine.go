package report

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// busy is the load per core from which on a machine is not ours alone.
const busy = 0.5

// Describe describes this machine. What can't be found out is left empty.
func Describe() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	m.CPU = fieldOf("/proc/cpuinfo", "model name", ":")
	kb, _ := strconv.ParseInt(strings.TrimSuffix(fieldOf("/proc/meminfo", "MemTotal", ":"), " kB"), 10, 64)
	m.MemoryMB = kb * 1024 / 1e6
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	m.System = strings.Trim(fieldOf("/etc/os-release", "PRETTY_NAME", "="), `"`)
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(b), " ")
		m.Load, _ = strconv.ParseFloat(first, 64)
	}
	return m
}

// Busy reports whether the machine did so much else that its figures and
// ratios mean little.
func (m Machine) Busy() bool { return m.Load > busy*float64(m.Cores) }

// fieldOf returns the value of the first line of a file that begins with name
// and a separator.
func fieldOf(file, name, separator string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, separator); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
