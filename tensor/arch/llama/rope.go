package llama

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"

	"gorqa/files/modelfile"
	"gorqa/tensor/nn"
)

// ropeFields are those of rope_scaling and of rope_parameters.
type ropeFields struct {
	Theta  *float64 `json:"rope_theta"`
	Kind   string   `json:"rope_type"`
	Type   string   `json:"type"`
	Factor float64  `json:"factor"`
	Part   *float64 `json:"partial_rotary_factor"`
	nn.Llama3Rope

	BetaFast   float64   `json:"beta_fast"`
	BetaSlow   float64   `json:"beta_slow"`
	Scale      *float64  `json:"attention_factor"`
	MScale     float64   `json:"mscale"`
	MScaleAll  float64   `json:"mscale_all_dim"`
	Truncate   *bool     `json:"truncate"`
	Short      []float64 `json:"short_factor"`
	Long       []float64 `json:"long_factor"`
	QueryScale *float64  `json:"llama_4_scaling_beta"`
}

// spelling is a place of config.json that says how positions turn.
type spelling struct {
	name string
	raw  json.RawMessage
}

// found is what such a place says, without the base of the angles.
type found struct {
	rope  nn.Rope
	limit int // positions that it is right for, 0 for all
}

// ropes reads rope_theta and rope_scaling, the spelling of transformers 4, and
// rope_parameters, that of 5, and lowers MaxLength to the positions that are computed
// as transformers does. Where they contradict each other it depends on the version
// what the model is, so that is an error.
func (h hfConfig) ropes(f family, c *Config) error {
	if f.slideTheta == 0 {
		return h.rope(f, c, &c.Rope, f.theta, []spelling{{"rope_scaling", h.RopeScaling}, {"rope_parameters", h.RopeParams}}, h.RopeTheta)
	}
	var kinds map[string]json.RawMessage
	if len(h.RopeParams) > 0 {
		if err := modelfile.JSONPart(h.RopeParams, &kinds); err != nil {
			return fmt.Errorf("config.json: rope_parameters: %w", err)
		}
	}
	const full, sliding = "full_attention", "sliding_attention"
	for name := range kinds {
		if name != full && name != sliding {
			return fmt.Errorf("config.json: rope_parameters has %q; expected settings for %s and %s", name, full, sliding)
		}
	}
	local := h.RopeLocal
	if h.ModelType == "olmo3" {
		local = nil
		if theta := h.RopeTheta; theta != nil && *theta != f.slideTheta && kinds[sliding] == nil {
			return fmt.Errorf("config.json: rope_theta is %g, and nothing says that of layers with a sliding window, which transformers 5 takes for %g and 4 for %g; expected rope_parameters with %s", *theta, f.slideTheta, *theta, sliding)
		}
	}
	c.SlideRope = &nn.Rope{}
	return errors.Join(
		h.rope(f, c, &c.Rope, f.theta, []spelling{{"rope_scaling", h.RopeScaling}, {"rope_parameters: " + full, kinds[full]}}, h.RopeTheta),
		h.rope(f, c, c.SlideRope, f.slideTheta, []spelling{{"rope_parameters: " + sliding, kinds[sliding]}}, local),
	)
}

// rope reads how positions turn in some layers.
func (h hfConfig) rope(f family, c *Config, to *nn.Rope, theta float64, spellings []spelling, outer *float64) error {
	to.Width = c.HeadWidth
	thetas, parts := []*float64{outer}, []*float64{h.RopePart}
	var all []found
	for _, spelling := range spellings {
		if len(spelling.raw) == 0 || string(spelling.raw) == "null" {
			continue
		}
		var s ropeFields
		var fields map[string]json.RawMessage
		if err := cmp.Or(modelfile.JSONPart(spelling.raw, &fields), modelfile.JSONPart(spelling.raw, &s)); err != nil {
			return fmt.Errorf("config.json: %s: %w", spelling.name, err)
		}
		for name, value := range fields {
			if bytes.HasPrefix(value, []byte("{")) {
				return fmt.Errorf("config.json: %s has settings of its own for %q; expected one for all layers", spelling.name, name)
			}
		}
		thetas, parts = append(thetas, s.Theta), append(parts, s.Part)
		scaled, err := h.scaled(s, f)
		if err != nil {
			return fmt.Errorf("config.json: %s: %w", spelling.name, err)
		}
		all = append(all, scaled)
	}
	if len(all) == 2 && !reflect.DeepEqual(all[0], all[1]) {
		return fmt.Errorf("config.json: rope_scaling (%s) and rope_parameters (%s) contradict each other, and which one counts depends on the version of transformers; expected the same; correct one of them", h.RopeScaling, h.RopeParams)
	}
	if len(all) > 0 {
		*to = all[0].rope
		to.Width = c.HeadWidth
		if limit := all[0].limit; limit > 0 {
			c.MaxLength = min(cmp.Or(c.MaxLength, limit), limit)
		}
	}
	return errors.Join(turningPart(f, c.HeadWidth, parts, to), base(thetas, cmp.Or(theta, 10000), to))
}

