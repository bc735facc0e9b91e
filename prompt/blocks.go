package prompt

import "strings"

// trimBlocks gives a template the white space that jinja2 leaves with
// trim_blocks and lstrip_blocks: a block or comment loses the newline after it
// and, where it begins a line, the white space before it; "+" keeps either.
// gonja has both settings but also strips a space between a value and a block
// on one line, which chat templates write. Line ends become \n and one
// newline at the very end goes, as in jinja2.
func trimBlocks(source string) string {
	source = strings.ReplaceAll(source, "\r\n", "\n")
	source = strings.ReplaceAll(source, "\r", "\n")
	source = strings.TrimSuffix(source, "\n")
	var b strings.Builder
	lineStart := true // what came before ended a line
	for source != "" {
		at := nextTag(source)
		if at < 0 {
			b.WriteString(source)
			break
		}
		data, tag := source[:at], source[at:]
		if tag[1] != '{' && !strings.HasPrefix(tag[2:], "-") && !strings.HasPrefix(tag[2:], "+") {
			data = stripLine(data, lineStart)
		}
		b.WriteString(data)
		end := tagEnd(tag)
		if end < 0 {
			b.WriteString(tag) // gonja says what is missing
			break
		}
		tag, source = tag[:end], tag[end:]
		word := strings.Trim(tag[2:end-2], "-+ \t\n")
		raw := tag[1] == '%' && word == "raw"
		trimmed := writeTag(&b, tag)
		lineStart = false
		if raw {
			stop := rawEnd(source)
			if stop < 0 {
				b.WriteString(source)
				break
			}
			body, rest := source[:stop], source[stop:]
			source = rest
			if strings.HasSuffix(tag, "-%}") {
				body = strings.TrimLeftFunc(body, isPythonSpace)
			}
			switch {
			case strings.HasPrefix(source[2:], "-"):
				body = strings.TrimRightFunc(body, isPythonSpace)
			case !strings.HasPrefix(source[2:], "+"):
				body = stripLine(body, false)
			}
			b.WriteString(body)
			end := tagEnd(source)
			if end < 0 {
				b.WriteString(source)
				break
			}
			tag, source = source[:end], source[end:]
			trimmed = writeTag(&b, tag)
		}
		if trimmed && tag[1] != '{' {
			if rest, ok := strings.CutPrefix(source, "\n"); ok {
				source, lineStart = rest, true
			}
		}
	}
	return b.String()
}

// nextTag is where the next value, block or comment begins, -1 if none.
func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#') {
			return i
		}
	}
	return -1
}

// stripLine takes the white space off a text's last line if that is all it
// holds and it begins a line.
func stripLine(data string, lineStart bool) string {
	at := strings.LastIndexByte(data, '\n') + 1
	if (at > 0 || lineStart) && strings.TrimFunc(data[at:], isPythonSpace) == "" {
		return data[:at]
	}
	return data
}

// tagEnd is the length of the tag that s begins with, -1 if it does not end.
// Strings and brackets may hold what looks like an end.
func tagEnd(s string) int {
	if s[1] == '#' {
		if end := strings.Index(s[2:], "#}"); end >= 0 {
			return end + 4
		}
		return -1
	}
	closer := "%}"
	if s[1] == '{' {
		closer = "}}"
	}
	depth := 0
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case depth == 0 && strings.HasPrefix(s[i:], closer):
			return i + 2
		case c == '\'' || c == '"':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		}
	}
	return -1
}

// rawEnd is where the endraw block begins, -1 if there is none.
func rawEnd(s string) int {
	for at := 0; ; {
		next := strings.Index(s[at:], "{%")
		if next < 0 {
			return -1
		}
		at += next
		if strings.HasPrefix(strings.TrimLeft(s[at+2:], "-+ \t\n"), "endraw") {
			return at
		}
		at += 2
	}
}

// writeTag writes a tag without the "+" that gonja does not know. It returns
// whether a newline after the tag goes.
func writeTag(b *strings.Builder, tag string) bool {
	inner := tag[2 : len(tag)-2]
	if tag[1] != '{' {
		inner = strings.TrimPrefix(inner, "+")
	}
	kept, plus := inner, false
	if tag[1] != '{' {
		kept, plus = strings.CutSuffix(inner, "+")
	}
	b.WriteString(tag[:2] + kept + tag[len(tag)-2:])
	return !plus && !strings.HasSuffix(inner, "-")
}
