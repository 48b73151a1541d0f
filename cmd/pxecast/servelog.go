package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/pxecast/pxecast/sender"
	"github.com/pxecast/pxecast/serve"
)

// troubleLog makes notices of what troubles a server's parts. What goes well is told
// by serve's own news.
type troubleLog struct {
	tell  func(serve.News)
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (troubleLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements slog.Handler.
func (t troubleLog) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		if value := a.Value.String(); value != "" {
			b.WriteString("; " + a.Key + ": " + value)
		}
		return true
	}
	for _, a := range t.attrs {
		add(a)
	}
	r.Attrs(add)
	t.tell(serve.News{Notice: &sender.Notice{Kind: "trouble", Text: b.String()}})
	return nil
}

// WithAttrs implements slog.Handler.
func (t troubleLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return troubleLog{t.tell, append(t.attrs[:len(t.attrs):len(t.attrs)], attrs...)}
}

// WithGroup implements slog.Handler; nobody here groups.
func (t troubleLog) WithGroup(string) slog.Handler { return t }
