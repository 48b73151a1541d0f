package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// canAsk reports whether somebody is there to answer questions.
func (p *program) canAsk() bool {
	return isTerminal(p.in) && isTerminal(p.err)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// ask writes a question and returns the line that is typed then; the end of
// the input is an empty one. It returns early when ctx ends.
func (p *program) ask(ctx context.Context, question string) (string, error) {
	p.screen.Clear()
	fmt.Fprint(p.err, question)
	if p.lines == nil {
		p.lines = make(chan string)
		go func() {
			defer close(p.lines)
			for s := bufio.NewScanner(p.in); s.Scan(); {
				p.lines <- s.Text()
			}
		}()
	}
	select {
	case line, ok := <-p.lines:
		if !ok {
			fmt.Fprintln(p.err)
		}
		return strings.TrimSpace(line), nil
	case <-ctx.Done():
		fmt.Fprintln(p.err)
		return "", context.Cause(ctx)
	}
}

// confirm asks a question whose answer is no unless somebody types y or yes.
func (p *program) confirm(ctx context.Context, question string) (bool, error) {
	answer, err := p.ask(ctx, question+" [y/N] ")
	return err == nil && (strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")), err
}

// pick asks for one of n numbered lines and returns its index, -1 when the
// answer is none of them.
func (p *program) pick(ctx context.Context, question string, n int) (int, error) {
	answer, err := p.ask(ctx, fmt.Sprintf("%s [1-%d] ", question, n))
	if err != nil {
		return -1, err
	}
	i, err := strconv.Atoi(answer)
	if err != nil || i < 1 || i > n {
		return -1, nil
	}
	return i - 1, nil
}
