package weights

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// ggufRope is how rotary positions are scaled.
type ggufRope struct {
	Type     string    `json:"rope_type"`
	Factor   float64   `json:"factor"`
	Low      *float64  `json:"low_freq_factor"`
	High     *float64  `json:"high_freq_factor"`
	Original *float64  `json:"original_max_position_embeddings"`
	Fast     *float64  `json:"beta_fast"`
	Slow     *float64  `json:"beta_slow"`
	Scale    *float64  `json:"attention_factor"`
	MScale   *float64  `json:"mscale"`
	MAll     *float64  `json:"mscale_all_dim"`
	Truncate *bool     `json:"truncate"`
	Query    *float64  `json:"llama_4_scaling_beta"`
	Short    []float64 `json:"short_factor"`
	Long     []float64 `json:"long_factor"`
	Part     *float64  `json:"partial_rotary_factor"`
	Theta    *float64  `json:"rope_theta"`
	Sliding  *ggufRope `json:"sliding_attention"` // of layers with a window, in a rope_parameters by kinds
}

// scaling are the keys of rotary positions' scaling; Llama 3's is a tensor.
func (e *ggufExport) scaling(arch string) []ggufKey {
	r := e.config.Rope
	switch r.Type {
	case "", "default", "llama3":
		return nil
	case "linear", "yarn":
	case "longrope":
		if e.arch == "phi3" {
			return nil // by tensors
		}
		fallthrough
	default:
		e.bad("rotary positions scaled by rope_type %q; expected default, linear, yarn or llama3, which GGUF files can say of a %s model", r.Type, e.config.Type)
		return nil
	}
	keys := []ggufKey{{arch + "rope.scaling.type", ggufText(r.Type)}, {arch + "rope.scaling.factor", ggufFloat(r.Factor)}}
	if r.Type == "linear" {
		return keys
	}
	e.checkYarn()
	original := float64(e.config.Context)
	if r.Original != nil {
		original = *r.Original
	}
	keys = append(keys, ggufKey{arch + "rope.scaling.original_context_length", ggufCount(int(original))})
	if r.Fast != nil {
		keys = append(keys, ggufKey{arch + "rope.scaling.yarn_beta_fast", ggufFloat(*r.Fast)})
	}
	if r.Slow != nil {
		keys = append(keys, ggufKey{arch + "rope.scaling.yarn_beta_slow", ggufFloat(*r.Slow)})
	}
	return keys
}

// ropeTensors are the factors that each frequency is divided by, where there are such.
func (e *ggufExport) ropeTensors() []ggufOut {
	number, _ := ggufNumber(F32)
	out := func(name string, factors []float32) ggufOut {
		return ggufOut{name: name, number: number, shape: []int{len(factors)}, values: func() ([]float32, error) { return factors, nil }}
	}
	switch r := e.config.Rope; r.Type {
	case "llama3":
		return []ggufOut{out(ropeFactors, e.llama3Factors())}
	case "longrope":
		return []ggufOut{out(longFactors, float32sOf(r.Long)), out(shortFactors, float32sOf(r.Short))}
	}
	return nil
}

// llama3Factors are those that Llama 3 divides each frequency by.
func (e *ggufExport) llama3Factors() []float32 {
	r := e.config.Rope
	_, _, width := e.heads()
	or := func(v *float64, missing float64) float64 {
		if v != nil {
			return *v
		}
		return missing
	}
	low, high, original := or(r.Low, 1), or(r.High, 4), or(r.Original, 8192)
	factors := make([]float32, width/2)
	for i := range factors {
		wave := 2 * math.Pi * math.Pow(*e.config.Theta, float64(2*i)/float64(width))
		switch {
		case wave < original/high:
			factors[i] = 1
		case wave > original/low:
			factors[i] = float32(r.Factor)
		default:
			smooth := (original/wave - low) / (high - low)
			factors[i] = float32(1 / ((1-smooth)/r.Factor + smooth))
		}
	}
	return factors
}

// checkYarn holds yarn to llama.cpp's, which scales sine and cosine by 0.1 ln(factor) + 1,
// over the same of yarn_log_multiplier where a model has it.
func (e *ggufExport) checkYarn() {
	r := e.config.Rope
	scale := func(m float64) float64 { return 0.1*m*math.Log(max(r.Factor, 1)) + 1 }
	want := scale(1)
	if e.arch == "mistral3" {
		want /= scale(*cmp.Or(r.MAll, new(1.0)))
	}
	got := scale(1)
	switch {
	case r.Scale != nil:
		got = *r.Scale
	case r.MScale != nil && r.MAll != nil:
		got = scale(*r.MScale) / scale(*r.MAll)
	}
	if !(math.Abs(got-want) <= 1e-4*want) {
		e.bad("yarn with an attention_factor of %.6g (or by mscale and mscale_all_dim); expected %.6g, which llama.cpp has for a factor of %g", got, want, r.Factor)
	}
	if r.Truncate != nil && !*r.Truncate {
		e.bad("yarn with truncate false; expected true, which is all that llama.cpp computes")
	}
}

