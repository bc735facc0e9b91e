package weights

import (
	"cmp"
	"slices"
	"strconv"

	"gorqa/files/modelfile"
)

// familyConfig is what some families' config.json has beside the others'.
type familyConfig struct {
	Activation    string   `json:"hidden_activation"`
	Scalar        *float64 `json:"query_pre_attn_scalar"`
	LocalTheta    *float64 `json:"rope_local_base_freq"`
	Scaling       ggufRope `json:"rope_scaling"`
	LayerTypes    []string `json:"layer_types"`
	Pattern       *int     `json:"sliding_window_pattern"`
	NewPattern    *int     `json:"_sliding_window_pattern"`
	AttentionCap  *float64 `json:"attn_logit_softcapping"`
	FinalCap      *float64 `json:"final_logit_softcapping"`
	Bidirectional bool     `json:"use_bidirectional_attention"`

	NoRope      []int    `json:"no_rope_layers"`
	NoRopeEvery *int     `json:"no_rope_layer_interval"`
	Part        *float64 `json:"partial_rotary_factor"`
	Original    *int     `json:"original_max_position_embeddings"`

	EmbeddingScale *float64 `json:"embedding_multiplier"`
	ResidualScale  *float64 `json:"residual_multiplier"`
	ScoreScale     *float64 `json:"attention_multiplier"`
	LogitDivisor   *float64 `json:"logits_scaling"`
}

// read takes the configuration, with what transformers has where it says nothing.
func (e *ggufExport) read(config []byte) error {
	c := &e.config
	if err := modelfile.JSON(configName, config, c); err != nil {
		return err
	}
	given, err := object(config)
	if err != nil {
		return err
	}
	theta, err := strconv.ParseFloat(baseOf(c.Type, false), 64)
	if err != nil {
		return err
	}
	c.Theta = cmp.Or(c.Theta, &theta)
	eps := 1e-6
	if slices.Contains([]string{"ministral3", "olmo2", "olmo3", "phi3"}, c.Type) {
		eps = 1e-5
	}
	c.Eps = cmp.Or(c.Eps, &eps)
	switch c.Type {
	case "gemma":
		c.HeadDim = cmp.Or(c.HeadDim, new(256))
	case "gemma2", "gemma3_text":
		c.HeadDim = cmp.Or(c.HeadDim, new(256))
		c.Window = cmp.Or(c.Window, new(4096))
		c.Scalar = cmp.Or(c.Scalar, new(256.0))
	case "ministral3":
		c.HeadDim = cmp.Or(c.HeadDim, new(128))
	case "olmo3":
		c.Window = cmp.Or(c.Window, new(4096))
	}
	switch c.Type {
	case "gemma2":
		c.Pattern = new(2)
		for key, to := range map[string]**float64{"attn_logit_softcapping": &c.AttentionCap, "final_logit_softcapping": &c.FinalCap} {
			if _, ok := given[key]; !ok {
				*to = new(map[string]float64{"attn_logit_softcapping": 50, "final_logit_softcapping": 30}[key])
			}
		}
	case "gemma3_text":
		c.Rope = c.Scaling // rope_parameters are by kind of layer
		c.LocalTheta = cmp.Or(c.LocalTheta, new(1e4))
		c.Pattern = cmp.Or(c.Pattern, c.NewPattern, new(6))
	case "olmo3":
		sliding := c.Rope.Sliding
		c.Rope = c.Scaling
		c.Rope.Sliding = sliding
		c.Pattern = new(4)
	}
	return nil
}

// slides says whether a layer has a sliding window.
func (e *ggufExport) slides(i int) bool {
	if e.config.LayerTypes != nil {
		return i < len(e.config.LayerTypes) && e.config.LayerTypes[i] == "sliding_attention"
	}
	return (i+1)%max(*e.config.Pattern, 1) != 0
}

// windowLeftOut is the window that the model's layers have and llama.cpp has not.
func (e *ggufExport) windowLeftOut() (window int, has bool) {
	c := e.config
	switch c.Type {
	case "mistral", "ministral", "ministral3", "phi3":
		has = true
	case "qwen2", "qwen3", "smollm3":
		has = c.UseWindow != nil && *c.UseWindow
	}
	if !has || c.Window == nil {
		return 0, false
	}
	return *c.Window, true
}

