package complete

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// Man returns the manual page of section 1 (man(7)).
func Man(app *cli.App, version string) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p(`.TH %s 1 "" "%s %s"`, strings.ToUpper(app.Name), app.Name, roff(version))
	p(".SH NAME\n%s \\- %s", app.Name, roff(app.Usage))
	p(".SH SYNOPSIS")
	for _, c := range leaves(app) {
		p("%s\n.br", roff(c.UsageText))
	}
	p(".SH DESCRIPTION")
	paragraphs(&b, app.Description)
	p("Flags may stand before or after the argument. Sizes and rates take k, M and G.")
	p(".SH COMMANDS")
	for _, c := range leaves(app) {
		p(".SS %s", roff(c.UsageText))
		p("%s.", roff(upperFirst(c.Usage)))
		text, list, _ := strings.Cut(c.Description, "EXAMPLES:\n")
		if text != "" {
			p(".PP")
			paragraphs(&b, text)
		}
		for _, o := range options(c.Flags) {
			if o.name == "help" {
				continue
			}
			p(".TP\n.B \\-\\-%s%s\n%s%s", roff(o.name), value(o), roff(upperFirst(o.usage)), preset(o))
		}
		if list != "" {
			p(".PP\nExamples:")
			paragraphs(&b, list)
		}
	}
	b.WriteString(rest)
	return b.String()
}

const rest = `.SH "EXIT STATUS"
.TP
0
All went well.
.TP
1
It failed; one line on standard error says what, why and what to do.
.TP
2
The command line was wrong.
.TP
3
Of several receivers some failed.
.TP
130
Interrupted.
.SH ENVIRONMENT
.TP
.B PXECAST_CACHE
Folder of packed images.
.TP
.B PXECAST_KEY
File of the sender's secret key.
.TP
.B NO_COLOR
If set, no colours.
.SH FILES
.TP
.I /etc/pxecast/trusted
Public keys of the senders that this machine trusts, one a line, with a name.
.TP
.I ~/.config/pxecast/trusted
The same for one user.
`

func value(o option) string {
	if o.value == "" {
		return ""
	}
	return ` \fI` + roff(o.value) + `\fR`
}

func preset(o option) string {
	if o.text == "" || strings.Contains(o.usage, "default") {
		return "."
	}
	return fmt.Sprintf(" (default: %s).", roff(o.text))
}

// paragraphs writes text whose indented lines are commands.
func paragraphs(b *strings.Builder, text string) {
	literal := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if indented := strings.HasPrefix(line, "   "); indented != literal {
			literal = indented
			b.WriteString(map[bool]string{true: ".PP\n.nf\n", false: ".fi\n.PP\n"}[literal])
		}
		if line == "" {
			line = ".PP"
		} else {
			line = roff(line)
		}
		b.WriteString(line + "\n")
	}
	if literal {
		b.WriteString(".fi\n")
	}
}

// roff escapes what roff would read as commands.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
