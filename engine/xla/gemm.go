//go:build cgo

package xla

// Package cpu multiplies bf16 matrices faster than XLA's CPU backend does, and computes what
// stands between them. go-xla has no foreign calls of this kind, so the text of a program is
// changed before it is compiled.

import (
	"fmt"
	"regexp"
	"strconv"
	"sync/atomic"

	"gorqa/engine/cpu"
)

// products are the names of the calls for GEMM with a transposed and a plain
// second matrix, by the axis that is summed over in it.
var products = map[string]string{"1": "gorqa.gemm_nt", "0": "gorqa.gemm_nn"}

// takesGEMM says whether the host's plugin knows them.
var takesGEMM atomic.Bool

// offerCPU has the loaded plugin of the host know package cpu's calls: GEMM, where there are
// instructions for bf16, and pieces of layers; it says whether it knows these.
func offerCPU(plugin string) bool {
	taken := cpu.HasGEMM()
	for axis, target := range products {
		taken = taken && offer(plugin, target, "Host", cpu.GEMMHandler(axis == "1"))
	}
	takesGEMM.Store(taken)
	pieces := cpu.LayerHandlers()
	for name, handler := range pieces {
		if !offer(plugin, piece+name, "Host", handler) {
			return false
		}
	}
	return len(pieces) > 0
}

var dot = regexp.MustCompile(`"stablehlo\.dot_general"\((%\w+), (%\w+)\) \{
 *dot_dimension_numbers = #stablehlo\.dot<
 *lhs_batching_dimensions = \[\],
 *rhs_batching_dimensions = \[\],
 *lhs_contracting_dimensions = \[1\],
 *rhs_contracting_dimensions = \[([01])\]
>,
 *precision_config = [^\n]*
 *\} : \(tensor<(\d+)x(\d+)xbf16>, (tensor<\d+x\d+xbf16>)\) -> tensor<\d+x(\d+)xbf16>`)

// smallest is how many multiplications are worth a call.
const smallest = 1 << 16

// withGEMMCalls gives a program whose GEMM in bf16 are foreign calls.
func withGEMMCalls(program []byte) []byte {
	return dot.ReplaceAllFunc(program, func(found []byte) []byte {
		part := dot.FindSubmatch(found)
		size := func(i int) int {
			n, _ := strconv.Atoi(string(part[i])) // digits
			return n
		}
		if m, k, n := size(4), size(5), size(7); k%2 != 0 || m*k*n < smallest {
			return found
		}
		x := fmt.Sprintf("tensor<%sx%sxbf16>", part[4], part[5])
		return fmt.Appendf(nil, `"stablehlo.custom_call"(%s, %s) {
      call_target_name = "%s",
      api_version = 4 : i32
    } : (%s, %s) -> tensor<%sx%sxbf16>`, part[1], part[2], products[string(part[3])], x, part[6], part[4], part[7])
	})
}
