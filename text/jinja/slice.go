package jinja

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// runeAt is the byte where a text's character n begins, counted from the end
// where n is negative; -1 where there is none.
func runeAt(s string, n int64) int {
	if n < 0 {
		at := len(s)
		for ; n < 0; n++ {
			if at == 0 {
				return -1
			}
			_, size := utf8.DecodeLastRuneInString(s[:at])
			at -= size
		}
		return at
	}
	if isASCII(s) {
		if n < int64(len(s)) {
			return int(n)
		}
		return -1
	}
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return -1
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// bounds are Python's of a slice of n elements.
func bounds(n int64, start, stop any, step int64) (from, to int64, err error) {
	at := func(v any, absent int64) (int64, error) {
		if v == nil {
			return absent, nil
		}
		i, ok := integer(v)
		if !ok {
			return 0, fmt.Errorf("given %s as a bound; expected an integer or none", described(v))
		}
		low, high := int64(0), n
		if step < 0 {
			low, high = -1, n-1
		}
		if i < 0 {
			if i += n; i < low {
				i = low
			}
		}
		return min(i, high), nil
	}
	first, last := int64(0), n
	if step < 0 {
		first, last = n-1, -1
	}
	if from, err = at(start, first); err != nil {
		return 0, 0, err
	}
	to, err = at(stop, last)
	return from, to, err
}

// count is how many numbers go from start towards stop by step.
func count(start, stop, step int64) int64 {
	switch {
	case step > 0 && start < stop:
		return int64((uint64(stop-start)-1)/uint64(step)) + 1
	case step < 0 && start > stop:
		return int64((uint64(start-stop)-1)/uint64(-step)) + 1
	}
	return 0
}

// slice is v[start:stop:step]; ok says whether v can be sliced.
func (r *run) slice(v, start, stop, step any) (result any, ok bool, err error) {
	by := int64(1)
	if step != nil {
		i, isInt := integer(step)
		if !isInt {
			return nil, false, nil
		}
		if i == 0 {
			return nil, false, errors.New("a slice with a step of 0; expected another")
		}
		by = i
	}
	switch v := v.(type) {
	case string:
		s, ok, err := r.sliceText(v, start, stop, by)
		return s, ok, err
	case markup:
		s, ok, err := r.sliceText(string(v), start, stop, by)
		return markup(s), ok, err
	case list:
		return sliceItems(r, v, start, stop, by)
	case tuple:
		return sliceItems(r, v, start, stop, by)
	case span:
		from, to, err := bounds(v.n, start, stop, by)
		if err != nil {
			return nil, false, nil
		}
		return span{v.start + from*v.step, v.start + to*v.step, v.step * by, count(from, to, by)}, true, nil
	}
	return nil, false, nil
}

func sliceItems[S ~[]any](r *run, items S, start, stop any, by int64) (any, bool, error) {
	from, to, err := bounds(int64(len(items)), start, stop, by)
	if err != nil {
		return nil, false, nil
	}
	return picked(items, from, to, by), true, r.grow(16 * int(count(from, to, by)))
}

// sliceText takes characters.
func (r *run) sliceText(s string, start, stop any, by int64) (string, bool, error) {
	if err := r.grow(len(s)); err != nil {
		return "", false, err
	}
	if isASCII(s) {
		from, to, err := bounds(int64(len(s)), start, stop, by)
		if err != nil {
			return "", false, nil
		}
		if by == 1 {
			return s[from:max(from, to)], true, nil
		}
		return string(picked([]byte(s), from, to, by)), true, nil
	}
	if err := r.grow(4 * len(s)); err != nil {
		return "", false, err
	}
	runes := []rune(s)
	from, to, err := bounds(int64(len(runes)), start, stop, by)
	if err != nil {
		return "", false, nil
	}
	return string(picked(runes, from, to, by)), true, nil
}

// picked are elements from from up to to.
func picked[S ~[]E, E any](s S, from, to, by int64) S {
	n := count(from, to, by)
	out := make(S, n)
	for i := range out {
		out[i] = s[from+int64(i)*by]
	}
	return out
}
