package prompt

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"gorqa/text/dataset"
	"gorqa/text/jinja"
)

// ChatOptions is what a model's own chat template needs.
type ChatOptions struct {
	// Source is the Jinja text: chat_template.jinja, or "chat_template" of
	// tokenizer_config.json.
	Source string `json:"chat_template"`
	// SpecialTokens maps the names of the special tokens ("bos_token",
	// "eos_token", …) to their texts. A template sees a token it lacks as
	// undefined.
	SpecialTokens map[string]string `json:"special_tokens,omitempty"`
	// Now is the date that templates put into the prompt by strftime_now. It
	// is saved with a template that tells it, so a prompt does not change
	// overnight. Where it is zero, strftime_now is undefined and templates
	// that look for it use the date they hold.
	Now time.Time `json:"now,omitzero"`
}

// tellsDate says whether a template asks for the date.
func (o ChatOptions) tellsDate() bool { return strings.Contains(o.Source, "strftime_now") }

// chat renders through a model's own chat template.
type chat struct {
	options     ChatOptions
	template    *jinja.Template
	system      bool   // the template takes a system message
	thinkingOff bool   // the template has a switch for thinking, and it is off
	lead        string // follows what the template renders and belongs to the prompt
	open, close string // what surrounds the answer
	trimLeft    bool   // the template trims an assistant's message
	trimRight   bool
}

// Chat returns a template that renders through a model's own chat template
// (Jinja), as transformers' apply_chat_template does without tools. The
// instruction of the default wording and the passages make the system
// message or, where the template refuses one, the beginning of the first user
// message; turns and question are messages. The format only says who speaks
// in a turn of the history. Where the template has a switch for thinking it is
// off, and what it puts before an answer then, such as an empty block of
// thoughts, belongs to the prompt. Thoughts that the prompt opens and the template
// of a conversation leaves out of past answers are closed there, empty.
//
// The error says why the template does not compile, or in what it cannot be
// trained on: the conversation with the answer must begin with the prompt.
func Chat(options ChatOptions, f Format) (*Template, error) {
	template, err := compile(options.Source)
	if err != nil {
		return nil, err
	}
	if !options.tellsDate() {
		options.Now = time.Time{}
	}
	c := &chat{options: options, template: template}
	if err := c.probe(); err != nil {
		return nil, err
	}
	return &Template{format: f, chat: c}, nil
}

// The texts of the conversation that probe renders: words no template holds.
const (
	probeSystem   = "gorqaSystem"
	probeQuestion = "gorqaQuestion"
	probeAnswer   = "gorqaAnswer"
)

// probe learns from small conversations what the template does with a system
// message and what it puts around an answer.
func (c *chat) probe() error {
	asked, err := c.probePrompt()
	if err != nil {
		return err
	}
	if c.open, c.close, err = c.around(asked, probeAnswer); err != nil {
		return err
	}
	// Words before the message, as an empty block of thoughts, are said by the
	// template and not by the model. A space at their end may be part of the
	// answer's first token.
	if strings.TrimSpace(c.open) != "" {
		c.lead = strings.TrimRight(c.open, " ")
		c.open = c.open[len(c.lead):]
	}
	c.lead += asked.closed
	if strings.TrimSpace(c.close) == "" {
		return errors.New("the chat template puts nothing after an assistant's message; expected the model's end-of-turn token; use another --prompt_template, the model would not learn when to stop")
	}
	const space = " \n"
	open, close, err := c.around(asked, space+probeAnswer+space)
	if err != nil {
		return err
	}
	c.trimLeft, c.trimRight = open == c.open, close == c.close
	if (!c.trimLeft && open != c.open+space) || (!c.trimRight && close != space+c.close) {
		return fmt.Errorf("the chat template changes the white space around an assistant's message: %q and %q surround it; expected it kept or trimmed; use another --prompt_template", open, close)
	}
	return nil
}

// probed is a conversation up to the answer, with its prompt and the number of
// bytes that the conversation with an answer begins with; 0 until that is known.
type probed struct {
	conversation []message
	prompt       string
	before       int
	closed       string // ends the thoughts that the prompt alone opens
}

