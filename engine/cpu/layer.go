package cpu

// #include "layer.h"
// #include "threads.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// LayerHandlers are the handlers of foreign calls (XLA's typed FFI) that do pieces of layers, of
// rows in f32 or bf16, by name; package nn has their operands and results.
func LayerHandlers() map[string]unsafe.Pointer {
	C.threads_for_calls(processors())
	all := map[string]unsafe.Pointer{}
	for i := 0; ; i++ {
		var name *C.char
		handler := C.layer_handler(C.int(i), &name)
		if handler == nil {
			return all
		}
		all[C.GoString(name)] = handler
	}
}

func (n Norm) of(x unsafe.Pointer, values int, bf16 bool) C.row_norm {
	width := len(n.Weight)
	return C.row_norm{
		x: x, weight: pointer(n.Weight), epsilon: C.float(n.Epsilon), offset: C.float(n.Offset),
		bf16: truth(bf16), rows: C.long(values / width), width: C.long(width),
	}
}

func (n Norm) check(lengths ...int) error {
	for _, l := range lengths {
		if len(n.Weight) == 0 || l == 0 || l%len(n.Weight) != 0 || l != lengths[0] {
			return fmt.Errorf("norm: %v values in rows of %d", lengths, len(n.Weight))
		}
	}
	return nil
}

// NormRows sets y to the norm of x.
func NormRows[T Number](n Norm, y, x []T) error {
	if err := n.check(len(x), len(y)); err != nil {
		return err
	}
	c := n.of(pointer(x), len(x), isBF16(x))
	c.y = pointer(y)
	return done("norm", C.norm_rows(c, processors()))
}

// LayerNormRows sets y to what Norm gives of rows less their mean, and bias.
func LayerNormRows[T Number](n Norm, bias []float32, y, x []T) error {
	if err := n.check(len(x), len(y)); err != nil {
		return err
	}
	if len(bias) != len(n.Weight) {
		return fmt.Errorf("norm: a bias of %d for %d weights", len(bias), len(n.Weight))
	}
	c := n.of(pointer(x), len(x), isBF16(x))
	c.y, c.bias, c.centred = pointer(y), pointer(bias), 1
	return done("norm", C.norm_rows(c, processors()))
}

// NormRowsVJP sets dx and dWeight to the cotangents of x and of the weight for dy.
func NormRowsVJP[T Number](n Norm, dx []T, dWeight []float32, x, dy []T) error {
	if err := n.check(len(x), len(dx), len(dy)); err != nil {
		return err
	}
	if len(dWeight) != len(n.Weight) {
		return fmt.Errorf("norm: %d cotangents of %d weights", len(dWeight), len(n.Weight))
	}
	c := n.of(pointer(x), len(x), isBF16(x))
	c.y, c.dy, c.dweight = pointer(dx), pointer(dy), floats(dWeight)
	return done("norm", C.norm_rows_vjp(c, processors()))
}

// Rotate turns x [S, H, width] in place by the angles cos and sin [S, R/2]: coordinate i of a
// head's first R with i + R/2 (arXiv 2104.09864).
func Rotate[T Number](x []T, cos, sin []float32, heads, width int) error {
	row := heads * width
	if row < 1 || len(x) == 0 || len(x)%row != 0 || len(cos) != len(sin) || len(cos)%(len(x)/row) != 0 || 2*len(cos)/(len(x)/row) > width {
		return fmt.Errorf("rotation: %d values in %d heads of %d by %d and %d angles", len(x), heads, width, len(cos), len(sin))
	}
	rows := len(x) / row
	return done("rotation", C.rotate_rows(C.rotation{
		x: pointer(x), cos: floats(cos), sin: floats(sin), y: pointer(x), bf16: truth(isBF16(x)),
		rows: C.long(rows), heads: C.long(heads), width: C.long(width), half: C.long(len(cos) / rows),
	}, processors()))
}

// Gated sets y to act(gate)·up; y may be gate itself.
func Gated[T Number](act Act, y, gate, up []T) error {
	if len(gate) == 0 || len(up) != len(gate) || len(y) != len(gate) {
		return fmt.Errorf("gate: %d values of %d and %d", len(y), len(gate), len(up))
	}
	return done("gate", C.gate_values(C.gating{
		gate: pointer(gate), up: pointer(up), y: pointer(y), bf16: truth(isBF16(gate)), act: C.int(act), n: C.long(len(gate)),
	}, processors()))
}

// GatedVJP sets the cotangents of gate and up for dy.
func GatedVJP[T Number](act Act, dGate, dUp, gate, up, dy []T) error {
	n := len(gate)
	if n == 0 || len(up) != n || len(dy) != n || len(dGate) != n || len(dUp) != n {
		return fmt.Errorf("gate: %d and %d cotangents of %d and %d values for %d", len(dGate), len(dUp), n, len(up), len(dy))
	}
	return done("gate", C.gate_values_vjp(C.gating{
		gate: pointer(gate), up: pointer(up), dy: pointer(dy), dgate: pointer(dGate), dup: pointer(dUp),
		bf16: truth(isBF16(gate)), act: C.int(act), n: C.long(n),
	}, processors()))
}

// Activate sets y to act(x + bias), for rows x as wide as bias.
func Activate[T Number](act Act, y, x []T, bias []float32) error {
	if len(bias) == 0 || len(x) == 0 || len(x)%len(bias) != 0 || len(y) != len(x) {
		return fmt.Errorf("activation: %d values of %d in rows of %d", len(y), len(x), len(bias))
	}
	return done("activation", C.activate_rows(C.activation{
		x: pointer(x), bias: pointer(bias), y: pointer(y), bf16: truth(isBF16(x)), act: C.int(act),
		rows: C.long(len(x) / len(bias)), width: C.long(len(bias)),
	}, processors()))
}
