package jinja

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

var errBig = errors.New("a number beyond 64 bits; expected a smaller one")

// arithmetic is a binary operator on two values.
func (r *run) arithmetic(op kind, a, b any) (any, error) {
	if op == "%" {
		if format, ok := text(a); ok {
			args, isTuple := b.(tuple)
			if !isTuple {
				args = tuple{b}
			}
			s, err := r.percent(format, args, b)
			if _, safe := a.(markup); safe {
				return markup(s), err
			}
			return s, err
		}
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(*undefined); ok {
			return nil, u.err()
		}
	}
	i, iOK := integer(a)
	j, jOK := integer(b)
	if iOK && jOK {
		return integers(op, i, j)
	}
	x, xOK := number(a)
	y, yOK := number(b)
	if xOK && yOK {
		return floats(op, x, y)
	}
	switch op {
	case "+":
		if v, ok, err := r.add(a, b); ok || err != nil {
			return v, err
		}
		return nil, fmt.Errorf("%s between %s and %s; expected two numbers, strings, lists or tuples, or ~ to join any as strings", op, described(a), described(b))
	case "*":
		if jOK {
			if v, ok, err := r.repeat(a, j); ok || err != nil {
				return v, err
			}
		}
		if iOK {
			if v, ok, err := r.repeat(b, i); ok || err != nil {
				return v, err
			}
		}
	}
	return nil, fmt.Errorf("%s between %s and %s; expected two numbers", op, described(a), described(b))
}

func integers(op kind, i, j int64) (any, error) {
	switch op {
	case "+":
		if s := i + j; (s > i) == (j > 0) {
			return s, nil
		}
		return nil, errBig
	case "-":
		if s := i - j; (s < i) == (j > 0) {
			return s, nil
		}
		return nil, errBig
	case "*":
		hi, lo := bits.Mul64(magnitude(i), magnitude(j))
		if hi > 0 || lo > math.MaxInt64 {
			return nil, errBig
		}
		return i * j, nil
	case "**":
		if j < 0 {
			return floats(op, float64(i), float64(j))
		}
		switch {
		case j == 0 || i == 1 || i == -1 && j%2 == 0:
			return int64(1), nil
		case i == 0 || i == -1:
			return i, nil
		}
		power := int64(1)
		for range j {
			v, err := integers("*", power, i)
			if err != nil {
				return nil, err
			}
			power = v.(int64)
		}
		return power, nil
	}
	if j == 0 {
		return nil, fmt.Errorf("%s with 0 on the right; expected another number", op)
	}
	switch op {
	case "/":
		return float64(i) / float64(j), nil
	case "//":
		if i == math.MinInt64 && j == -1 {
			return nil, errBig
		}
		q := i / j
		if i%j != 0 && (i < 0) != (j < 0) {
			q--
		}
		return q, nil
	}
	m := i % j
	if m != 0 && (m < 0) != (j < 0) {
		m += j
	}
	return m, nil
}

func magnitude(i int64) uint64 {
	if i < 0 {
		return uint64(-i)
	}
	return uint64(i)
}

func floats(op kind, x, y float64) (any, error) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "**":
		if x == 0 && y < 0 {
			return nil, errors.New("0 to a negative power; expected a positive one")
		}
		p := math.Pow(x, y)
		if math.IsInf(p, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
			return nil, errors.New("a power beyond what a float holds; expected a smaller one")
		}
		if math.IsNaN(p) && !math.IsNaN(x) && !math.IsNaN(y) {
			return nil, errors.New("a complex number; expected a real one")
		}
		return p, nil
	}
	if y == 0 {
		return nil, fmt.Errorf("%s with 0 on the right; expected another number", op)
	}
	if op == "/" {
		return x / y, nil
	}
	// As Python's float_divmod.
	m := math.Mod(x, y)
	d := (x - m) / y
	if m != 0 {
		if (y < 0) != (m < 0) {
			m += y
			d--
		}
	} else {
		m = math.Copysign(0, y)
	}
	if op == "%" {
		return m, nil
	}
	if d == 0 {
		return math.Copysign(0, x/y), nil
	}
	f := math.Floor(d)
	if d-f > 0.5 {
		f++
	}
	return f, nil
}

// add joins two texts or lists.
func (r *run) add(a, b any) (any, bool, error) {
	if x, ok := text(a); ok {
		y, ok := text(b)
		if !ok {
			return nil, false, nil
		}
		if err := r.grow(len(x) + len(y)); err != nil {
			return nil, false, err
		}
		_, safeA := a.(markup)
		_, safeB := b.(markup)
		switch {
		case safeA && safeB:
			return markup(x + y), true, nil
		case safeA:
			return markup(x + escape(y)), true, nil
		case safeB:
			return markup(escape(x) + y), true, nil
		}
		return x + y, true, nil
	}
	switch x := a.(type) {
	case list:
		if y, ok := b.(list); ok {
			return slices.Concat(x, y), true, r.grow(16 * (len(x) + len(y)))
		}
	case tuple:
		if y, ok := b.(tuple); ok {
			return slices.Concat(x, y), true, r.grow(16 * (len(x) + len(y)))
		}
	}
	return nil, false, nil
}

// repeat is a text or list n times.
func (r *run) repeat(v any, n int64) (any, bool, error) {
	n = max(0, n)
	fits := func(size int) error {
		if size > 0 && n > int64(r.limits.Bytes/size) {
			return r.grow(r.limits.Bytes + 1)
		}
		return r.grow(size * int(n))
	}
	switch v := v.(type) {
	case string:
		if err := fits(len(v)); err != nil {
			return nil, false, err
		}
		if v == "" {
			return "", true, nil
		}
		return strings.Repeat(v, int(n)), true, nil
	case markup:
		s, ok, err := r.repeat(string(v), n)
		if !ok {
			return nil, false, err
		}
		return markup(s.(string)), true, nil
	case list:
		if err := fits(16 * len(v)); err != nil {
			return nil, false, err
		}
		if len(v) == 0 {
			return v, true, nil
		}
		return slices.Repeat(v, int(n)), true, nil
	case tuple:
		l, ok, err := r.repeat(list(v), n)
		if !ok {
			return nil, false, err
		}
		return tuple(l.(list)), true, nil
	}
	return nil, false, nil
}
