package jinja

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

func filterAbs(_ *run, v any, _ []any) (any, error) {
	if i, ok := integer(v); ok {
		if i == math.MinInt64 {
			return nil, errBig
		}
		return max(i, -i), nil
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fmt.Errorf("abs: given %s; expected a number", described(v))
}

func filterFloat(_ *run, v any, p []any) (any, error) {
	if f, ok := number(v); ok {
		return f, nil
	}
	if s, ok := text(v); ok {
		if f, ok := readFloat(s); ok {
			return f, nil
		}
	}
	return or(p[0], 0.0), nil
}

func filterInt(_ *run, v any, p []any) (any, error) {
	if i, ok := integer(v); ok {
		return i, nil
	}
	f, isFloat := v.(float64)
	if s, ok := text(v); ok {
		base, ok := integer(or(p[1], int64(10)))
		if !ok || base < 0 || base == 1 || base > 36 {
			return nil, errors.New("int: the base is something else; expected 0 or 2 to 36")
		}
		if i, ok := readInteger(s, int(base)); ok {
			return i, nil
		}
		f, isFloat = readFloat(s)
	}
	if !isFloat || math.IsNaN(f) || math.IsInf(f, 0) {
		return or(p[0], int64(0)), nil
	}
	if math.Abs(f) >= 1<<63 {
		return nil, errBig
	}
	return int64(f), nil
}

func filterRound(_ *run, v any, p []any) (any, error) {
	return round(v, or(p[0], int64(0)), or(p[1], "common"))
}

// readInteger reads a number as Python's int does.
func readInteger(s string, base int) (int64, bool) {
	s = strings.TrimFunc(s, IsSpace)
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, false
	}
	s = strings.ReplaceAll(s, "_", "")
	if base == 16 || base == 8 || base == 2 {
		sign := ""
		if s != "" && (s[0] == '-' || s[0] == '+') {
			sign, s = s[:1], s[1:]
		}
		prefix := map[int]string{16: "0x", 8: "0o", 2: "0b"}[base]
		if len(s) > 2 && strings.EqualFold(s[:2], prefix) {
			s = s[2:]
		}
		s = sign + s
	}
	i, err := strconv.ParseInt(s, base, 64)
	return i, err == nil
}

// readFloat reads a number as Python's float does.
func readFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, IsSpace)
	if strings.ContainsAny(s, "xXpP") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// round is Python's round, and jinja2's two others.
func round(v, precision, method any) (any, error) {
	n, ok := integer(precision)
	if !ok {
		return nil, fmt.Errorf("round: given %s as the precision; expected an integer", described(precision))
	}
	x, ok := number(v)
	if !ok {
		return nil, fmt.Errorf("round: given %s; expected a number", described(v))
	}
	n = max(-400, min(n, 400))
	switch method {
	case "common":
		if i, ok := integer(v); ok {
			if n >= 0 {
				return i, nil
			}
			f, err := strconv.ParseFloat(strconv.FormatFloat(x, 'e', max(0, len(strconv.FormatInt(int64(magnitude(i)), 10))-1+int(n)), 64), 64)
			return int64(f), err
		}
		if n >= 0 {
			return strconv.ParseFloat(strconv.FormatFloat(x, 'f', int(n), 64), 64)
		}
		scale := math.Pow(10, float64(-n))
		return math.RoundToEven(x/scale) * scale, nil
	case "ceil", "floor":
		scale := math.Pow(10, float64(n))
		if method == "ceil" {
			return math.Ceil(x*scale) / scale, nil
		}
		return math.Floor(x*scale) / scale, nil
	}
	return nil, errors.New("round: the method is something else; expected common, ceil or floor")
}
