package xla

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// foreign is how the names of foreign calls, and of programs that are one, begin.
const foreign = "gorqa_foreign_"

// Foreign makes a function that is one foreign call, of a target that was offered. shapes
// builds nodes of the outputs' shapes; their values are the call's.
func (e *Engine) Foreign(target string, shapes func(in []*graph.Node) []*graph.Node) (*Func, error) {
	return e.Func(foreign+target, shapes)
}

// signed is how the text of a program begins: its name, its parameters, its results.
var (
	signed    = regexp.MustCompile(`^module @(` + foreign + `\w+) \{\s*func\.func @main\(([^)]*)\) -> (\([^)]*\)|[^{]*?) \{`)
	tensorsIn = regexp.MustCompile(`tensor<[^>]*>`)
)

// withForeignCall gives the text of a program of Foreign as its call; others stay as they are.
func withForeignCall(text []byte) []byte {
	m := signed.FindSubmatch(text)
	if m == nil {
		return text
	}
	in, out := tensorsIn.FindAllString(string(m[2]), -1), tensorsIn.FindAllString(string(m[3]), -1)
	arguments, results := make([]string, len(in)), make([]string, len(out))
	for i := range in {
		arguments[i] = fmt.Sprintf("%%arg%d", i)
	}
	for i := range out {
		results[i] = fmt.Sprintf("%%0#%d", i)
	}
	types := strings.Join(out, ", ")
	return fmt.Appendf(nil, `module @%s {
  func.func @main(%s) -> %s {
    %%0:%d = "stablehlo.custom_call"(%s) {
      call_target_name = "%s",
      has_side_effect = true,
      api_version = 4 : i32
    } : (%s) -> (%s)
    "stablehlo.return"(%s) : (%s) -> ()
  }
}
`, m[1], m[2], m[3], len(out), strings.Join(arguments, ", "), m[1], strings.Join(in, ", "), types, strings.Join(results, ", "), types)
}

// piece is how names of package cpu's pieces of layers begin.
const piece = "gorqa_piece_"

// piecesKey is the key of the state that graphs have whose engine knows these pieces.
type piecesKey struct{}

// Piece gives what package cpu's piece of a layer of that name (cpu.LayerHandlers) makes of in,
// nodes of these shapes, where the graph's engine knows it, and elsewhere what build does. GoMLX
// cannot differentiate through it.
func Piece(name string, build func() []*graph.Node, out []shapes.Shape, in ...*graph.Node) []*graph.Node {
	g := in[0].Graph()
	if g.State(piecesKey{}) == nil {
		return build()
	}
	// GoMLX has no foreign calls: the call of a function stands for it until it is compiled.
	f := graph.NewFunction(g, g.UniqueName(piece+name), func(g *graph.Graph) []*graph.Node {
		for i, x := range in {
			graph.Parameter(g, fmt.Sprintf("in%d", i), x.Shape())
		}
		results := make([]*graph.Node, len(out))
		for i, shape := range out {
			zero := graph.ConvertDType(graph.Const(g, float32(0)), shape.DType) // Zeros would be shared with the caller
			results[i] = graph.BroadcastToShape(zero, shape)
		}
		return results
	})
	return f.Call(in...)
}

var pieceCall = regexp.MustCompile(`"func\.call"(\([^)]*\)) \{ callee = @` + piece + `([a-z_]*[a-z])(?:_\d+)? \}`)

// withPieces gives a program whose calls of Piece's functions are foreign calls.
func withPieces(program []byte) []byte {
	return pieceCall.ReplaceAll(program, []byte(`"stablehlo.custom_call"$1 { call_target_name = "`+piece+`$2", api_version = 4 : i32 }`))
}
