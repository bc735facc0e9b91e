package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gorqa/qa"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
)

// sampling is what requests of answers share. Fields that OpenAI's API has and that
// would change the answer, but are not served, are refused; others are ignored.
type sampling struct {
	Model               string          `json:"model"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	TopK                *int            `json:"top_k"` // vLLM's
	Seed                *int64          `json:"seed"`
	Stop                json.RawMessage `json:"stop"`
	Stream              bool            `json:"stream"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`

	N                *int            `json:"n"`
	BestOf           *int            `json:"best_of"`
	Logprobs         json.RawMessage `json:"logprobs"` // a chat's is a boolean, with top_logprobs; else a number
	TopLogprobs      *int            `json:"top_logprobs"`
	LogitBias        map[string]any  `json:"logit_bias"`
	FrequencyPenalty float64         `json:"frequency_penalty"`
	PresencePenalty  float64         `json:"presence_penalty"`
	Tools            []any           `json:"tools"`
	Functions        []any           `json:"functions"`
	Echo             bool            `json:"echo"`
	Suffix           string          `json:"suffix"`
	ResponseFormat   struct {
		Type string `json:"type"`
	} `json:"response_format"`
}

// check refuses what is not served.
func (c *sampling) check() error {
	for _, x := range []struct {
		found       bool
		param, what string
		expected    string
	}{
		{c.N != nil && *c.N != 1, "n", "several answers", "1"},
		{c.BestOf != nil && *c.BestOf != 1, "best_of", "several answers", "1"},
		{len(c.LogitBias) > 0, "logit_bias", "a bias", "none"},
		{c.FrequencyPenalty != 0, "frequency_penalty", fmt.Sprint(c.FrequencyPenalty), "0"},
		{c.PresencePenalty != 0, "presence_penalty", fmt.Sprint(c.PresencePenalty), "0"},
		{len(c.Tools)+len(c.Functions) > 0, "tools", "tools", "none"},
		{c.Echo, "echo", "true", "false"},
		{c.Suffix != "", "suffix", "a text", "none"},
		{c.ResponseFormat.Type != "" && c.ResponseFormat.Type != "text", "response_format", c.ResponseFormat.Type, "text"},
	} {
		if x.found {
			return unsupported(x.param, x.what, x.expected)
		}
	}
	return nil
}

// most is how long the answer may be, and the field that says it.
func (c *sampling) most() (field string, most *int) {
	switch {
	case c.MaxCompletionTokens != nil:
		return "max_completion_tokens", c.MaxCompletionTokens
	case c.MaxTokens != nil:
		return "max_tokens", c.MaxTokens
	}
	return "", nil
}

// options are the server's where a request says nothing. A temperature above 0 draws,
// 0 is greedy.
func (c *sampling) options(o qa.GenerationOptions) (qa.GenerationOptions, error) {
	if field, most := c.most(); most != nil {
		if *most < 1 {
			return o, badRequest(field, "%s: %d found; 1 or more expected", field, *most)
		}
		o.MaxNewTokens = *most
	}
	if c.Temperature != nil {
		if !(*c.Temperature >= 0 && *c.Temperature <= 2) {
			return o, badRequest("temperature", "temperature: %v found; 0 to 2 expected", *c.Temperature)
		}
		if o.Sample = *c.Temperature > 0; o.Sample {
			o.Temperature = *c.Temperature
		}
	}
	if c.TopP != nil {
		if !(*c.TopP > 0 && *c.TopP <= 1) {
			return o, badRequest("top_p", "top_p: %v found; more than 0 and at most 1 expected", *c.TopP)
		}
		o.TopP = *c.TopP
	}
	if c.TopK != nil {
		if *c.TopK < -1 {
			return o, badRequest("top_k", "top_k: %d found; 0 (all) or more expected", *c.TopK)
		}
		o.TopK = max(0, *c.TopK)
	}
	if c.Seed != nil {
		o.Seed = *c.Seed
	}
	return o, nil
}

// stops are the texts that end the answer.
func (c *sampling) stops() (all []string, err error) {
	if len(c.Stop) == 0 || string(c.Stop) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(c.Stop, &one) == nil {
		all = []string{one}
	} else if json.Unmarshal(c.Stop, &all) != nil {
		return nil, badRequest("stop", "stop: %s found; a text or a list of texts expected", c.Stop)
	}
	if len(all) > 16 {
		return nil, badRequest("stop", "stop: %d texts found; at most 16 expected", len(all))
	}
	for _, s := range all {
		if s == "" {
			return nil, badRequest("stop", "stop: an empty text found; one that ends the answer expected")
		}
	}
	return all, nil
}

// job is an answer by the request's settings.
func (s *Server) job(r *http.Request, c *sampling) (*job, error) {
	if c.Model != "" && c.Model != s.o.Name {
		return nil, s.unknown(c.Model, s.o.Name)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	j := newJob(r.Context().Done(), client(r))
	var err error
	if j.options, err = c.options(s.o.Generation); err != nil {
		return nil, err
	}
	j.tokensField, _ = c.most()
	j.stops, err = c.stops()
	return j, err
}

// chatRequest is the body of /v1/chat/completions.
type chatRequest struct {
	sampling
	Messages []message `json:"messages"`
	// Retrieval is "none" for an answer without the documents.
	Retrieval string `json:"retrieval"`
}

type message struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// content is a text, or a list of parts that are texts.
type content string

func (c *content) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err == nil {
		if text != nil {
			*c = content(*text)
		}
		return nil
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(data, &parts); err != nil {
		return badRequest("messages", "messages: content is neither a text nor a list of parts")
	}
	var all []string
	for _, p := range parts {
		if p.Type != "text" {
			return badRequest("messages", "messages: a part of type %q found; text expected", p.Type)
		}
		all = append(all, p.Text)
	}
	*c = content(strings.Join(all, "\n"))
	return nil
}

// query is the question: the last message, behind the turns before it. What a system
// message says takes the place of passages, as in the chat template of an export.
func (c *chatRequest) query(retrieve bool) (q evaluate.Query, err error) {
	q.Context = evaluate.Retrieved
	messages := c.Messages
	if len(messages) > 0 && (messages[0].Role == "system" || messages[0].Role == "developer") {
		if retrieve {
			return q, badRequest("messages", `messages: a system message found, whose place the passages take; leave it out, or send "retrieval": "none"`)
		}
		q.Passages = []dataset.Document{{Content: string(messages[0].Content), Formatted: string(messages[0].Content)}}
		messages = messages[1:]
	}
	for i, m := range messages {
		switch want := []string{"user", "assistant"}[i%2]; {
		case m.Role != want:
			return q, badRequest("messages", "messages[%d]: role %q found; %s expected: user and assistant in turn, a user's last", i+len(c.Messages)-len(messages), m.Role, want)
		case i < len(messages)-1:
			q.History = append(q.History, dataset.Turn{Speaker: m.Role, Message: string(m.Content)})
		default:
			q.Question = string(m.Content)
		}
	}
	if len(messages)%2 == 0 || strings.TrimSpace(q.Question) == "" {
		return q, badRequest("messages", "messages: no question at the end; a user's message expected")
	}
	return q, nil
}

// chat is POST /v1/chat/completions.
func (s *Server) chat(w http.ResponseWriter, r *http.Request) error {
	var c chatRequest
	if err := read(r, &c); err != nil {
		return err
	}
	j, err := s.job(r, &c.sampling)
	if err != nil {
		return err
	}
	switch c.Retrieval {
	case "", "auto":
		j.retrieve = s.o.Retrieve != nil
	case "none":
	default:
		return badRequest("retrieval", "retrieval: %q found; none or auto expected", c.Retrieval)
	}
	if err := c.chatLogprobs(&j.options); err != nil {
		return err
	}
	if j.query, err = c.query(j.retrieve); err != nil {
		return err
	}
	return s.answer(r.Context(), w, j, chatShape(s.o.Name), c.sampling)
}

// complete is POST /v1/completions: the prompt as it is, without the documents.
func (s *Server) complete(w http.ResponseWriter, r *http.Request) error {
	var c struct {
		sampling
		Prompt json.RawMessage `json:"prompt"`
	}
	if err := read(r, &c); err != nil {
		return err
	}
	j, err := s.job(r, &c.sampling)
	if err != nil {
		return err
	}
	if err := c.textLogprobs(&j.options); err != nil {
		return err
	}
	var several []string
	if json.Unmarshal(c.Prompt, &j.text) != nil {
		if json.Unmarshal(c.Prompt, &several) != nil || len(several) != 1 {
			return badRequest("prompt", "prompt: one text expected")
		}
		j.text = several[0]
	}
	if j.text == "" {
		return badRequest("prompt", "prompt: an empty text found; one to continue expected")
	}
	return s.answer(r.Context(), w, j, textShape(s.o.Name), c.sampling)
}

// finish says why an answer ended.
func finish(said qa.Said) string {
	if said.Cut {
		return "length"
	}
	return "stop"
}

// cited are the citations as they are sent.
func cited(all []Citation) []map[string]any {
	out := []map[string]any{}
	for _, c := range all {
		out = append(out, map[string]any{"document": c.Index, "score": c.Score, "text": c.Document.Text(), "metadata": c.Document.Metadata})
	}
	return out
}

func (j *job) usage(said qa.Said) map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return map[string]int{"prompt_tokens": j.promptTokens, "completion_tokens": said.Tokens, "total_tokens": j.promptTokens + said.Tokens}
}

// answer waits for the answer and writes it, whole or as it comes.
func (s *Server) answer(ctx context.Context, w http.ResponseWriter, j *job, h shape, c sampling) error {
	began := time.Now()
	if err := s.enqueue(j); err != nil {
		return err
	}
	var last state
	var err error
	if c.Stream {
		last, err = s.streamed(ctx, w, j, h, c.StreamOptions.IncludeUsage, began)
	} else {
		last, err = j.wait(ctx)
	}
	if err != nil {
		return err
	}
	usage := j.usage(last.said)
	s.metrics.prompt.Add(float64(usage["prompt_tokens"]))
	s.metrics.written.Add(float64(usage["completion_tokens"]))
	s.metrics.seconds.Observe(time.Since(began).Seconds())
	if !c.Stream {
		var logprobs any
		if j.options.LogProbs {
			logprobs = h.logprobs(last.said.LogProbs, 0)
		}
		o := h.object(h.whole, h.message(last.said.Text), finish(last.said), logprobs)
		o["usage"] = usage
		if last.found {
			o["citations"] = cited(last.citations)
		}
		writeJSON(w, http.StatusOK, o)
	}
	return nil
}

// slowClient is how long a client may take to read one part of an answer.
const slowClient = 30 * time.Second

// events gives what writes an object as a server-sent event.
func events(w http.ResponseWriter) func(content any) error {
	control := http.NewResponseController(w)
	return func(content any) error {
		data, err := json.Marshal(content)
		if err != nil {
			return err
		}
		if err := control.SetWriteDeadline(time.Now().Add(slowClient)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
			return err
		}
		return control.Flush()
	}
}

// streamed writes the parts of an answer as server-sent events. An error before the first
// is a plain one; later ones are events.
func (s *Server) streamed(ctx context.Context, w http.ResponseWriter, j *job, h shape, usage bool, began time.Time) (last state, err error) {
	send := events(w)
	sent, first, told := "", true, 0
	for {
		last, err = j.next(ctx)
		if err != nil {
			if first {
				return last, err
			}
			return last, send(asAPIError(err).body())
		}
		delta := strings.TrimPrefix(last.said.Text, sent)
		if delta == "" && !last.over() && (!first || !last.found) {
			continue
		}
		if first {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Cache-Control", "no-cache")
		}
		if sent == "" && delta != "" {
			s.metrics.first.Observe(time.Since(began).Seconds())
		}
		var logprobs any
		if j.options.LogProbs {
			logprobs, told = h.logprobs(last.said.LogProbs, told), len(last.said.LogProbs)
		}
		part := h.object(h.part, h.delta(delta, first), nil, logprobs)
		if first && last.found {
			part["citations"] = cited(last.citations)
		}
		if err := send(part); err != nil {
			return last, nil // the client has gone, and the context with it
		}
		sent, first = last.said.Text, false
		if last.over() {
			break
		}
	}
	end := h.object(h.part, h.delta("", false), finish(last.said), nil)
	if err := send(end); err != nil {
		return last, nil
	}
	if usage {
		o := h.object(h.part, nil, nil, nil)
		o["usage"] = j.usage(last.said)
		if err := send(o); err != nil {
			return last, nil
		}
	}
	_, _ = fmt.Fprint(w, "data: [DONE]\n\n") // the client may have gone
	return last, nil
}