// familyKeys are those that not every family has, after checks of what llama.cpp takes
// for given.
func (e *ggufExport) familyKeys(arch string) []ggufKey {
	c := e.config
	heads, _, width := e.heads()
	e.checkHead(heads * width)
	sized := []ggufKey{{arch + "vocab_size", ggufCount(c.Vocab)}, {arch + "rope.dimension_count", ggufCount(width)}}
	one := func(v *float64) ggufValue { return ggufFloat(*cmp.Or(v, new(1.0))) }
	switch e.arch {
	case "llama":
		return sized
	case "mistral3":
		if e.config.Rope.Type != "yarn" || c.Rope.Query == nil {
			e.bad("rotary positions scaled by rope_type %q; expected yarn, with llama_4_scaling_beta, which llama.cpp has for a ministral3 model", c.Rope.Type)
			return nil
		}
		return append(sized, ggufKey{arch + "rope.scaling.yarn_log_multiplier", one(c.Rope.MAll)}, ggufKey{arch + "attention.temperature_scale", ggufFloat(*c.Rope.Query)})
	case "granite":
		return append(sized, ggufKey{arch + "attention.scale", one(c.ScoreScale)}, ggufKey{arch + "embedding_scale", one(c.EmbeddingScale)},
			ggufKey{arch + "residual_scale", one(c.ResidualScale)}, ggufKey{arch + "logit_scale", one(c.LogitDivisor)})
	case "smollm3":
		e.checkStill()
		return sized
	case "gemma2", "gemma3":
		return e.gemmaKeys(arch)
	case "olmo2":
		return e.olmoKeys(arch)
	case "phi3":
		return e.phiKeys(arch, width)
	}
	return nil
}

// checkHead holds heads and the head over the vocabulary to what llama.cpp can read.
func (e *ggufExport) checkHead(width int) {
	_, untied := e.model.tensors[outputName]
	switch {
	case (e.arch == "gemma" || e.arch == "gemma2") && untied:
		e.bad("a tensor %q; expected none: llama.cpp takes the embedding for a %s model", outputName, e.arch)
	case e.arch == "olmo2" && !untied:
		e.bad("no tensor %q; expected one: llama.cpp has no %s model whose head is the embedding", outputName, e.arch)
	}
	if (e.arch == "olmo2" || e.arch == "phi3") && width != e.config.Hidden {
		e.bad("heads that are %d wide together; expected %d, hidden_size, which is all that llama.cpp reads for a %s model", width, e.config.Hidden, e.arch)
	}
}

// checkStill holds the layers without rotary positions to those of llama.cpp.
func (e *ggufExport) checkStill() {
	every := max(*cmp.Or(e.config.NoRopeEvery, new(stillEvery)), 1)
	for i := range e.config.Layers {
		still, inLlama := (i+1)%every == 0, (i+1)%stillEvery == 0
		if e.config.NoRope != nil {
			still = i < len(e.config.NoRope) && e.config.NoRope[i] == 0
		}
		if still != inLlama {
			e.bad("layer %d is without rotary positions: %t; expected each fourth to be, as llama.cpp has it for a smollm3 model", i, still)
			return
		}
	}
}

// olmoKeys are those of an OLMo 3, which is an olmo2 with windows to llama.cpp.
func (e *ggufExport) olmoKeys(arch string) []ggufKey {
	c := e.config
	if c.Type != "olmo3" {
		return nil
	}
	if s := c.Rope.Sliding; s != nil && (s.Type != "" && s.Type != "default" || s.Theta != nil && *s.Theta != *c.Theta) {
		e.bad("layers with a sliding window have rotary positions of their own; expected those of the others without scaling, as llama.cpp has it for an olmo3 model")
	}
	flags := make([]bool, c.Layers)
	for i := range flags {
		flags[i] = e.slides(i)
	}
	return []ggufKey{
		{arch + "rope.freq_base_swa", ggufFloat(*c.Theta)},
		{arch + "attention.sliding_window", ggufCount(*c.Window)},
		{arch + "attention.sliding_window_pattern", ggufFlags(flags)},
	}
}

