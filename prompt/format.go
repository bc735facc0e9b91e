package prompt

import (
	"errors"
	"fmt"
	"strings"

	"gorqa/rqa"
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

// assistant says whether the assistant speaks in a turn. LocalRQA takes its
// assistant_prefix and the names "system" and "assistant" in any case for it
// and everyone else for the user (local_rqa/schema/dialogue.py).
func (f Format) assistant(t rqa.Turn) bool {
	return t.Speaker == f.AssistantPrefix ||
		strings.EqualFold(t.Speaker, "system") || strings.EqualFold(t.Speaker, "assistant")
}

// history writes the earlier turns, each "{prefix}: {message}{sep}".
func (f Format) history(turns []rqa.Turn) string {
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