// turningPart sets how many of a head's coordinates turn.
func turningPart(f family, width int, parts []*float64, to *nn.Rope) error {
	for i, part := range parts {
		switch {
		case part == nil:
		case !f.fused && *part != 1:
			return fmt.Errorf("config.json: partial_rotary_factor is %g; expected 1: heads that turn in part are not of this family", *part)
		case f.fused:
			if turn := int(float64(width) * *part); turn < 2 || turn%2 != 0 || turn > width || i > 0 && to.Width != width && to.Width != turn {
				return fmt.Errorf("config.json: partial_rotary_factor is %g, which is %d of the %d coordinates of a head; expected an even number of them, in all places the same", *part, turn, width)
			}
			to.Width = int(float64(width) * *part)
		}
	}
	if to.Long != nil && len(to.Long.Divisors) != to.Width/2 {
		return fmt.Errorf("config.json: short_factor has %d numbers; expected %d, half of the coordinates that turn", len(to.Long.Divisors), to.Width/2)
	}
	return nil
}

// base sets the base of the angles.
func base(thetas []*float64, missing float64, to *nn.Rope) error {
	for _, theta := range thetas {
		switch {
		case theta == nil:
		case !(*theta > 0) || math.IsInf(*theta, 1):
			return fmt.Errorf("config.json: rope_theta is %g; expected a positive number", *theta)
		case to.Theta != 0 && to.Theta != *theta:
			return fmt.Errorf("config.json: rope_theta is %g in one place and %g in another (rope_scaling, rope_parameters), and which one counts depends on the version of transformers; expected the same; correct one of them", to.Theta, *theta)
		default:
			to.Theta = *theta
		}
	}
	to.Theta = cmp.Or(to.Theta, missing)
	return nil
}

// scaled reads how angles are scaled, without their base.
func (h hfConfig) scaled(s ropeFields, f family) (r found, err error) {
	if s.Kind != "" && s.Type != "" && s.Kind != s.Type {
		return r, fmt.Errorf("rope_type %q and type %q; expected the same", s.Kind, s.Type)
	}
	kind := cmp.Or(s.Kind, s.Type, "default")
	if f.fused && (kind == "su" || kind == "yarn") { // old names in Phi-3
		kind = "longrope"
	}
	positions := float64(cmp.Or(h.MaxPositions, f.positions))
	if kind == "llama3" || kind == "yarn" || kind == "longrope" {
		switch {
		case h.RopeLimit != 0 && s.OriginalLimit != 0 && s.OriginalLimit != h.RopeLimit:
			return r, fmt.Errorf("original_max_position_embeddings is %g, and %g outside; expected the same", s.OriginalLimit, h.RopeLimit)
		case s.OriginalLimit == 0:
			s.OriginalLimit = cmp.Or(h.RopeLimit, float64(f.original), positions)
		}
		if !(s.OriginalLimit > 0) || s.OriginalLimit > math.MaxInt32 {
			return r, fmt.Errorf("original_max_position_embeddings is %g; expected a positive number", s.OriginalLimit)
		}
	}
	if err := h.queryScale(s, f, &r); err != nil {
		return r, err
	}
	if f.fused && kind != "default" && kind != "longrope" {
		return r, fmt.Errorf("scaling of type %q; expected default or longrope", kind)
	}
	if kind != "default" && kind != "longrope" && (!(s.Factor > 0) || math.IsInf(s.Factor, 1)) {
		return r, fmt.Errorf("factor is %g; expected a positive number", s.Factor)
	}
	switch kind {
	case "default":
	case "linear":
		r.rope.Linear = s.Factor
	case "dynamic": // which scales positions beyond those of the model, and gives rows no more of them
		r.limit = int(positions)
	case "llama3":
		return r, s.llama3(&r.rope)
	case "yarn":
		return r, s.yarn(&r.rope)
	case "longrope":
		r.limit = int(s.OriginalLimit)
		return r, s.longrope(&r.rope, positions)
	default:
		return r, fmt.Errorf("scaling of type %q; expected default, linear, dynamic, llama3, yarn or longrope", kind)
	}
	return r, nil
}

