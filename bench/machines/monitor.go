package machines

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// monitor listens to QEMU's monitor protocol, QMP: events, a line of JSON each
// (docs/interop/qmp-spec.txt in QEMU's source).
type monitor struct {
	conn io.ReadWriteCloser
	done chan struct{} // the other end is gone

	mu  sync.Mutex
	why string // of the machine's end
}

func newMonitor(conn io.ReadWriteCloser) *monitor {
	m := &monitor{conn: conn, done: make(chan struct{})}
	go m.follow()
	return m
}

func (m *monitor) follow() {
	defer close(m.done)
	defer m.conn.Close()
	// It sends no events before it is out of negotiation.
	if err := m.tell("qmp_capabilities"); err != nil {
		return
	}
	for d := json.NewDecoder(m.conn); ; {
		var e struct {
			Event string
			Data  struct{ Reason string }
		}
		if d.Decode(&e) != nil {
			return
		}
		if e.Event == "SHUTDOWN" {
			m.mu.Lock()
			m.why = e.Data.Reason
			m.mu.Unlock()
		}
	}
}

func (m *monitor) tell(command string) error {
	_, err := fmt.Fprintf(m.conn, "{\"execute\":%q}\n", command)
	return err
}

// wait waits until all that it said is read.
func (m *monitor) wait() { <-m.done }

// reason is why the machine ended, "" unknown.
func (m *monitor) reason() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.why
}
