package config

import "slices"

// AllLinear stands for every linear layer but the head.
const AllLinear = "all-linear"

// LoRA says whether a low-rank adapter is trained in place of the model's own
// weights, and which. The names are those of TRL's ModelConfig.
type LoRA struct {
	UsePEFT           bool
	LoraR             int
	LoraAlpha         float64
	LoraDropout       float64
	LoraTargetModules []string // AllLinear, or names of modules
	UseRSLoRA         bool
}

// DefaultLoRA is off; turned on, it has TRL's rank and alpha, and adapters on
// all linear layers.
func DefaultLoRA() LoRA {
	return LoRA{LoraR: 16, LoraAlpha: 32, LoraTargetModules: []string{AllLinear}}
}

// Equal compares two settings.
func (m LoRA) Equal(o LoRA) bool {
	return m.UsePEFT == o.UsePEFT && m.LoraR == o.LoraR && m.LoraAlpha == o.LoraAlpha && m.LoraDropout == o.LoraDropout &&
		m.UseRSLoRA == o.UseRSLoRA && slices.Equal(m.LoraTargetModules, o.LoraTargetModules)
}

func (m *LoRA) declare(s *set) {
	s.section("Adapter (LoRA)")
	s.boolean(&m.UsePEFT, "use_peft", "train a low-rank adapter and leave the model's own weights as they are: far less memory; output_dir then holds the adapter in PEFT's format")
	s.integer(&m.LoraR, "lora_r", "rank of the adapter")
	s.number(&m.LoraAlpha, "lora_alpha", "the adapter is scaled by this over its rank")
	s.number(&m.LoraDropout, "lora_dropout", "part of the adapter's input that training drops, from 0 to below 1")
	s.list(&m.LoraTargetModules, "lora_target_modules", "all-linear|NAME,NAME", "layers with an adapter: every linear one but the head, or names such as q_proj,v_proj")
	s.boolean(&m.UseRSLoRA, "use_rslora", "scale by lora_alpha over the square root of the rank (rsLoRA)")
}

func (m *LoRA) check(p *problems) {
	p.between(m.LoraR, 1, MostRows, "lora_r")
	p.single(m.LoraAlpha, "lora_alpha")
	p.that(m.LoraAlpha > 0, "lora_alpha: %v found; more than 0 expected", m.LoraAlpha)
	p.that(m.LoraDropout >= 0 && m.LoraDropout < 1, "lora_dropout: %v found; at least 0 and less than 1 expected", m.LoraDropout)
	p.that(len(m.LoraTargetModules) > 0, "lora_target_modules: nothing found; %s or names of layers expected", AllLinear)
	p.that(len(m.LoraTargetModules) == 1 || !slices.Contains(m.LoraTargetModules, AllLinear), "lora_target_modules: %s found beside other names; it alone, or names alone, expected", AllLinear)
}

func (m *LoRA) notices() []string {
	if m.UsePEFT || m.Equal(DefaultLoRA()) {
		return nil
	}
	return []string{"lora_…: settings of an adapter found, but without --use_peft true all weights are trained (ignored)"}
}
