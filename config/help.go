package config

import (
	"fmt"
	"strings"
)

// Usage is the arguments of a command that are no flags, for its usage line.
func Usage(s Settings) string {
	if p := newSet(s).positional; p != nil {
		return strings.Join(p.names, " ")
	}
	return ""
}

// Names are the names of a command's settings.
func Names(s Settings) []string {
	var names []string
	for _, st := range newSet(s).settings {
		if st.off == "" && !st.hidden {
			names = append(names, st.name)
		}
	}
	return names
}

// Help is the settings of a command in their groups, with defaults, in lines
// of at most width columns.
func Help(s Settings, width int) string {
	width = min(max(width, 60), 120)
	const indent = 6
	var out strings.Builder
	group := ""
	for _, st := range newSet(s).settings {
		if st.off != "" || st.hidden {
			continue
		}
		if st.group != group {
			group = st.group
			fmt.Fprintf(&out, "\n%s:\n", group)
		}
		metavar := st.metavar
		if st.kind == boolean {
			metavar = "[BOOL]"
		}
		fmt.Fprintf(&out, "  --%s %s\n", st.name, metavar)
		help := st.help
		if d := st.text(); strings.TrimSpace(d) != d || strings.ContainsAny(d, "<>") {
			help += fmt.Sprintf(" (default %q)", d)
		} else if d != "" && d != "false" {
			help += fmt.Sprintf(" (default %s)", d)
		}
		line := indent
		out.WriteString(strings.Repeat(" ", indent))
		for i, word := range strings.Fields(help) {
			if i > 0 && line+1+len(word) > width {
				out.WriteString("\n" + strings.Repeat(" ", indent))
				line = indent
			} else if i > 0 {
				out.WriteString(" ")
				line++
			}
			out.WriteString(word)
			line += len(word)
		}
		out.WriteString("\n")
	}
	return out.String()
}
