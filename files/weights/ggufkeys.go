package weights

import (
	"fmt"
	"math"
	"strconv"
)

// ggufKeys reads metadata and gathers what is wrong with it.
type ggufKeys struct {
	file     *ggufFile
	prefix   string // of the architecture's own keys
	problems []error
}

func (k *ggufKeys) bad(key, want string) {
	k.problems = append(k.problems, fmt.Errorf("%s: key %q; expected %s", k.file.path, key, want))
}

// scalar is a single value that is a number or, if text is set, a string.
func (k *ggufKeys) scalar(key string, text bool) (ggufValue, bool) {
	v, ok := k.file.meta[key]
	if !ok {
		return v, false
	}
	if v.array || (v.kind == ggufString) != text {
		k.bad(key, map[bool]string{true: "a string", false: "a number"}[text])
		return v, false
	}
	return v, true
}

func (k *ggufKeys) text(key, missing string) string {
	if v, ok := k.scalar(key, true); ok {
		return v.strings[0]
	}
	return missing
}

// number is a number, in the fewest digits that give the file's float32 back:
// a norm's 1e-05 shall not read 9.999999747378752e-06.
func (k *ggufKeys) number(key string, missing float64) float64 {
	v, ok := k.scalar(key, false)
	if !ok {
		return missing
	}
	n := v.number(0)
	if math.IsNaN(n) || math.IsInf(n, 0) {
		k.bad(key, "a finite number")
		return missing
	}
	if v.kind == ggufF32 {
		n, _ = strconv.ParseFloat(strconv.FormatFloat(n, 'g', -1, 32), 64)
	}
	return n
}

func (k *ggufKeys) flag(key string, missing bool) bool {
	if v, ok := k.scalar(key, false); ok {
		return v.number(0) != 0
	}
	return missing
}

// count is a positive number among the architecture's keys, which must be there.
func (k *ggufKeys) count(key string) int {
	if _, ok := k.file.meta[k.prefix+key]; !ok {
		k.bad(k.prefix+key, "it in the file")
		return 1
	}
	return k.countOr(key, 1)
}

func (k *ggufKeys) countOr(key string, missing int) int {
	n := k.number(k.prefix+key, float64(missing))
	if n < 1 || n > math.MaxInt32 || n != math.Trunc(n) {
		k.bad(k.prefix+key, "a positive whole number")
		return 1
	}
	return int(n)
}

// tokenID is the id of a special token, -1 where the file has none. A "llama"
// vocabulary has its three by default, as in llama.cpp.
func (k *ggufKeys) tokenID(name string) int32 {
	missing := -1.0
	if k.text("tokenizer.ggml.model", "") == "llama" {
		if id, ok := map[string]float64{"unknown": 0, "bos": 1, "eos": 2}[name]; ok {
			missing = id
		}
	}
	key := "tokenizer.ggml." + name + "_token_id"
	n := k.number(key, missing)
	if n == math.MaxUint32 { // how "none" is written
		return -1
	}
	if n < -1 || n > math.MaxInt32 || n != math.Trunc(n) {
		k.bad(key, "the id of a token")
		return -1
	}
	return int32(n)
}

func (k *ggufKeys) texts(key string) []string {
	v, ok := k.file.meta[key]
	if !ok || v.array && v.len() == 0 {
		return nil
	}
	if !v.array || v.kind != ggufString {
		k.bad(key, "an array of strings")
		return nil
	}
	return v.strings
}

// numbers iterates over an array of numbers.
func (k *ggufKeys) numbers(key string) func(yield func(int, float64) bool) {
	v, ok := k.file.meta[key]
	if ok && (!v.array || v.kind == ggufString) {
		k.bad(key, "an array of numbers")
		ok = false
	}
	return func(yield func(int, float64) bool) {
		for i := 0; ok && i < v.len(); i++ {
			if !yield(i, v.number(i)) {
				return
			}
		}
	}
}