// queryScale: Ministral 3 scales queries by their position, those beyond the ones that
// it was first trained for, which rows are not given.
func (h hfConfig) queryScale(s ropeFields, f family, r *found) error {
	switch {
	case !f.queryScale:
		return nil
	case s.QueryScale == nil:
		return errors.New("no llama_4_scaling_beta, without which transformers cannot run the model; expected it")
	case !(s.OriginalLimit > 0):
		return errors.New("no original_max_position_embeddings, without which transformers cannot run the model; expected it")
	case *s.QueryScale != 0:
		r.limit = int(s.OriginalLimit)
	}
	return nil
}

func (s ropeFields) llama3(r *nn.Rope) error {
	l := s.Llama3Rope
	l.Factor = s.Factor
	if !(l.LowFreq > 0) || !(l.HighFreq > l.LowFreq) {
		return fmt.Errorf("low_freq_factor %g, high_freq_factor %g, original_max_position_embeddings %g; expected positive numbers, the second above the first", l.LowFreq, l.HighFreq, l.OriginalLimit)
	}
	r.Llama3 = &l
	return nil
}

func (s ropeFields) yarn(r *nn.Rope) error {
	y := &nn.YarnRope{Factor: s.Factor, Fast: cmp.Or(s.BetaFast, 32), Slow: cmp.Or(s.BetaSlow, 1), Limit: s.OriginalLimit, Between: s.Truncate != nil && !*s.Truncate}
	if !(y.Slow > 0) || !(y.Fast >= y.Slow) || math.IsInf(y.Fast, 1) {
		return fmt.Errorf("beta_fast %g, beta_slow %g; expected positive numbers, the first not below the second", y.Fast, y.Slow)
	}
	scale := func(by float64) float64 {
		if s.Factor <= 1 {
			return 1
		}
		return 0.1*by*math.Log(s.Factor) + 1
	}
	r.Yarn, r.Scale = y, scale(1)
	if s.MScale != 0 && s.MScaleAll != 0 {
		r.Scale = scale(s.MScale) / scale(s.MScaleAll)
	}
	return s.ownScale(r)
}

// longrope (arXiv 2402.13753) reads the factors for rows within the original limit:
// transformers takes the others where any row of a batch is longer.
func (s ropeFields) longrope(r *nn.Rope, positions float64) error {
	if len(s.Short) == 0 || len(s.Long) != len(s.Short) {
		return fmt.Errorf("short_factor has %d numbers and long_factor %d; expected as many, one for each angle", len(s.Short), len(s.Long))
	}
	for _, v := range s.Short {
		if !(v > 0) || math.IsInf(v, 1) {
			return fmt.Errorf("short_factor has %g; expected positive numbers", v)
		}
	}
	r.Long, r.Scale = &nn.LongRope{Divisors: s.Short}, 1
	if factor := cmp.Or(s.Factor, positions/s.OriginalLimit); factor > 1 {
		r.Scale = math.Sqrt(1 + math.Log(factor)/math.Log(s.OriginalLimit))
	}
	return s.ownScale(r)
}

// ownScale is attention_factor, where it is given.
func (s ropeFields) ownScale(r *nn.Rope) error {
	if s.Scale != nil {
		r.Scale = *s.Scale
	}
	if !(r.Scale > 0) || math.IsInf(r.Scale, 1) {
		return fmt.Errorf("attention_factor is %g; expected a positive number", r.Scale)
	}
	return nil
}
