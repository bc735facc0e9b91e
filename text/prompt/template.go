package prompt

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gorqa/files/modelfile"
	"gorqa/text/dataset"
)

// FileName is the name under which a template lies in a model's folder.
const FileName = "gorqa_prompt.json"

// Input is what one prompt is made of.
type Input struct {
	Passages []string       // texts of the passages, best first
	History  []dataset.Turn // earlier turns, oldest first
	Question string
}

// Template renders prompts and the answers that belong to them. It is
// immutable and safe for concurrent use. The zero value renders nothing: use
// Default, Parse, Chat or json.Unmarshal.
type Template struct {
	format Format
	text   string // the wording of a text template
	parts  []part
	gap    string // between prompt and answer
	chat   *chat  // nil for a text template
	drops  bool
	blocks bool
}

// part is a piece of a wording: a literal, or a placeholder by name.
type part struct {
	literal string
	name    string
}

// The placeholders of a wording.
const (
	namePassages = "passages" // the passages, joined by newlines
	nameDialogue = "dialogue" // history, question and the opening of the answer
	nameHistory  = "history"  // the earlier turns
	nameQuestion = "question" // the bare question
)

//go:embed default.txt
var defaultText string

//go:embed localrqa.txt
var localRQAText string

// Default returns gorqa's own wording.
func Default(f Format) *Template { return embedded(defaultText, f) }

// LocalRQA returns the wording that LocalRQA trains with, for models that were
// trained so (RQA_PROMPT_TRAIN in local_rqa/qa_llms/prompts.py).
func LocalRQA(f Format) *Template { return embedded(localRQAText, f) }

func embedded(text string, f Format) *Template {
	t, err := Parse(text, f)
	if err != nil {
		panic("prompt: the embedded wording does not parse: " + err.Error())
	}
	return t
}

// Parse reads a wording. {passages} stands for the passages, joined by
// newlines, and {dialogue} for the turns:
//
//	{user_prefix}: {question}{sep_user}{assistant_prefix}:
//
// after the turns of the history, each "{prefix}: {message}{sep}". A wording
// that opens the answer in its own way holds {history} and {question} instead
// of {dialogue}. Braces that are meant are doubled: {{ and }}. One newline at
// the very end is dropped, since editors add it, and so are a byte order mark and
// the \r of line ends, which Windows' editors add.
//
// The error lists every mistake, each with its line.
func Parse(text string, f Format) (*Template, error) {
	text = strings.TrimPrefix(text, "\uFEFF")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	return parse(strings.TrimSuffix(text, "\n"), f)
}

// parse is Parse without the dropped newline.
func parse(text string, f Format) (*Template, error) {
	parts, err := split(text)
	if err == nil {
		err = checkPlaceholders(parts)
	}
	if err != nil {
		return nil, err
	}
	t := &Template{format: f, text: text, parts: parts, gap: " "}
	if last := parts[len(parts)-1]; last.name == "" {
		if r, _ := utf8.DecodeLastRuneInString(last.literal); unicode.IsSpace(r) {
			t.gap = "" // the wording itself keeps the answer apart
		}
	}
	return t, nil
}

// split cuts a wording at its placeholders.
func split(text string) ([]part, error) {
	var (
		parts   []part
		literal strings.Builder
		errs    []error
		line    = 1
	)
	flush := func() {
		if literal.Len() > 0 {
			parts = append(parts, part{literal: literal.String()})
			literal.Reset()
		}
	}
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("line %d: "+format, append([]any{line}, args...)...))
	}
	if !utf8.ValidString(text) {
		fail("the prompt template is not UTF-8; expected text; save it as UTF-8")
	}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '{' && strings.HasPrefix(text[i:], "{{"), c == '}' && strings.HasPrefix(text[i:], "}}"):
			literal.WriteByte(c)
			i += 2
		case c == '{':
			end := strings.IndexAny(text[i+1:], "{}\n")
			if end < 0 || text[i+1+end] != '}' {
				fail("an opening brace without its closing one; expected a placeholder such as {%s}; write {{ for a brace that is meant", namePassages)
				i++
				continue
			}
			name := text[i+1 : i+1+end]
			switch name {
			case namePassages, nameDialogue, nameHistory, nameQuestion:
				flush()
				parts = append(parts, part{name: name})
			default:
				fail("the placeholder {%s} is unknown; expected {%s} and {%s}, or {%s} and {%s} in place of the latter; write {{%s}} for braces that are meant",
					clip(name), namePassages, nameDialogue, nameHistory, nameQuestion, clip(name))
			}
			i += end + 2
		case c == '}':
			fail("a closing brace without its opening one; expected a placeholder such as {%s}; write }} for a brace that is meant", namePassages)
			i++
		default:
			if c == '\n' {
				line++
			}
			literal.WriteByte(c)
			i++
		}
	}
	flush()
	return parts, errors.Join(errs...)
}

