package weights

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Weights in eight bits are their values times their scales, bit for bit as torch has it
// in float32, and nothing of the scales stays among the model's tensors.
func TestQuantised(t *testing.T) {
	data, err := os.ReadFile("testdata/quantised/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Name   string
			Config json.RawMessage
			Shape  []int
			SHA256 string
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			dir := quantisedFolder(t, c.Name, string(c.Config))
			m, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			names := m.Names()
			if slices.Sort(names); !slices.Equal(names, []string{"a.weight", "plain.weight"}) {
				t.Errorf("tensors %q", names)
			}
			shape, _ := m.Shape("a.weight")
			values, err := m.Float32("a.weight")
			if err != nil || !slices.Equal(shape, c.Shape) || digest(values) != c.SHA256 {
				t.Errorf("shape %v, error %v, first values %v; want shape %v and SHA-256 %s", shape, err, values[:min(4, len(values))], c.Shape, c.SHA256)
			}
			if notes := fmt.Sprint(m.Notes()); !strings.Contains(notes, "1 weights stand in 8 bits") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

func quantisedFolder(t *testing.T, name, config string) string {
	t.Helper()
	dir := t.TempDir()
	weights, err := os.ReadFile(filepath.Join("testdata/quantised", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{singleName: string(weights), configName: `{"quantization_config":` + config + `}`} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What is not computed is refused by name.
func TestQuantisedRefused(t *testing.T) {
	for _, c := range []struct{ name, why, weights, config, want string }{
		{"method", "bits of another form", "fbgemm", `{"quant_method":"awq","bits":4}`, `(quant_method "awq"), which are not read: a method of which nothing is read`},
		{"format", "several weights in a number", "fbgemm", `{"quant_method":"compressed-tensors","format":"pack-quantized"}`, `format "pack-quantized"; dense`},
		{"format of a group", "mixed models say it there", "fbgemm", `{"quant_method":"compressed-tensors","format":"int-quantized","config_groups":{"a":{"format":"nvfp4-pack-quantized"}}}`, `format "nvfp4-pack-quantized"`},
		{"bits", "four of eight are used", "fbgemm", `{"quant_method":"compressed-tensors","format":"int-quantized","config_groups":{"a":{"weights":{"num_bits":4,"type":"int"}}}}`, "int weights of 4 bits; 8 are read"},
		{"sparse", "weights that are left out", "fbgemm", `{"quant_method":"compressed-tensors","format":"dense","sparsity_config":{"format":"sparse-24-bitmask"}}`, `sparsity_config of format "sparse-24-bitmask"`},
		{"rotated", "weights that are turned", "fbgemm", `{"quant_method":"compressed-tensors","format":"int-quantized","transform_config":{"config_groups":{}}}`, "transform_config"},
		{"modelopt", "its four bits", "fbgemm", `{"quant_method":"modelopt","quant_algo":"NVFP4"}`, `quant_algo "NVFP4"; FP8 is read`},
		{"no blocks", "which values share a scale?", "fp8-block", `{"quant_method":"fp8"}`, `"a.weight": scales of shape [3 3] for a weight of shape [72 40]`},
		{"other blocks", "a config.json of another model", "fp8-block", `{"quant_method":"fp8","weight_block_size":[128,128]}`, "or block of [128 128]"},
		{"four bits in eight", "DeepSeek's experts", "ct-group", `{"quant_method":"fp8"}`, "which with quant_method \"fp8\" are two values of 4 bits"},
		{"not said", "values without their scales would be another model", "fbgemm", `null`, "format F8_E4M3; expected F32, F16 or BF16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Open(t.Context(), quantisedFolder(t, c.weights, c.config))
			if err == nil {
				_, err = m.Float32("a.weight")
				m.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v; want %q", c.why, err, c.want)
			}
		})
	}
}
