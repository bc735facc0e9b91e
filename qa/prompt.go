package qa

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"gorqa/files/modelfile"
	"gorqa/files/weights"
	"gorqa/text/prompt"
	"gorqa/text/tokenizer"
)

// TextSide is what of a model says how it is asked: its small files and its
// tokenizer.
type TextSide struct {
	Folder    string            // or GGUF file that the tokenizer came from
	Config    []byte            // config.json
	Files     map[string][]byte // that lie beside it
	Tokenizer *tokenizer.Tokenizer
}

// Wording says where the wording of prompts comes from.
type Wording int

const (
	AutoWording     Wording = iota // what the model was trained with; else its own chat template; else GorqaWording
	GorqaWording                   // gorqa's
	ChatWording                    // the model's own chat template
	LocalRQAWording                // LocalRQA's
	FileWording                    // that of PromptOptions.File
)

// PromptOptions say how questions are asked.
type PromptOptions struct {
	Wording Wording
	File    string    // with {passages} and {dialogue}, for FileWording
	Date    time.Time // that chat templates tell; zero for the trained prompt's, else today's

	// What stands around turns, nil for the template's own.
	UserPrefix, AssistantPrefix *string
	SepUser, SepSys             *string // behind a turn of the user and of the assistant

	// Blocks says whether passages are blocks (Block-Attention, arXiv 2409.15355), nil for as
	// the model was trained.
	Blocks *bool

	MaxTokens int // of a decoder's row, the answer included

	// Of an encoder-decoder, 0 for what its folder says, else LocalRQA's.
	MaxPassageTokens int // with the dialogue
	MaxAnswerTokens  int // of an answer that is learnt
}

// inBlocks says whether passages are asked to be blocks.
func (o PromptOptions) inBlocks() bool { return o.Blocks != nil && *o.Blocks }

// words says whether anything that stands around turns was given.
func (c PromptOptions) words() bool {
	return c.UserPrefix != nil || c.AssistantPrefix != nil || c.SepUser != nil || c.SepSys != nil
}

// Choice is a template, and what there is to say about it.
type Choice struct {
	Template *prompt.Template
	What     string   // the template, in words
	Warnings []string // why it is not another
}

// describe says in a line what was chosen for a decoder and what ends an answer.
func (s TextSide) describe(c Choice) string {
	id, ok := s.stopToken(c.Template)
	switch {
	case !ok:
		return c.What
	case c.Template.Chat():
		return fmt.Sprintf("%s; an answer ends, in place of sep_sys, in %s", c.What, tokenNamed(s.Tokenizer, id))
	}
	return fmt.Sprintf("%s; an answer ends in sep_sys, %s", c.What, tokenNamed(s.Tokenizer, id))
}

// tokenNamed is a token with its id, for messages.
func tokenNamed(t *tokenizer.Tokenizer, id int32) string {
	text, _ := t.Token(id)
	return fmt.Sprintf("the token %q (%d)", text, id)
}

// stopToken is the one token that ends a template's answers, whatever follows it;
// it is false where a text ends them that may be spelt in several ways, or none.
func (s TextSide) stopToken(t *prompt.Template) (id int32, ok bool) {
	for _, stop := range t.Stops() {
		if ids := s.Tokenizer.Encode(stop, false); len(ids) > 0 {
			text, _ := s.Tokenizer.Token(ids[0])
			if id, ok := s.Tokenizer.Added(text); ok && strings.HasPrefix(stop, text) {
				return id, true
			}
		}
	}
	return 0, false
}

