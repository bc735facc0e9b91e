package recipe

import (
	"fmt"
	"slices"

	"gorqa/text/dataset"
	"gorqa/text/prompt"
)

// Notes says what is odd about prompts of any question.
func (e *Encoder) Notes() []string {
	before, _ := e.Tokenizer.Around()
	text, err := e.Template.Render(prompt.Input{Question: "?"})
	if err != nil || len(before) == 0 || !e.Template.AddSpecialTokens() {
		return nil
	}
	ids := e.Tokenizer.Encode(text, false)
	if len(ids) < len(before) || !slices.Equal(ids[:len(before)], before) {
		return nil
	}
	return []string{fmt.Sprintf("the prompt begins with %q, which the tokenizer adds before every text: it stands there once, not twice; leave it out of the prompt file or the prefix", e.Tokenizer.Decode(before, false))}
}

// bordersLookedAt is how many rows Borders looks at.
const bordersLookedAt = 100

// Borders says where answers are not trained after the tokens that they are
// generated after, "" if nowhere in the first rows. A token that reaches from the
// prompt into the answer belongs to the answer, since text is tokenised so wherever
// both are there; where an answer is generated there is only the prompt, and its own
// tokens are all that any server has.
func (e *Encoder) Borders(examples []dataset.Example, contexts []Context) (string, error) {
	crossing, looked, first := 0, min(bordersLookedAt, len(examples), len(contexts)), ""
	for i, x := range examples[:looked] {
		in := Input(x.Question, x.History, contexts[i].documents())
		both, err := e.lay(in, e.Template.Answer(contexts[i].Target(x)))
		if err != nil {
			return "", err
		}
		prompt, err := e.lay(in, "")
		if err != nil {
			return "", err
		}
		ids, from, alone := both.ids, both.from, prompt.ids
		if slices.Equal(ids[:from], alone) {
			continue
		}
		if crossing++; crossing == 1 {
			same := 0
			for same < from && same < len(alone) && ids[same] == alone[same] {
				same++
			}
			first = fmt.Sprintf("row %d: %q is one token of the text, where the prompt alone ends in %q", contexts[i].Row, e.Tokenizer.Decode(ids[same:min(from+1, len(ids))], false), e.Tokenizer.Decode(alone[same:], false))
		}
	}
	if crossing == 0 {
		return "", nil
	}
	return fmt.Sprintf("in %d of the first %d rows a token reaches from the prompt into the answer (%s); it is learnt with the answer, but an answer is generated after the tokens of the prompt alone; end the prompt without white space", crossing, looked, first), nil
}
