package serve

import (
	"fmt"
	"strings"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/sender"
)

// News is one thing that happened; one of its fields is set.
type News struct {
	Machine *MachineNews
	Session *SessionNews
	Image   *catalog.Image // it is new, is packed, or has another problem
	Notice  *sender.Notice
}

// MachineNews is a machine in another state than before.
type MachineNews struct {
	MachineStatus
	Event *catalog.Event // what it told; nil: we saw it
}

// SessionNews is a session that ended.
type SessionNews struct {
	sender.Status
	Err error
}

// scriptText is what people are told of a script that ended.
func scriptText(e *catalog.Event) string {
	how := "is through"
	if e.Text != "" {
		how = e.Text
	} else if e.Exit != 0 {
		how = fmt.Sprintf("exited with %d", e.Exit)
	}
	text := "script " + e.Script + " " + how
	if last := lastLine(e.Output); e.Exit != 0 && last != "" {
		text += ": " + last
	}
	return text
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