// separator warns of what ends a template's answers where it is no special
// token, "" where it is one.
func (s TextSide) separator(t *prompt.Template) string {
	if _, ok := s.stopToken(t); ok {
		return ""
	}
	good := "a special token of the tokenizer's"
	if id := s.Tokenizer.Special().EOS; id >= 0 {
		text, _ := s.Tokenizer.Token(id)
		good = fmt.Sprintf("--sep_sys %q", text)
	}
	stops := t.Stops()
	if len(stops) == 0 {
		return fmt.Sprintf("sep_sys is white space alone, which stands within answers too: only the end token and eval_max_new_tokens end an answer; a special token of the tokenizer's expected; use %s", good)
	}
	ids := s.Tokenizer.Encode(stops[0], false)
	var spelt []string
	for _, id := range ids {
		token, _ := s.Tokenizer.Token(id)
		spelt = append(spelt, fmt.Sprintf("%q", token))
	}
	what := "sep_sys"
	if t.Chat() {
		what, good = "the chat template's end of an answer", "another --prompt_template"
	}
	return fmt.Sprintf("%s is %q, which is no special token of this tokenizer (it is spelt %s): answers are ended here by its text, but other programs that load the trained model run on to their limit; a special token expected; use %s",
		what, stops[0], strings.Join(spelt, " "), good)
}

// choose takes the template that the flags ask for, or, where they say nothing,
// the one that the model was trained with (nil for none).
func (s TextSide) choose(c PromptOptions, saved *prompt.Template) (Choice, error) {
	chosen, err := s.chooseWording(c, saved)
	if err != nil {
		return chosen, err
	}
	blocks := c.blocksAs(saved)
	chosen.Template = chosen.Template.InBlocks(blocks)
	if blocks {
		chosen.What += ", passages in blocks (Block-Attention)"
	} else if saved != nil && saved.Blocks() {
		chosen.What += ", with full attention, although it was trained with passages in blocks"
	}
	return chosen, nil
}

// blocksAs says whether passages are blocks, of a model that was trained with a template.
func (c PromptOptions) blocksAs(saved *prompt.Template) bool {
	if c.Blocks != nil {
		return *c.Blocks
	}
	return saved != nil && saved.Blocks()
}

// chooseWording is choose but for blocks.
func (s TextSide) chooseWording(c PromptOptions, saved *prompt.Template) (Choice, error) {
	if saved != nil && c.Wording == AutoWording && !c.words() {
		var err error
		if !c.Date.IsZero() {
			saved, err = saved.Dated(c.Date)
		}
		return Choice{Template: saved, What: "as the model was trained" + dated(saved)}, err
	}
	made, err := s.make(c)
	if err != nil {
		return Choice{}, err
	}
	// No flag says how prompts are cut: that stays as the model was trained.
	made.Template = made.Template.DroppingPassages(saved != nil && saved.DropsPassages())
	return made, nil
}

// make makes the template that the flags ask for.
func (s TextSide) make(c PromptOptions) (Choice, error) {
	end := ""
	if id := s.Tokenizer.Special().EOS; id >= 0 && c.Wording != LocalRQAWording {
		end, _ = s.Tokenizer.Token(id)
	}
	f := c.Format(end)
	if err := f.Validate(); err != nil {
		return Choice{}, err
	}
	turns := fmt.Sprintf(" with %q and %q", f.UserPrefix, f.AssistantPrefix)
	switch c.Wording {
	case AutoWording:
		var warnings []string
		if !c.words() {
			source, special, err := s.chatTemplate()
			if err != nil {
				return Choice{}, err
			}
			if source != "" {
				t, err := ownChat(c, source, special, f)
				if err == nil {
					return Choice{Template: t, What: "the model's own chat template" + dated(t)}, nil
				}
				warnings = append(warnings, fmt.Sprintf("the model's own chat template is not used, gorqa's wording is: %v", err))
			}
		}
		return Choice{Template: prompt.Default(f), What: "gorqa's wording" + turns, Warnings: warnings}, nil
	case GorqaWording:
		return Choice{Template: prompt.Default(f), What: "gorqa's wording" + turns}, nil
	case LocalRQAWording:
		return Choice{Template: prompt.LocalRQA(f), What: "LocalRQA's wording" + turns}, nil
	case ChatWording:
		source, special, err := s.chatTemplate()
		if err != nil {
			return Choice{}, err
		}
		if source == "" {
			return Choice{}, fmt.Errorf("%s has no chat template; use --prompt_template default or a file", s.Folder)
		}
		t, err := ownChat(c, source, special, f)
		if err != nil {
			return Choice{}, fmt.Errorf("%s: %w", s.Folder, err)
		}
		return Choice{Template: t, What: "the model's own chat template" + dated(t)}, nil
	}
	text, err := modelfile.Read(c.File, maxPromptFile)
	if err != nil {
		return Choice{}, fmt.Errorf("prompt_template: %w; expected auto, default, chat, localrqa or a file", err)
	}
	t, err := prompt.Parse(string(text), f)
	if err != nil {
		return Choice{}, fmt.Errorf("%s: %w", c.File, err)
	}
	return Choice{Template: t, What: "the wording of " + c.File + turns}, nil
}