// clip shortens a text for a message.
func clip(s string) string {
	const limit = 40
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// checkPlaceholders holds a wording to its placeholders.
func checkPlaceholders(parts []part) error {
	count := map[string]int{}
	for _, p := range parts {
		if p.name != "" {
			count[p.name]++
		}
	}
	var errs []error
	for _, name := range []string{namePassages, nameDialogue, nameHistory, nameQuestion} {
		if count[name] > 1 {
			errs = append(errs, fmt.Errorf("the placeholder {%s} stands %d times in the prompt template; expected it once; leave one", name, count[name]))
		}
	}
	if count[namePassages] == 0 {
		errs = append(errs, fmt.Errorf("the prompt template lacks {%s}; expected it once; put it where the passages go", namePassages))
	}
	turns := count[nameHistory] + count[nameQuestion]
	switch {
	case count[nameDialogue] == 0 && turns == 0:
		errs = append(errs, fmt.Errorf("the prompt template lacks {%s}; expected it once; put it at the end, where the turns and the opening of the answer go", nameDialogue))
	case count[nameDialogue] > 0 && turns > 0:
		errs = append(errs, fmt.Errorf("the prompt template holds {%s} beside {%s} or {%s}; expected either; leave {%s} out or the other two, which it contains", nameDialogue, nameHistory, nameQuestion, nameDialogue))
	case turns > 0 && count[nameQuestion] == 0:
		errs = append(errs, fmt.Errorf("the prompt template holds {%s} but lacks {%s}; expected both; put {%s} where the question goes", nameHistory, nameQuestion, nameQuestion))
	case turns > 0 && count[nameHistory] == 0:
		errs = append(errs, fmt.Errorf("the prompt template holds {%s} but lacks {%s}; expected both; put {%s} where earlier turns go (it is empty for a row without any)", nameQuestion, nameHistory, nameHistory))
	}
	return errors.Join(errs...)
}

// Unclear lists the turns of a history whose speaker is neither a user nor an
// assistant: whose words they were would be a guess.
func (t *Template) Unclear(history []dataset.Turn) []Unclear { return t.format.unclear(history) }

// Render returns the prompt, up to where the answer begins. It fails only
// where a speaker of the history is not known, or a model's own chat template
// refuses the conversation.
func (t *Template) Render(in Input) (string, error) {
	if err := t.format.check(in.History); err != nil {
		return "", err
	}
	if t.chat != nil {
		return t.chat.prompt(t.format, in)
	}
	var b strings.Builder
	for _, p := range t.parts {
		switch p.name {
		case namePassages:
			b.WriteString(strings.Join(in.Passages, "\n"))
		case nameDialogue:
			b.WriteString(t.format.dialogue(in))
		case nameHistory:
			b.WriteString(t.format.history(in.History))
		case nameQuestion:
			b.WriteString(in.Question)
		default:
			b.WriteString(p.literal)
		}
	}
	return b.String(), nil
}

// Answer returns what follows a prompt in training: the answer with what
// opens and what closes it. For a text template that is " {answer}{sep_sys}",
// without the space where the wording itself ends in white space; for a chat
// template it is what the template puts around an assistant's message. An answer
// that ends in what closes it already is closed once.
func (t *Template) Answer(text string) string {
	closing := t.format.SepSys
	if t.chat != nil {
		closing = t.chat.close
	}
	if strings.TrimSpace(closing) != "" {
		text = strings.TrimSuffix(strings.TrimSuffix(text, closing), strings.TrimSpace(closing))
	}
	if t.chat != nil {
		return t.chat.answer(text)
	}
	return t.gap + text + t.format.SepSys
}

// Stops returns the texts that end an answer. A separator of white space
// alone ends none: it stands between words too.
func (t *Template) Stops() []string {
	stop := strings.TrimSpace(t.format.SepSys)
	if t.chat != nil {
		stop = strings.TrimSpace(t.chat.close)
	}
	if stop == "" {
		return nil
	}
	return []string{stop}
}

// Chat says whether prompts are rendered by a model's own chat template.
func (t *Template) Chat() bool { return t.chat != nil }

// AddSpecialTokens says whether the tokenizer should put its own tokens, such
// as the one for the beginning of a text, around a prompt. A chat template
// has written them already.
func (t *Template) AddSpecialTokens() bool { return t.chat == nil }

// DropsPassages says that a prompt which is too long loses whole passages, the
// lowest in rank first, before any passage loses text: what the model was
// trained with. Otherwise the last passage loses text first.
func (t *Template) DropsPassages() bool { return t.drops }

// DroppingPassages returns the template with DropsPassages as yes says.
func (t *Template) DroppingPassages(yes bool) *Template {
	other := *t
	other.drops = yes
	return &other
}

// Blocks says that passages are blocks (Block-Attention, arXiv 2409.15355): each is read
// apart from the others, behind what all prompts begin with.
func (t *Template) Blocks() bool { return t.blocks }

// InBlocks returns the template with Blocks as yes says.
func (t *Template) InBlocks(yes bool) *Template {
	other := *t
	other.blocks = yes
	return &other
}

// Parts is Render in pieces: what stands before the passages, each passage with a line
// end, and the rest. Joined they are the prompt, but for the line end of the last passage,
// which is the one that the wording has behind the passages or, where it has none, added.
func (t *Template) Parts(in Input) (before string, passages []string, after string, err error) {
	mark := "\uE000passages\uE000"
	for spoken(in, mark) {
		mark += "\uE000"
	}
	marked := in
	marked.Passages = []string{mark}
	text, err := t.Render(marked)
	if err != nil {
		return "", nil, "", err
	}
	before, after, ok := strings.Cut(text, mark)
	if !ok || strings.Contains(after, mark) {
		return "", nil, "", errors.New("the prompt template does not give passages once and as they are; expected that with block_attention; use another --prompt_template")
	}
	for _, p := range in.Passages {
		passages = append(passages, p+"\n")
	}
	return before, passages, strings.TrimPrefix(after, "\n"), nil
}

// spoken says whether a text stands in a question or before it.
func spoken(in Input, text string) bool {
	return strings.Contains(in.Question, text) || slices.ContainsFunc(in.History, func(t dataset.Turn) bool { return strings.Contains(t.Message, text) })
}

// Date returns the date that is put into prompts, zero where the template tells
// none.
func (t *Template) Date() time.Time {
	if t.chat == nil {
		return time.Time{}
	}
	return t.chat.options.Now
}

// Dated returns the template with another date, where it tells one.
func (t *Template) Dated(day time.Time) (*Template, error) {
	if t.chat == nil || !t.chat.options.tellsDate() {
		return t, nil
	}
	options := t.chat.options
	options.Now = day
	other, err := Chat(options, t.format)
	if err != nil {
		return nil, err
	}
	return other.DroppingPassages(t.drops).InBlocks(t.blocks), nil
}

// Source returns the wording or the chat template that was parsed.
func (t *Template) Source() string {
	if t.chat != nil {
		return t.chat.options.Source
	}
	return t.text
}

// saved is the JSON form of a Template.
type saved struct {
	Version int          `json:"version"`
	Text    *string      `json:"text,omitempty"`
	Chat    *ChatOptions `json:"chat,omitempty"`
	Format  Format       `json:"format"`
	Drops   bool         `json:"drops_passages,omitempty"`
	Blocks  bool         `json:"block_attention,omitempty"`
}

// MarshalJSON writes all that UnmarshalJSON needs to make the same template.
func (t *Template) MarshalJSON() ([]byte, error) {
	s := saved{Version: 1, Format: t.format, Drops: t.drops, Blocks: t.blocks}
	if t.chat != nil {
		s.Chat = &t.chat.options
	} else {
		s.Text = &t.text
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *Template) UnmarshalJSON(data []byte) error {
	var s saved
	if err := modelfile.JSONPart(data, &s); err != nil {
		return fmt.Errorf("the saved prompt template does not read: %w", err)
	}
	var (
		got *Template
		err error
	)
	switch {
	case s.Version != 1:
		return fmt.Errorf("the saved prompt template has version %d; expected 1; read it with the gorqa that wrote it", s.Version)
	case s.Text != nil && s.Chat == nil:
		got, err = parse(*s.Text, s.Format)
	case s.Chat != nil && s.Text == nil:
		got, err = Chat(*s.Chat, s.Format)
	default:
		return errors.New("the saved prompt template holds neither or both of \"text\" and \"chat\"; expected one; save it again")
	}
	if err != nil {
		return err
	}
	*t = *got.DroppingPassages(s.Drops).InBlocks(s.Blocks)
	return nil
}
