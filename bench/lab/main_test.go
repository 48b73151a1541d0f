package lab_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/pxecast/pxecast/bench/lab"
)

// childVariable makes the test program act as the user of a lab that is about
// to be killed: it builds one, says what it is made of, and waits.
const childVariable = "PXELAB_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

func child() {
	fail := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	l, err := lab.New(context.Background(), lab.Config{Hosts: 2})
	fail(err)
	fail(l.Host(0).SetLoss(lab.Loss{Percent: 1}))
	loop, err := lab.AttachLoop(os.Getenv(childVariable), 0)
	fail(err)
	// A program that ignores everything but SIGKILL, with a child of its own,
	// is the worst that a lab can be left with.
	cmd := l.Host(1).Command(context.Background(), "sh", "-c", "trap '' HUP INT TERM; sleep 1000 & wait")
	fail(cmd.Start())
	fmt.Println(l.Host(0).Namespace(), l.Host(1).Namespace(), loop.Path(), cmd.Process.Pid)
	io.Copy(io.Discard, os.Stdin)
}
