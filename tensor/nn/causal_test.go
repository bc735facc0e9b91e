package nn_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/nn"
)

// TestCausal shows that the fused kernel is found right on a GPU, with grouped heads
// too, and out of the question on the host.
func TestCausal(t *testing.T) {
	e := enginetest.Open(t)
	for _, kvHeads := range []int{1, 2, 6} {
		switch err := nn.CheckCausal(e, 6, kvHeads, 64); {
		case e.OnHost() && (err == nil || !strings.Contains(err.Error(), "needs the cuda plugin")):
			t.Errorf("%d heads of keys on the host: %v", kvHeads, err)
		case !e.OnHost() && err != nil:
			t.Errorf("%d heads of keys: %v", kvHeads, err)
		}
	}
	// cuDNN's heads are multiples of 8 wide; the check tells, and nothing breaks.
	if err := nn.CheckCausal(e, 6, 2, 12); err == nil {
		t.Error("a head of 12 was found right")
	}
}

var call = regexp.MustCompile(`(?s)"stablehlo\.custom_call"\([^)]*\) \{(.*?)\} : (\([^)]*\) -> \([^)]*\))`)

// TestCausalAsJax holds the calls of cuDNN against those that jax makes.
func TestCausalAsJax(t *testing.T) {
	if enginetest.Name() != enginetest.StandIn {
		t.Skip("only the stand-in shows its calls; make test runs this with GORQA_TEST_ENGINE=standin")
	}
	if os.Getenv(enginetest.Program) != "" {
		if err := nn.CheckCausal(enginetest.Open(t), 4, 4, 64); err != nil {
			t.Fatal(err)
		}
		return
	}
	// In a process of its own, which reads nothing that was compiled before.
	file := filepath.Join(t.TempDir(), "program")
	child := exec.Command(os.Args[0], "-test.run=^TestCausalAsJax$")
	child.Env = append(os.Environ(), enginetest.Program+"="+file, "XLA_FLAGS=--xla_dump_to=")
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var head golden.Header
	golden.ReadJSON(t, "testdata/causal.json", &head)
	type made struct {
		Target   string         `json:"target"`
		Version  int            `json:"version"`
		Config   map[string]any `json:"config"`
		Operands string         `json:"operand_layouts"`
		Results  string         `json:"result_layouts"`
		Types    string         `json:"types"`
	}
	var want struct {
		Calls []made `json:"calls"`
	}
	g := golden.Golden{Header: head}
	g.Decode(t, &want)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	attribute := func(text, pattern string) string {
		m := regexp.MustCompile(`(?s)` + pattern).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no %s in %s", pattern, text)
		}
		return m[1]
	}
	var got []made
	for _, m := range call.FindAllStringSubmatch(string(text), -1) {
		version, err := strconv.Atoi(attribute(m[1], `api_version = (\d+) : i32`))
		if err != nil {
			t.Fatal(err)
		}
		c := made{
			Target: attribute(m[1], `call_target_name = "(.*?)"`), Version: version,
			Operands: attribute(m[1], `operand_layouts = \[(.*?>)\]`), Results: attribute(m[1], `result_layouts = \[(.*?>)\]`),
			Types: strings.NewReplacer("(", "", ")", "").Replace(m[2]),
		}
		config := strings.ReplaceAll(attribute(m[1], `backend_config = "(.*?[^\\])"[,\n]`), `\22`, `"`)
		if err := json.Unmarshal([]byte(strings.ReplaceAll(config, `\"`, `"`)), &c.Config); err != nil {
			t.Fatal(err, config)
		}
		got = append(got, c)
	}
	if d := cmp.Diff(want.Calls, got); d != "" {
		t.Error(d)
	}
}