// probePrompt finds out whether a system message is rendered and whether thinking
// can be turned off.
func (c *chat) probePrompt() (*probed, error) {
	user := []message{{"user", probeQuestion}}
	asked := &probed{conversation: append([]message{{"system", probeSystem}}, user...)}
	text, err := c.render(asked.conversation, true)
	c.system = err == nil && strings.Contains(text, probeSystem)
	if !c.system {
		asked.conversation = user
		if text, err = c.render(user, true); err != nil {
			return nil, err
		}
	}
	if !strings.Contains(text, probeQuestion) {
		return nil, errors.New("the chat template leaves out the user's message; expected it in the prompt; use another --prompt_template")
	}
	c.thinkingOff = true
	if off, err := c.render(asked.conversation, true); err == nil && off != text {
		text = off
	} else {
		c.thinkingOff = false
	}
	asked.prompt = text
	return asked, nil
}

// around is what the template puts before and after an answer that holds
// probeAnswer.
func (c *chat) around(asked *probed, answer string) (open, close string, err error) {
	conversation := asked.conversation
	whole, err := c.render(append(conversation[:len(conversation):len(conversation)], message{"assistant", answer}), false)
	if err != nil {
		return "", "", err
	}
	if asked.before == 0 {
		if asked.before = len(asked.prompt); !strings.HasPrefix(whole, asked.prompt) {
			// Some templates write the empty thoughts into the prompt alone.
			asked.before = strings.Index(whole, answer)
			ahead := asked.before >= 0 && strings.HasPrefix(asked.prompt, whole[:asked.before])
			empty := false // thoughts that the prompt holds already, as in what gorqa exported
			if ahead {
				opened := asked.prompt[asked.before:]
				asked.closed, empty = closeThoughts(opened), emptyThoughts.MatchString(opened)
			}
			if !ahead || !c.thinkingOff && !empty && asked.closed == "" {
				return "", "", fmt.Errorf("the chat template's conversation does not begin with its prompt: %q; expected it to begin with %q; use another --prompt_template, the model would be run on another text than it was trained on", whole, asked.prompt)
			}
		}
	}
	rest := whole[min(asked.before, len(whole)):]
	open, close, ok := strings.Cut(rest, probeAnswer)
	if !ok {
		return "", "", fmt.Errorf("the chat template leaves out the assistant's message: %q follows the prompt; expected the message in it; use another --prompt_template", rest)
	}
	if asked.closed != "" { // that is no part of the conversation
		return open, close, nil
	}
	open, ok = strings.CutPrefix(open, c.lead)
	if !ok {
		return "", "", fmt.Errorf("the chat template begins an assistant's message with %q or not, by its white space; expected one beginning; use another --prompt_template", c.lead)
	}
	return open, close, nil
}

// opensThoughts is what the prompts of models end in that always think
// (DeepSeek-R1's, QwQ's): <think>, or a tag that has the word.
var opensThoughts = regexp.MustCompile(`^(?i:<([^<>/\s]*think[^<>/\s]*)>|\[(THINK)\])(\s*)$`)

// emptyThoughts are thoughts that are closed.
var emptyThoughts = regexp.MustCompile(`^(?i:<[^<>/\s]*think[^<>/\s]*>\s*</[^<>/\s]*think[^<>/\s]*>|\[THINK\]\s*\[/THINK\])\s*$`)

// closeThoughts ends thoughts that nothing stands in, as Qwen3 writes them:
// <think>, an empty line, </think>, an empty line. It is "" where opened does not
// open any.
func closeThoughts(opened string) string {
	m := opensThoughts.FindStringSubmatch(opened)
	if m == nil {
		return ""
	}
	end := "</" + m[1] + ">"
	if m[2] != "" {
		end = "[/" + m[2] + "]"
	}
	return strings.Repeat("\n", max(0, 2-strings.Count(m[3], "\n"))) + end + "\n\n"
}

