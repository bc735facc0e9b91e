package serve

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"gorqa/qa"
)

// mostLogprobs is how many likely tokens a request may ask for, as OpenAI's.
const mostLogprobs = 20

// wanted says whether a field of the request was given and is not null.
func wanted(field json.RawMessage) bool { return len(field) > 0 && string(field) != "null" }

// chatLogprobs reads what /v1/chat/completions is asked of them: a boolean, and a number.
func (c *sampling) chatLogprobs(o *qa.GenerationOptions) error {
	if wanted(c.Logprobs) && json.Unmarshal(c.Logprobs, &o.LogProbs) != nil {
		return badRequest("logprobs", "logprobs: %s found; true or false expected, with top_logprobs a number", c.Logprobs)
	}
	if c.TopLogprobs == nil {
		return nil
	}
	if *c.TopLogprobs < 0 || *c.TopLogprobs > mostLogprobs {
		return badRequest("top_logprobs", "top_logprobs: %d found; 0 to %d expected", *c.TopLogprobs, mostLogprobs)
	}
	if !o.LogProbs {
		return badRequest("top_logprobs", "top_logprobs: %d found without logprobs; both expected", *c.TopLogprobs)
	}
	o.TopLogProbs = *c.TopLogprobs
	return nil
}

// textLogprobs reads what /v1/completions is asked of them: a number.
func (c *sampling) textLogprobs(o *qa.GenerationOptions) error {
	if !wanted(c.Logprobs) || string(c.Logprobs) == "false" {
		return nil
	}
	n, err := strconv.Atoi(string(c.Logprobs))
	if err != nil || n < 0 || n > mostLogprobs {
		return badRequest("logprobs", "logprobs: %s found; 0 to %d expected", c.Logprobs, mostLogprobs)
	}
	o.LogProbs, o.TopLogProbs = true, n
	return nil
}

// chatLogprobs are the logarithms of the tokens from one on, as a chat's choice has them.
func chatLogprobs(all []qa.LogProbs, from int) any {
	entry := func(t qa.TokenLogProb) map[string]any {
		e := map[string]any{"token": t.Text, "logprob": t.LogProb, "bytes": nil}
		if !strings.ContainsRune(t.Text, utf8.RuneError) { // not a part of a character
			numbers := make([]int, len(t.Text))
			for i := range numbers {
				numbers[i] = int(t.Text[i])
			}
			e["bytes"] = numbers
		}
		return e
	}
	content := []map[string]any{}
	for _, t := range all[from:] {
		e, top := entry(t.TokenLogProb), []map[string]any{}
		for _, other := range t.Top {
			top = append(top, entry(other))
		}
		e["top_logprobs"] = top
		content = append(content, e)
	}
	return map[string]any{"content": content, "refusal": nil}
}

// textLogprobs are the same as a completion's choice has them.
func textLogprobs(all []qa.LogProbs, from int) any {
	offset := 0
	for _, t := range all[:from] {
		offset += len(t.Text)
	}
	tokens, chosen, top, offsets := []string{}, []float64{}, []map[string]float64{}, []int{}
	for _, t := range all[from:] {
		tokens, chosen, offsets = append(tokens, t.Text), append(chosen, t.LogProb), append(offsets, offset)
		offset += len(t.Text)
		likeliest := map[string]float64{}
		for _, other := range t.Top {
			if _, same := likeliest[other.Text]; !same { // of tokens that read the same the likeliest
				likeliest[other.Text] = other.LogProb
			}
		}
		top = append(top, likeliest)
	}
	return map[string]any{"tokens": tokens, "token_logprobs": chosen, "top_logprobs": top, "text_offset": offsets}
}