// phiKeys are those of a Phi-3, whose heads may turn in part.
func (e *ggufExport) phiKeys(arch string, width int) []ggufKey {
	c := e.config
	original, window := c.Context, 0
	if c.Rope.Original != nil {
		original = int(*c.Rope.Original)
	}
	original = *cmp.Or(c.Original, &original)
	if c.Window != nil {
		window = *c.Window
	}
	turn := int(*cmp.Or(c.Part, c.Rope.Part, new(1.0)) * float64(width))
	keys := []ggufKey{
		{arch + "rope.scaling.original_context_length", ggufCount(original)},
		{arch + "rope.dimension_count", ggufCount(turn)},
		{arch + "attention.sliding_window", ggufCount(window)},
	}
	switch c.Rope.Type {
	case "", "default":
		return keys
	case "longrope":
	default:
		e.bad("rotary positions scaled by rope_type %q; expected default or longrope, which llama.cpp has for a phi3 model", c.Rope.Type)
		return nil
	}
	if len(c.Rope.Short) != turn/2 || len(c.Rope.Long) != turn/2 {
		e.bad("short_factor and long_factor have %d and %d numbers; expected %d", len(c.Rope.Short), len(c.Rope.Long), turn/2)
	}
	scale := longScale(float64(c.Context), float64(original))
	if c.Rope.Scale != nil {
		scale = *c.Rope.Scale
	}
	e.notes = append(e.notes, "llama.cpp takes long_factor for all texts of a context (-c, num_ctx) of more than "+strconv.Itoa(original)+" tokens: the model answers as it was trained within them")
	return append(keys, ggufKey{arch + "rope.scaling.attn_factor", ggufFloat(scale)})
}

// checkGELU holds a Gemma's gate to the one that llama.cpp computes.
func (e *ggufExport) checkGELU() {
	key, gate, right := "hidden_activation", e.config.Activation, []string{"", "gelu_pytorch_tanh"}
	if e.config.Type == "gemma" {
		key, gate = "hidden_act", e.config.Act
		right = append(right, "gelu") // which always meant this one
	}
	if !slices.Contains(right, gate) {
		e.bad("%s %q; expected gelu_pytorch_tanh, which is all that llama.cpp computes for a %s model", key, gate, e.arch)
	}
}

// gemmaKeys are those that no other family has. llama.cpp takes the rest for given.
func (e *ggufExport) gemmaKeys(arch string) []ggufKey {
	c := e.config
	largest, every, spelt := 62, 6, "sixth"
	if e.arch == "gemma2" {
		largest, every, spelt = 46, 2, "second"
	}
	scalar, from := *c.HeadDim, "head_dim"
	if c.Layers == largest { // 27B, as llama.cpp goes by it
		scalar, from = c.Hidden/max(c.Heads, 1), "hidden_size over num_attention_heads"
	}
	if *c.Scalar != float64(scalar) {
		e.bad("query_pre_attn_scalar %v; expected %d (%s), by which llama.cpp scales a %s model of %d layers", *c.Scalar, scalar, from, e.arch, c.Layers)
	}
	for i := range c.Layers {
		if slides := e.slides(i); slides != ((i+1)%every != 0) {
			e.bad("layer %d has a sliding window: %t; expected one in all layers but each %s, as llama.cpp has it for a %s model", i, slides, spelt, e.arch)
			break
		}
	}
	keys := []ggufKey{{arch + "attention.sliding_window", ggufCount(*c.Window)}}
	if e.arch == "gemma2" {
		if c.AttentionCap == nil || c.FinalCap == nil {
			e.bad("attn_logit_softcapping or final_logit_softcapping is null; expected both, which llama.cpp has for a gemma2 model")
			return nil
		}
		return append(keys, ggufKey{arch + "attn_logit_softcapping", ggufFloat(*c.AttentionCap)}, ggufKey{arch + "final_logit_softcapping", ggufFloat(*c.FinalCap)})
	}
	if c.AttentionCap != nil || c.FinalCap != nil || c.Bidirectional {
		e.bad("attn_logit_softcapping, final_logit_softcapping or use_bidirectional_attention is set; expected none of them, which llama.cpp has not for a gemma3 model")
	}
	if kind := c.Rope.Type; !slices.Contains([]string{"", "default", "linear"}, kind) {
		e.bad("rotary positions scaled by rope_type %q; expected default or linear, which llama.cpp has for a gemma3 model", kind)
	}
	return append(keys, ggufKey{arch + "rope.freq_base_swa", ggufFloat(*c.LocalTheta)})
}

// plus adds to all of values, in place.
func plus(x float32, values []float32) []float32 {
	for i := range values {
		values[i] += x
	}
	return values
}
