package complete

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

func bash(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# bash completion for %[1]s, made by "%[1]s completion bash"
_%[1]s() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} flags= args=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "%[2]s --help --version" -- "$cur"))
        return
    fi
`, app.Name, strings.Join(names(app.VisibleCommands()), " "))
	for _, g := range groups(app) {
		fmt.Fprintf(&b, "    if [ \"$command\" = %s ]; then\n        if [ \"$COMP_CWORD\" -eq 2 ]; then\n            COMPREPLY=($(compgen -W \"%s --help\" -- \"$cur\"))\n            return\n        fi\n"+
			"        command+=\" ${COMP_WORDS[2]}\"\n    fi\n", g.Name, strings.Join(names(g.Subcommands), " "))
	}
	b.WriteString("    case \"$command $prev\" in\n")
	for _, c := range leaves(app) {
		for _, o := range options(c.Flags) {
			if o.value != "" {
				fmt.Fprintf(&b, "    \"%s --%s\") %s return ;;\n", c.path, o.name, bashValue(o.name))
			}
		}
	}
	b.WriteString("    esac\n    case $command in\n")
	for _, c := range leaves(app) {
		flags := ""
		for _, o := range options(c.Flags) {
			flags += " --" + o.name
		}
		fmt.Fprintf(&b, "    \"%s\") flags=\"%s\"\n        case $cur in -*) ;; *) %s return ;; esac ;;\n", c.path, flags[1:], bashValue(c.ArgsUsage))
	}
	fmt.Fprintf(&b, "    esac\n    COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n}\ncomplete -o filenames -F _%[1]s %[1]s\n", app.Name)
	return b.String()
}

// bashValue completes the value of a flag or an argument, by its name.
func bashValue(name string) string {
	s := ""
	if w := words[name]; w != "" {
		s += fmt.Sprintf(`COMPREPLY+=($(compgen -W "%s" -- "$cur")); `, w)
	}
	if files[name] {
		s += `compopt -o default; COMPREPLY+=($(compgen -f -- "$cur")); `
	}
	if name == "interface" {
		s += `COMPREPLY+=($(compgen -W "$(ls /sys/class/net)" -- "$cur")); `
	}
	return strings.TrimSuffix(s, " ")
}

func zsh(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %[1]s\n# zsh completion for %[1]s, made by \"%[1]s completion zsh\"\n_%[1]s() {\n"+
		"  local -a commands=(\n", app.Name)
	for _, c := range app.VisibleCommands() {
		fmt.Fprintf(&b, "    %s\n", quote(c.Name+":"+c.Usage))
	}
	b.WriteString("  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    _arguments '--help[show help]' '--version[show the version]'\n    return\n  fi\n" +
		"  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n")
	for _, g := range groups(app) {
		zshGroup(&b, g)
	}
	b.WriteString("  case $command in\n")
	for _, c := range leaves(app) {
		fmt.Fprintf(&b, "    %s) _arguments", quote(c.path))
		for _, o := range options(c.Flags) {
			spec := "--" + o.name
			if o.value != "" {
				spec += "="
			}
			spec += "[" + zshEscape(o.usage) + "]"
			if o.value != "" {
				spec += ":" + zshEscape(o.value) + ":" + zshValue(o.name)
			}
			b.WriteString(" \\\n      " + quote(spec))
		}
		if c.ArgsUsage != "" {
			b.WriteString(" \\\n      " + quote("1:"+c.ArgsUsage+":"+zshValue(c.ArgsUsage)))
		}
		b.WriteString(" ;;\n")
	}
	fmt.Fprintf(&b, "  esac\n}\nif [ \"$funcstack[1]\" = _%[1]s ]; then _%[1]s \"$@\"; else compdef _%[1]s %[1]s; fi\n", app.Name)
	return b.String()
}

// zshGroup completes the names of the commands in a group, and makes of a
// complete one and the group's name the command.
func zshGroup(b *strings.Builder, g *cli.Command) {
	fmt.Fprintf(b, "  if [[ $command = %s ]]; then\n    if (( CURRENT == 2 )); then\n      commands=(\n", g.Name)
	for _, c := range g.Subcommands {
		fmt.Fprintf(b, "        %s\n", quote(c.Name+":"+c.Usage))
	}
	b.WriteString("      )\n      _describe command commands\n      return\n    fi\n    command+=\" $words[2]\"\n    shift words\n    (( CURRENT-- ))\n  fi\n")
}

func zshEscape(s string) string {
	return strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`, `"`, "").Replace(s)
}

func zshValue(name string) string {
	switch {
	case files[name]:
		return "_files"
	case words[name] != "":
		return "(" + words[name] + ")"
	case name == "interface":
		return "_net_interfaces"
	}
	return " "
}

func fish(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# fish completion for %[1]s, made by \"%[1]s completion fish\"\ncomplete -c %[1]s -f\n"+
		"complete -c %[1]s -n __fish_use_subcommand -l help -d 'show help'\ncomplete -c %[1]s -n __fish_use_subcommand -l version -d 'show the version'\n", app.Name)
	for _, c := range app.VisibleCommands() {
		fmt.Fprintf(&b, "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", app.Name, c.Name, fishQuote(c.Usage))
		for _, s := range c.Subcommands {
			fmt.Fprintf(&b, "complete -c %s -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from %s' -a %s -d %s\n",
				app.Name, c.Name, strings.Join(names(c.Subcommands), " "), s.Name, fishQuote(s.Usage))
		}
	}
	for _, c := range leaves(app) {
		seen := "__fish_seen_subcommand_from " + strings.ReplaceAll(c.path, " ", "; and __fish_seen_subcommand_from ")
		on := fmt.Sprintf("complete -c %s -n '%s'", app.Name, seen)
		for _, o := range options(c.Flags) {
			fmt.Fprintf(&b, "%s -l %s%s -d %s\n", on, o.name, fishValue(o.name, o.value != ""), fishQuote(o.usage))
		}
		if c.ArgsUsage != "" {
			fmt.Fprintf(&b, "%s%s\n", on, strings.Replace(fishValue(c.ArgsUsage, false), " -r", "", 1))
		}
	}
	return b.String()
}

func fishValue(name string, takesValue bool) string {
	s := ""
	if takesValue {
		s = " -x"
	}
	if files[name] {
		s = " -r -F"
	}
	if w := words[name]; w != "" {
		s += " -a '" + w + "'"
	}
	if name == "interface" {
		s += " -a '(ls /sys/class/net)'"
	}
	return s
}

// quote makes one word of s for sh and zsh.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
