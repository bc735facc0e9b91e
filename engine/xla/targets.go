package xla

import (
	"fmt"
	"regexp"
	"strings"

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
