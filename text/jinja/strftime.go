package jinja

import (
	"fmt"
	"strings"
	"time"
)

// strftime is Python's on a local time without a zone, in the C locale, with
// glibc's directives and flags.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		start := i
		flag := byte(0)
		for i++; i < len(format) && strings.IndexByte("-_0^#", format[i]) >= 0; i++ {
			flag = format[i]
		}
		if i >= len(format) {
			b.WriteString(format[start:])
			break
		}
		text, pad, ok := directive(t, format[i])
		switch {
		case !ok: // glibc leaves it as it stands
			text = format[start : i+1]
		case flag == '^' || flag == '#' && format[i] != 'p' && format[i] != 'Z':
			text = strings.ToUpper(text)
		case flag == '#':
			text = strings.ToLower(text)
		case pad != 0:
			bare := strings.TrimLeft(text, "0 ")
			if bare == "" {
				bare = "0"
			}
			missing := len(text) - len(bare)
			switch flag {
			case '-':
				text = bare
			case '_':
				text = strings.Repeat(" ", missing) + bare
			case '0':
				text = strings.Repeat("0", missing) + bare
			}
		}
		b.WriteString(text)
	}
	return b.String()
}

// layouts are those of strftime's letters that Go has a layout for.
var layouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'D': "01/02/06", 'X': "15:04:05", 'T': "15:04:05",
	'r': "03:04:05 PM", 'R': "15:04", 'F': "2006-01-02", 'p': "PM", 'P': "pm",
}

// paddedNumbers are those of strftime's letters that fill up their width.
var paddedNumbers = map[byte]struct {
	format string
	of     func(time.Time) int
}{
	'd': {"%02d", time.Time.Day},
	'e': {"%2d", time.Time.Day},
	'm': {"%02d", func(t time.Time) int { return int(t.Month()) }},
	'y': {"%02d", func(t time.Time) int { return t.Year() % 100 }},
	'Y': {"%d", time.Time.Year},
	'C': {"%02d", func(t time.Time) int { return t.Year() / 100 }},
	'H': {"%02d", time.Time.Hour},
	'k': {"%2d", time.Time.Hour},
	'I': {"%02d", hourOf12},
	'l': {"%2d", hourOf12},
	'M': {"%02d", time.Time.Minute},
	'S': {"%02d", time.Time.Second},
	'j': {"%03d", time.Time.YearDay},
	'U': {"%02d", func(t time.Time) int { return (t.YearDay() + 6 - int(t.Weekday())) / 7 }},
	'W': {"%02d", func(t time.Time) int { return (t.YearDay() + 6 - (int(t.Weekday())+6)%7) / 7 }},
	'V': {"%02d", func(t time.Time) int { _, week := t.ISOWeek(); return week }},
	'G': {"%d", func(t time.Time) int { year, _ := t.ISOWeek(); return year }},
}

func hourOf12(t time.Time) int { return (t.Hour()+11)%12 + 1 }

// directive is the text of one of strftime's letters, with what it is padded.
func directive(t time.Time, c byte) (text string, pad byte, ok bool) {
	if layout, ok := layouts[c]; ok {
		return t.Format(layout), 0, true
	}
	if number, ok := paddedNumbers[c]; ok {
		pad := byte('0')
		if strings.HasPrefix(number.format, "%2") {
			pad = ' '
		}
		return fmt.Sprintf(number.format, number.of(t)), pad, true
	}
	switch c {
	case '%':
		return "%", 0, true
	case 'n':
		return "\n", 0, true
	case 't':
		return "\t", 0, true
	case 'Z', 'z':
		return "", 0, true
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), 0, true
	case 'w':
		return fmt.Sprint(int(t.Weekday())), 0, true
	case 'u':
		return fmt.Sprint((int(t.Weekday())+6)%7 + 1), 0, true
	case 's':
		return fmt.Sprint(t.Unix()), 0, true
	}
	return "", 0, false
}