func float32sOf(list []float64) []float32 {
	out := make([]float32, len(list))
	for i, v := range list {
		out[i] = float32(v)
	}
	return out
}

// ropeTensors adds to the configuration how rotary positions are scaled, where tensors
// say so.
func (k *ggufKeys) ropeTensors(factors map[string]ggufTensor, config map[string]any) error {
	if t, ok := factors[ropeFactors]; ok {
		scaling, err := llama3Scaling(k.file, t, config)
		config["rope_scaling"] = scaling
		return err
	}
	short, isShort := factors[shortFactors]
	long, isLong := factors[longFactors]
	if !isShort && !isLong {
		return nil
	}
	if !isShort || !isLong {
		return fmt.Errorf("%s: one of tensors %q and %q; expected both or neither", k.file.path, shortFactors, longFactors)
	}
	ofShort, errShort := k.file.float32s(short)
	ofLong, errLong := k.file.float32s(long)
	if err := errors.Join(errShort, errLong); err != nil {
		return err
	}
	config["rope_scaling"] = map[string]any{
		"type": "longrope", "short_factor": plain(ofShort), "long_factor": plain(ofLong),
		"original_max_position_embeddings": config["original_max_position_embeddings"], "partial_rotary_factor": config["partial_rotary_factor"],
	}
	whole, _ := config["max_position_embeddings"].(int)
	original, _ := config["original_max_position_embeddings"].(int)
	want := longScale(float64(whole), float64(original))
	if got := k.number(k.prefix+"rope.scaling.attn_factor", want); !(math.Abs(got-want) <= 1e-4) {
		return fmt.Errorf("%s: key %q is %g; expected %g, which transformers has for %d positions over %d: take the Hugging Face folder", k.file.path, k.prefix+"rope.scaling.attn_factor", got, want, whole, original)
	}
	return nil
}

// longScale is what transformers scales sine and cosine by for longrope, unless it is
// told.
func longScale(whole, original float64) float64 {
	if whole <= original || original <= 1 {
		return 1
	}
	return math.Sqrt(1 + math.Log(whole/original)/math.Log(original))
}

// plain are numbers in the fewest digits that give them back.
func plain(list []float32) []json.Number {
	out := make([]json.Number, len(list))
	for i, v := range list {
		out[i] = json.Number(strconv.FormatFloat(float64(v), 'g', -1, 32))
	}
	return out
}

// llama3Scaling recovers rope_scaling of type llama3 from the factors that
// llama.cpp keeps in its place: they are computed from the parameters that all
// of Llama 3.1, 3.2 and 3.3 have, and compared.
func llama3Scaling(f *ggufFile, t ggufTensor, config map[string]any) (map[string]any, error) {
	const low, high, original = 1.0, 4.0, 8192.0
	factors, err := f.float32s(t)
	if err != nil {
		return nil, err
	}
	if len(factors) == 0 {
		return nil, fmt.Errorf("%s: tensor %q is empty", f.path, t.name)
	}
	theta, _ := config["rope_theta"].(float64)
	factor := float64(slices.Max(factors))
	for i, got := range factors {
		wave := 2 * math.Pi * math.Pow(theta, float64(i)/float64(len(factors)))
		want := factor
		switch {
		case wave < original/high:
			want = 1
		case wave <= original/low:
			smooth := (original/wave - low) / (high - low)
			want = 1 / ((1-smooth)/factor + smooth)
		}
		if !(math.Abs(float64(got)-want) <= 1e-3*want) {
			return nil, fmt.Errorf("%s: tensor %q: factor %d is %g; expected %g, as in Llama 3.1 to 3.3; other rope factors are not read: take the Hugging Face folder", f.path, t.name, i, got, want)
		}
	}
	return map[string]any{
		"rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
		"original_max_position_embeddings": int(original),
	}, nil
}

// ropeScaling adds how rotary positions are scaled.
func (k *ggufKeys) ropeScaling(config map[string]any) {
	switch kind := k.text(k.prefix+"rope.scaling.type", "none"); kind {
	case "none", "longrope": // which is a matter of tensors
	case "linear", "yarn":
		scaling := map[string]any{"rope_type": kind, "type": kind, "factor": k.number(k.prefix+"rope.scaling.factor", 1)}
		if _, ok := k.file.meta[k.prefix+"rope.scaling.original_context_length"]; ok {
			scaling["original_max_position_embeddings"] = k.count("rope.scaling.original_context_length")
		}
		for _, name := range []string{"beta_fast", "beta_slow"} {
			if n := k.number(k.prefix+"rope.scaling.yarn_"+name, -1); n >= 0 {
				scaling[name] = n
			}
		}
		config["rope_scaling"] = scaling
	default:
		k.bad(k.prefix+"rope.scaling.type", `"none", "linear" or "yarn"`)
	}
}
