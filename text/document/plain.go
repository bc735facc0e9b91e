package document

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// decode makes text of a file's bytes: UTF-8, or UTF-16 with a byte order mark.
func decode(source string, data []byte) (string, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data = data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		big := data[0] == 0xfe
		units := make([]uint16, 0, len(data)/2)
		for i := 2; i+1 < len(data); i += 2 {
			if big {
				units = append(units, uint16(data[i])<<8|uint16(data[i+1]))
			} else {
				units = append(units, uint16(data[i+1])<<8|uint16(data[i]))
			}
		}
		data = []byte(string(utf16.Decode(units)))
	}
	if at := bytes.IndexByte(data, 0); at >= 0 {
		return "", problem(source, fmt.Sprintf("a byte of value 0 at byte %d", at+1), "text", "leave the file out, or name it by its format")
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			line := 1 + bytes.Count(data[:i], []byte("\n"))
			return "", problem(fmt.Sprintf("%s:%d", source, line), fmt.Sprintf("broken UTF-8 at byte %d (0x%02x)", i+1, data[i]), "UTF-8", "save the file as UTF-8, for example with iconv")
		}
		i += n
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	return strings.ReplaceAll(text, "\r", "\n"), nil
}

// readPlain reads paragraphs that empty lines divide.
func readPlain(source string, data []byte) (File, error) {
	text, err := decode(source, data)
	if err != nil {
		return File{}, err
	}
	return File{Source: source, Blocks: paragraphs(text)}, nil
}

// paragraphs divides plain text at empty lines. What is indented as a whole is code.
func paragraphs(text string) (blocks []Block) {
	var lines []string
	end := func() {
		if len(lines) == 0 {
			return
		}
		b := Block{Kind: Code, Text: strings.Join(lines, "\n")}
		for _, l := range lines {
			if !strings.HasPrefix(l, "    ") && !strings.HasPrefix(l, "\t") {
				b.Kind = Paragraph
			}
		}
		if n := len(blocks); n > 0 && b.Kind == Code && blocks[n-1].Kind == Code {
			blocks[n-1].Text += "\n\n" + b.Text
		} else {
			blocks = append(blocks, b)
		}
		lines = lines[:0]
	}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(strings.ReplaceAll(line, "\f", ""), " \t")
		if line == "" {
			end()
			continue
		}
		lines = append(lines, line)
	}
	end()
	return blocks
}
