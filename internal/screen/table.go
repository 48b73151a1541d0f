package screen

import "strings"

// A Column of a Table. A column without any text is left out.
type Column struct {
	Name  string
	Right bool // numbers stand at the right
}

// A Table is text in aligned columns.
type Table struct {
	Columns []Column
	Rows    [][]string // each as long as Columns
}

// Lines returns the heading, if any column has a name, and the rows.
func (t *Table) Lines() []string {
	widths := make([]int, len(t.Columns))
	filled := make([]bool, len(t.Columns))
	named := false
	for i, c := range t.Columns {
		widths[i] = Width(c.Name)
		named = named || c.Name != ""
		for _, r := range t.Rows {
			filled[i] = filled[i] || r[i] != ""
			widths[i] = max(widths[i], Width(r[i]))
		}
	}
	var lines []string
	line := func(cell func(i int) string) {
		var b strings.Builder
		for i, c := range t.Columns {
			if !filled[i] {
				continue
			}
			if b.Len() > 0 {
				b.WriteString("  ")
			}
			text := cell(i)
			space := strings.Repeat(" ", widths[i]-Width(text))
			if c.Right {
				b.WriteString(space + text)
			} else {
				b.WriteString(text + space)
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	if named {
		line(func(i int) string { return t.Columns[i].Name })
	}
	for _, r := range t.Rows {
		line(func(i int) string { return r[i] })
	}
	return lines
}
