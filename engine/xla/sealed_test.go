package xla

import (
	"bytes"
	"testing"
)

// FuzzUnsealed reads files of compiled graphs: what was written, or nothing. A
// flipped bit anywhere is nothing.
func FuzzUnsealed(f *testing.F) {
	f.Add([]byte("code"), uint(3))
	f.Add([]byte{}, uint(300))
	f.Fuzz(func(t *testing.T, code []byte, bit uint) {
		if got := unsealed(code); got != nil && !bytes.Equal(sealed(got), code) {
			t.Errorf("%q is taken for code", code)
		}
		data := sealed(code)
		if got := unsealed(data); got == nil || !bytes.Equal(got, code) {
			t.Errorf("%q comes back as %q", code, got)
		}
		bit %= uint(len(data)) * 8
		data[bit/8] ^= 1 << (bit % 8)
		if unsealed(data) != nil {
			t.Errorf("a flipped bit (%d of %q) is not found", bit, code)
		}
	})
}