// ownChat is a model's own chat template, on the date that was given or today.
func ownChat(c PromptOptions, source string, special map[string]string, f prompt.Format) (*prompt.Template, error) {
	day := c.Date
	if day.IsZero() {
		now := time.Now()
		day = time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	}
	return prompt.Chat(prompt.ChatOptions{Source: source, SpecialTokens: special, Now: day}, f)
}

// dated says which date a template tells, if any.
func dated(t *prompt.Template) string {
	if t == nil || t.Date().IsZero() {
		return ""
	}
	return ", on " + t.Date().Format(time.DateOnly)
}

// Format is what stands around turns; end ends the assistant's where nothing says
// otherwise ("" for gorqa's own).
func (c PromptOptions) Format(end string) prompt.Format {
	f := prompt.DefaultFormat()
	if end != "" {
		f.SepSys = end
	}
	for _, s := range []struct{ given, into *string }{
		{c.UserPrefix, &f.UserPrefix}, {c.AssistantPrefix, &f.AssistantPrefix}, {c.SepUser, &f.SepUser}, {c.SepSys, &f.SepSys},
	} {
		if s.given != nil {
			*s.into = *s.given
		}
	}
	return f
}

// saved is the template in a trained decoder's folder, nil where there is none.
func (s TextSide) saved() (*prompt.Template, error) {
	data, ok := s.Files[prompt.FileName]
	if !ok {
		return nil, nil
	}
	t := &prompt.Template{}
	return t, modelfile.JSON(filepath.Join(s.Folder, prompt.FileName), data, t)
}

// maxPromptFile bounds a saved prompt, in bytes.
const maxPromptFile = 16 << 20

// TrainedDate is the date in the prompts of a checkpoint or trained model, ""
// where they tell none.
func TrainedDate(folder string) (string, error) {
	files := map[string][]byte{}
	for _, name := range []string{prompt.FileName, fidName} {
		data, err := modelfile.Read(filepath.Join(folder, name), maxPromptFile)
		if err == nil {
			files[name] = data
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	t, err := TextSide{Folder: folder, Files: files}.saved()
	if data := files[fidName]; err == nil && data != nil {
		var fuses struct {
			Template *prompt.Template `json:"prompt"`
		}
		err = modelfile.JSON(filepath.Join(folder, fidName), data, &fuses)
		t = fuses.Template
	}
	if err != nil || t == nil || t.Date().IsZero() {
		return "", err
	}
	return t.Date().Format(time.DateOnly), nil
}

// chatTemplate finds the model's own chat template, "" where it has none, and
// its special tokens.
func (s TextSide) chatTemplate() (source string, special map[string]string, err error) {
	if source, err = weights.ChatTemplate(s.Files); err != nil {
		return "", nil, fmt.Errorf("%s: %w", s.Folder, err)
	}
	special = map[string]string{}
	named := s.Tokenizer.Special()
	for name, id := range map[string]int32{"bos_token": named.BOS, "eos_token": named.EOS, "pad_token": named.PAD, "unk_token": named.UNK} {
		if token, ok := s.Tokenizer.Token(id); ok {
			special[name] = token
		}
	}
	return source, special, nil
}
