package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// numeral reads a number.
func (m *machine) numeral(op byte) error {
	switch op {
	case 'I', 'L', 'F':
		line, err := m.line()
		if err != nil {
			return err
		}
		wrong := fmt.Errorf("a damaged pickle: the number %.20q", line)
		switch {
		case op == 'I' && (line == "00" || line == "01"):
			return m.push(line == "01")
		case op == 'F':
			f, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
			if err != nil && !math.IsInf(f, 0) {
				return wrong
			}
			return m.push(f)
		}
		line = strings.TrimSuffix(strings.TrimSpace(line), "L")
		if len(line) > 4096 {
			return errors.New("a number of more than 4096 digits")
		}
		i, ok := new(big.Int).SetString(line, 10)
		if !ok {
			return wrong
		}
		return m.push(integer(i))
	case 'G':
		b, err := m.take(8)
		if err != nil {
			return errEnd
		}
		return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case 0x8a, 0x8b:
		b, err := m.counted(map[byte]uint64{0x8a: 1, 0x8b: 4}[op])
		if err != nil {
			return err
		}
		if len(b) > 2048 {
			return errors.New("a number of more than 2048 bytes")
		}
		return m.push(twos(b))
	case 'J':
		x, err := m.number(4)
		if err != nil {
			return err
		}
		return m.push(int64(int32(x)))
	}
	x, err := m.number(map[byte]uint64{'K': 1, 'M': 2}[op])
	if err != nil {
		return err
	}
	return m.push(int64(x))
}

// twos reads a number in two's complement, the lowest byte first.
func twos(b []byte) any {
	reversed := make([]byte, len(b))
	for i := range b {
		reversed[len(b)-1-i] = b[i]
	}
	x := new(big.Int).SetBytes(reversed)
	if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return integer(x)
}

func integer(i *big.Int) any {
	if i.IsInt64() {
		return i.Int64()
	}
	return i
}

// text reads text or bytes.
func (m *machine) text(op byte) error {
	switch op {
	case 'S': // a Python literal in quotes, of Python 2
		line, err := m.line()
		if err != nil {
			return err
		}
		s, ok := unquote(strings.TrimSpace(line))
		if !ok {
			return fmt.Errorf("a damaged pickle: the text %.20q", line)
		}
		return m.push(s)
	case 'V':
		line, err := m.line()
		if err != nil {
			return err
		}
		s, ok := rawUnicode(line)
		if !ok {
			return fmt.Errorf("a damaged pickle: the text %.20q", line)
		}
		return m.push(s)
	}
	width := map[byte]uint64{'T': 4, 'U': 1, 'X': 4, 'B': 4, 'C': 1, 0x8c: 1, 0x8d: 8, 0x8e: 8, 0x96: 8}[op]
	b, err := m.counted(width)
	if err != nil {
		return err
	}
	switch op {
	case 'B', 'C', 0x8e, 0x96:
		return m.push(Bytes(b))
	}
	return m.push(string(b))
}

// rawUnicode decodes Python's raw-unicode-escape, protocol 0's text: Latin-1
// with \uXXXX and \UXXXXXXXX.
func rawUnicode(line string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(line); i++ {
		n := 0
		if line[i] == '\\' && i+1 < len(line) {
			n = map[byte]int{'u': 4, 'U': 8}[line[i+1]]
		}
		if n == 0 {
			out.WriteRune(rune(line[i]))
			continue
		}
		r, ok := hexRune(line, i+2, n)
		if !ok {
			return "", false
		}
		i += 1 + n
		if utf16.IsSurrogate(r) && strings.HasPrefix(line[i+1:], `\u`) {
			if low, ok := hexRune(line, i+3, 4); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
				r = utf16.DecodeRune(r, low)
				i += 6
			}
		}
		if !utf8.ValidRune(r) {
			return "", false
		}
		out.WriteRune(r)
	}
	return out.String(), true
}

func hexRune(s string, at, n int) (rune, bool) {
	if at+n > len(s) {
		return 0, false
	}
	x, err := strconv.ParseUint(s[at:at+n], 16, 32)
	return rune(x), err == nil && x <= utf8.MaxRune
}

// unquote reads a string literal of Python 2.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' {
		return "", false
	}
	s = s[1 : len(s)-1]
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		if i++; i == len(s) {
			return "", false
		}
		if to := strings.IndexByte(`\'"abfnrtv`, s[i]); to >= 0 {
			out = append(out, "\\'\"\a\b\f\n\r\t\v"[to])
		} else if s[i] == 'x' && i+2 < len(s) {
			x, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			out = append(out, byte(x))
			i += 2
		} else {
			out = append(out, '\\', s[i])
		}
	}
	return string(out), true
}
