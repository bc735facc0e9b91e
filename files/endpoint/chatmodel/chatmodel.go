// Package chatmodel asks a language model behind an OpenAI-compatible endpoint, one
// request at a time. It knows neither what is asked nor what for.
package chatmodel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/openai/openai-go/v3"

	"gorqa/files/endpoint"
)

// Options say which model is asked where.
type Options struct {
	endpoint.Options
	Model string // as the endpoint calls it
}

// Validate reports every setting that cannot be used, but for a model without a name.
func (o Options) Validate() error {
	err := o.Options.Validate()
	if o.Key == "" && strings.Contains(o.BaseURL, "api.openai.com") {
		err = errors.Join(err, fmt.Errorf("no key for %s; expected one; set OPENAI_API_KEY, or OPENAI_BASE_URL to an endpoint that wants none", o.Address()))
	}
	return err
}

// Model is a chat model.
type Model struct {
	opt     Options
	service openai.ChatCompletionService
}

// New sends nothing yet. The options must be valid.
func New(o Options) *Model {
	return &Model{opt: o, service: openai.NewChatCompletionService(o.Request()...)}
}

// Reply is what a model said.
type Reply struct {
	Text                 string
	PromptTokens, Tokens int // as the endpoint counts them, 0 where it does not
}

// Ask has the model reply to a user's message, by the system's, at temperature 0.
func (m *Model) Ask(ctx context.Context, system, user string) (Reply, error) {
	answer, err := m.service.New(ctx, openai.ChatCompletionNewParams{
		Model:       m.opt.Model,
		Messages:    []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(system), openai.UserMessage(user)},
		Temperature: openai.Float(0),
	})
	if err != nil {
		return Reply{}, m.opt.Explain(ctx, m.opt.Model, err)
	}
	if answer == nil || len(answer.Choices) == 0 {
		return Reply{}, fmt.Errorf("%s, model %s: it gave no reply; expected one; check that the model answers chats", m.opt.Address(), m.opt.Model)
	}
	return Reply{m.opt.Hide(content(answer.Choices[0].Message)), int(answer.Usage.PromptTokens), int(answer.Usage.CompletionTokens)}, nil
}

// content is what a message says: a text, or the texts of its parts, as some servers
// write it.
func content(m openai.ChatCompletionMessage) string {
	var parts []struct{ Text string }
	if json.Unmarshal([]byte(m.JSON.Content.Raw()), &parts) != nil {
		return m.Content
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}
