package machines

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Reads cut a sequence anywhere, and colours must not hide a word.
func TestSerialIsTextWithoutSequences(t *testing.T) {
	const sent = "\x1b[2J\x1b[01;01HBooting\r\n[\x1b[0;32m  OK  \x1b[0m] Started \x1b]0;title\x07Login\x1b(B.\r\n"
	const want = "Booting\n[  OK  ] Started LoginB.\n"
	for cut := range len(sent) {
		var s stripper
		got := s.append(s.append(nil, []byte(sent[:cut])), []byte(sent[cut:]))
		if string(got) != want {
			t.Fatalf("cut at %d: %q, want %q", cut, got, want)
		}
	}
}

func TestWaitForTakesWhatCameInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, machine := io.Pipe()
		var log bytes.Buffer
		s := newSerial(io.Discard, &log)
		go s.follow(out)
		go func() {
			time.Sleep(time.Second)
			io.WriteString(machine, "Number> login: ")
			time.Sleep(time.Second)
			io.WriteString(machine, "Number")
			time.Sleep(time.Second)
			io.WriteString(machine, "> ")
			time.Sleep(time.Second)
			machine.Close()
		}()
		begun := time.Now()
		for i, wait := range []time.Duration{time.Second, 3 * time.Second} {
			if got, err := s.WaitFor(t.Context(), "Number>"); err != nil || got != "Number>" || time.Since(begun) != wait {
				t.Fatalf("%d: %q, %v after %v", i, got, err, time.Since(begun))
			}
		}
		if _, err := s.WaitFor(t.Context(), "Number>"); !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "login: ") {
			t.Errorf("at the end: %v, want ErrEnded and the last lines", err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("too late"))
		s.ended = false
		if _, err := s.WaitFor(ctx, "never"); err == nil || !strings.Contains(err.Error(), "too late") {
			t.Errorf("cancelled: %v", err)
		}
		if log.String() != "Number> login: Number> " {
			t.Errorf("log %q", log.String())
		}
	})
}