// message is one message of a conversation.
type message struct{ role, content string }

// prompt renders the conversation up to the answer.
func (c *chat) prompt(f Format, in Input) (string, error) {
	var b strings.Builder
	for _, p := range instruction() {
		if p.name == namePassages {
			b.WriteString(strings.Join(in.Passages, "\n"))
		} else {
			b.WriteString(p.literal)
		}
	}
	var messages []message
	if c.system {
		messages = append(messages, message{"system", b.String()})
	}
	for _, t := range append(in.History[:len(in.History):len(in.History)], dataset.Turn{Speaker: f.UserPrefix, Message: in.Question}) {
		role := "user"
		if f.assistant(t) {
			role = "assistant"
		}
		messages = append(messages, message{role, t.Message})
	}
	if !c.system {
		for i, m := range messages {
			if m.role == "user" {
				messages[i].content = b.String() + "\n\n" + m.content
				break
			}
		}
	}
	return c.ask(messages)
}

// ask renders messages up to where the model begins to speak.
func (c *chat) ask(messages []message) (string, error) {
	text, err := c.render(messages, true)
	if err != nil {
		return "", err
	}
	return text + c.lead, nil
}

// instruction is the default wording without the dialogue.
func instruction() []part {
	text, _, _ := strings.Cut(defaultText, "{"+nameDialogue+"}")
	parts, err := split(strings.TrimSpace(text))
	if err != nil {
		panic("prompt: the embedded wording does not parse: " + err.Error())
	}
	return parts
}

// answer puts around an answer what the template does.
func (c *chat) answer(text string) string {
	if c.trimLeft {
		text = strings.TrimLeftFunc(text, jinja.IsSpace)
	}
	if c.trimRight {
		text = strings.TrimRightFunc(text, jinja.IsSpace)
	}
	return c.open + text + c.close
}

// compile reads a chat template.
func compile(source string) (*jinja.Template, error) {
	if strings.TrimSpace(source) == "" {
		return nil, errors.New("the chat template is empty; expected a Jinja template; use the default prompt or give the model a chat_template.jinja")
	}
	template, err := jinja.Parse(source, jinja.DefaultLimits())
	if bound := new(jinja.LimitError); errors.As(err, &bound) {
		return nil, fmt.Errorf("the chat template is beyond what is allowed: %w; expected no more; use another --prompt_template", err)
	}
	if err != nil {
		return nil, fmt.Errorf("the chat template does not compile: %w; expected Jinja as transformers reads it; use another --prompt_template", err)
	}
	return template, nil
}

// render runs the template as transformers does: tools and documents are
// there and none.
func (c *chat) render(messages []message, addGenerationPrompt bool) (string, error) {
	conversation := make([]any, len(messages))
	for i, m := range messages {
		conversation[i] = jinja.Dict{{Key: "role", Value: m.role}, {Key: "content", Value: m.content}}
	}
	variables := jinja.Dict{
		{Key: "messages", Value: conversation},
		{Key: "tools", Value: nil},
		{Key: "documents", Value: nil},
		{Key: "add_generation_prompt", Value: addGenerationPrompt},
	}
	for _, name := range slices.Sorted(maps.Keys(c.options.SpecialTokens)) {
		variables = append(variables, jinja.Item{Key: name, Value: c.options.SpecialTokens[name]})
	}
	if c.thinkingOff { // as Qwen3's, SmolLM3's and GLM's templates, and DeepSeek's, call it
		variables = append(variables, jinja.Item{Key: "enable_thinking", Value: false}, jinja.Item{Key: "thinking", Value: false})
	}
	text, err := c.template.Render(variables, c.options.Now)
	if bound := new(jinja.LimitError); errors.As(err, &bound) {
		return "", fmt.Errorf("rendering the chat template takes more than is allowed: %w; expected no more; use another --prompt_template or shorter rows", err)
	}
	if err != nil {
		return "", fmt.Errorf("the chat template refuses the conversation: %w; expected one it renders; use another --prompt_template or change the rows", err)
	}
	return text, nil
}
