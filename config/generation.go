package config

import "math"

// Generation says how answers are decoded.
type Generation struct {
	EvalMaxNewTokens int
	DoSample         bool // false: greedy
	Temperature      float64
	TopP             float64
	TopK             int // 0: all
	NumBeams         int // of encoder-decoders; 1: greedy

	PromptLookupNumTokens int // drafted at most; 0: none
}

// DefaultGeneration is greedy, at most 128 tokens.
func DefaultGeneration() Generation {
	return Generation{EvalMaxNewTokens: 128, Temperature: 1, TopP: 1, NumBeams: 1, PromptLookupNumTokens: 10}
}

func (m *Generation) declare(s *set) {
	s.section("Generation")
	s.integer(&m.EvalMaxNewTokens, "eval_max_new_tokens", "tokens an answer may have")
	s.boolean(&m.DoSample, "do_sample", "draw the next token instead of taking the likeliest")
	s.number(&m.Temperature, "temperature", "divides the logits before drawing; below 1 is less random")
	s.number(&m.TopP, "top_p", "draw from the likeliest tokens that together reach this probability")
	s.integer(&m.TopK, "top_k", "draw from this many of the likeliest tokens; 0 for all")
	s.integer(&m.NumBeams, "num_beams", "beams of the search for an answer, for encoder-decoders (FiD); 1 for greedy decoding")
	s.integer(&m.PromptLookupNumTokens, "prompt_lookup_num_tokens", "tokens at most that are copied from the prompt and tried at once where an answer repeats it, by decoders on the processor; greedy answers stay the same, 0 for none")
	s.alias("eval_max_new_tokens", "max_new_tokens")
}

func (m *Generation) check(p *problems) {
	p.between(m.EvalMaxNewTokens, 1, MostTokens, "eval_max_new_tokens")
	p.single(m.Temperature, "temperature")
	p.that(m.Temperature > 0, "temperature: %v found; more than 0 expected (for greedy decoding leave do_sample false)", m.Temperature)
	p.that(m.TopP > 0 && m.TopP <= 1, "top_p: %v found; more than 0 and at most 1 expected", m.TopP)
	p.between(m.TopK, 0, math.MaxInt32, "top_k")
	p.between(m.NumBeams, 1, 1024, "num_beams")
	p.between(m.PromptLookupNumTokens, 0, 1024, "prompt_lookup_num_tokens")
	p.that(m.NumBeams <= 1 || !m.DoSample, "num_beams: %d found with do_sample; one of them expected", m.NumBeams)
}
