package serve

import (
	"crypto/rand"
	"time"

	"gorqa/qa"
)

// shape is how an endpoint writes answers.
type shape struct {
	id, model, whole, part string // whole and part name the objects
	created                int64
	message                func(text string) map[string]any // of a whole choice
	delta                  func(text string, first bool) map[string]any
	logprobs               func(all []qa.LogProbs, from int) any // of the tokens from one on
}

func chatShape(model string) shape {
	return shape{
		id: "chatcmpl-" + rand.Text(), model: model, whole: "chat.completion", part: "chat.completion.chunk", created: time.Now().Unix(),
		message: func(text string) map[string]any {
			return map[string]any{"message": map[string]any{"role": "assistant", "content": text, "refusal": nil}}
		},
		delta: func(text string, first bool) map[string]any {
			d := map[string]any{"content": text}
			if first {
				d["role"] = "assistant"
			}
			return map[string]any{"delta": d}
		},
		logprobs: chatLogprobs,
	}
}

func textShape(model string) shape {
	text := func(text string) map[string]any { return map[string]any{"text": text} }
	return shape{
		id: "cmpl-" + rand.Text(), model: model, whole: "text_completion", part: "text_completion", created: time.Now().Unix(),
		message: text, delta: func(t string, _ bool) map[string]any { return text(t) }, logprobs: textLogprobs,
	}
}

// object is an answer or a part of one, choice nil for none.
func (h shape) object(name string, choice map[string]any, finish, logprobs any) map[string]any {
	choices := []any{}
	if choice != nil {
		choice["index"], choice["finish_reason"], choice["logprobs"] = 0, finish, logprobs
		choices = append(choices, choice)
	}
	return map[string]any{"id": h.id, "object": name, "created": h.created, "model": h.model, "choices": choices}
}
