package prompt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorqa/text/dataset"
)

// Format says how the turns of a dialogue are written. The names are those of
// the flags --user_prefix, --assistant_prefix, --sep_user and --sep_sys.
type Format struct {
	UserPrefix      string `json:"user_prefix"`
	AssistantPrefix string `json:"assistant_prefix"`
	SepUser         string `json:"sep_user"` // closes a user's turn
	SepSys          string `json:"sep_sys"`  // closes an assistant's turn, and so every answer
}

// DefaultFormat returns LocalRQA's format: "USER: … ASSISTANT: …</s>".
func DefaultFormat() Format {
	return Format{UserPrefix: "USER", AssistantPrefix: "ASSISTANT", SepUser: " ", SepSys: "</s>"}
}

// Validate reports every setting that cannot make a dialogue.
func (f Format) Validate() error {
	var errs []error
	if f.UserPrefix == f.AssistantPrefix {
		errs = append(errs, fmt.Errorf("user_prefix and assistant_prefix are both %q; expected two different texts; change one, the model tells the speakers apart by them", f.UserPrefix))
	}
	if f.SepSys == "" {
		errs = append(errs, errors.New("sep_sys is empty; expected the text that closes an answer; set it to the model's end token, the model learns from it when to stop"))
	}
	return errors.Join(errs...)
}

// speaker says who speaks under a name: the format's own prefixes, and the names
// that data sets and chat interfaces write, in any case. known is false for a name
// that says neither.
func (f Format) speaker(name string) (assistant, known bool) {
	switch {
	case name == f.AssistantPrefix:
		return true, true
	case name == f.UserPrefix:
		return false, true
	}
	switch strings.ToLower(strings.TrimSpace(name)) {
	case strings.ToLower(f.AssistantPrefix):
		return true, true
	case strings.ToLower(f.UserPrefix):
		return false, true
	case "assistant", // OpenAI's messages and most data sets
		"system",  // LocalRQA's name for what answers (local_rqa/schema/dialogue.py)
		"gpt",     // ShareGPT and what was converted to it
		"chatgpt", // ShareGPT's older exports
		"bot",     // chat logs, Rasa
		"chatbot", // Cohere's messages
		"ai",      // LangChain's messages
		"model",   // Gemini's and Gemma's messages
		"agent":   // MultiDoc2Dial and service dialogues
		return true, true
	case "user", // OpenAI's messages and most data sets
		"human",    // ShareGPT, LangChain's messages
		"customer", // service dialogues
		"prompter": // OpenAssistant
		return false, true
	}
	return false, false
}

// assistant says whether the assistant speaks in a turn of a known speaker.
func (f Format) assistant(t dataset.Turn) bool {
	assistant, _ := f.speaker(t.Speaker)
	return assistant
}

// Unclear is a turn of a history of which nobody knows whose words it has.
type Unclear struct {
	Turn                int // from 0
	Found, Expected, Do string
}

// unclear lists such turns: by speakers that are not known, and by "system" where
// that is what other data call an instruction, not LocalRQA's name for what answers.
func (f Format) unclear(turns []dataset.Turn) []Unclear {
	var out []Unclear
	for i, t := range turns {
		if _, known := f.speaker(t.Speaker); !known {
			out = append(out, Unclear{i, fmt.Sprintf("%.40q, who is neither user nor assistant by any name that is known", t.Speaker), f.speakers(), "rename the speaker, or name it with --user_prefix or --assistant_prefix"})
		} else if f.instructs(turns, i) {
			out = append(out, Unclear{i, fmt.Sprintf("%.40q, in a place where it instructs rather than answers", t.Speaker), "turns of a user and an assistant, since the prompt has an instruction of its own", `leave the turn out, or name its speaker "assistant" if it answers`})
		}
	}
	return out
}

// system says whether a turn is by "system", which the format does not name.
func (f Format) system(t dataset.Turn) bool {
	const system = "system"
	is := func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), system) }
	return is(t.Speaker) && !is(f.UserPrefix) && !is(f.AssistantPrefix)
}

// instructs says whether a turn by "system" is no answer: it follows no user's turn.
// One that begins a history opens the dialogue where "system" alone answers in it.
func (f Format) instructs(turns []dataset.Turn, i int) bool {
	if !f.system(turns[i]) || i > 0 && !f.assistant(turns[i-1]) {
		return false
	}
	later := turns[i+1:]
	return i > 0 || !slices.ContainsFunc(later, f.system) || slices.ContainsFunc(later, func(t dataset.Turn) bool { return f.assistant(t) && !f.system(t) })
}

// check refuses turns of speakers that are not known. A history may have lost its
// first turns here, so whether "system" answers in it is not asked again.
func (f Format) check(turns []dataset.Turn) error {
	for i, t := range turns {
		if _, known := f.speaker(t.Speaker); !known {
			return fmt.Errorf("turn %d of the history is by %q; expected %s", i, clip(t.Speaker), f.speakers())
		}
	}
	return nil
}

// speakers lists what a speaker may be called.
func (f Format) speakers() string {
	return fmt.Sprintf("%q, user or human, or %q, assistant, system, gpt, bot, ai or model", f.UserPrefix, f.AssistantPrefix)
}

// history writes the earlier turns, each "{prefix}: {message}{sep}".
func (f Format) history(turns []dataset.Turn) string {
	var b strings.Builder
	for _, t := range turns {
		prefix, sep := f.UserPrefix, f.SepUser
		if f.assistant(t) {
			prefix, sep = f.AssistantPrefix, f.SepSys
		}
		b.WriteString(prefix + ": " + t.Message + sep)
	}
	return b.String()
}

// dialogue writes the history, the question and the opening of the answer.
func (f Format) dialogue(in Input) string {
	return f.history(in.History) + f.UserPrefix + ": " + in.Question + f.SepUser + f.AssistantPrefix + ":"
}
