package prompt

import (
	_ "embed"
	"strings"

	"gorqa/text/dataset"
)

//go:embed standalone.txt
var standaloneText string

// Standalone returns the prompt that has a generator word a follow-up question
// so that it is understood without the turns before it: a request in one turn
// of the user, without passages.
func (t *Template) Standalone(history []dataset.Turn, question string) (string, error) {
	if err := t.format.check(history); err != nil {
		return "", err
	}
	var turns strings.Builder
	for _, turn := range history {
		speaker := "User"
		if t.format.assistant(turn) {
			speaker = "Assistant"
		}
		turns.WriteString(speaker + ": " + turn.Message + "\n")
	}
	request := strings.NewReplacer("{history}", turns.String(), "{question}", question).Replace(strings.TrimSpace(standaloneText))
	if t.chat != nil {
		return t.chat.ask([]message{{"user", request}})
	}
	return t.format.dialogue(Input{Question: request}), nil
}

// Joined returns what the user said before and the question, one a line.
func (t *Template) Joined(history []dataset.Turn, question string) string {
	var b strings.Builder
	for _, turn := range history {
		if !t.format.assistant(turn) {
			b.WriteString(turn.Message + "\n")
		}
	}
	return b.String() + question
}
