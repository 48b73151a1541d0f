package main

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/pxecast/pxecast/serve"
)

func TestTroubleIsTold(t *testing.T) {
	var told []string
	log := slog.New(troubleLog{tell: func(n serve.News) { told = append(told, n.Notice.Text) }})
	log.Info("image can be had", "file", "lab.img")
	log.With("what to do", "stop it").Warn("another process has UDP port 67", "process", "")
	log.Error("the folder of images can't be read", "err", errors.New("input/output error"))
	want := []string{"another process has UDP port 67; what to do: stop it", "the folder of images can't be read; err: input/output error"}
	if len(told) != 2 || told[0] != want[0] || told[1] != want[1] {
		t.Errorf("%q", told)
	}
}
