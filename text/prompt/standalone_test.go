package prompt

import (
	"strings"
	"testing"

	"gorqa/text/dataset"
)

func TestFollowUps(t *testing.T) {
	history := []dataset.Turn{{Speaker: "USER", Message: "What is a {question}?"}, {Speaker: "assistant", Message: "A thing."}, {Speaker: "human", Message: "Why?"}}
	text := Default(DefaultFormat())
	if got, want := text.Joined(history, "And now?"), "What is a {question}?\nWhy?\nAnd now?"; got != want {
		t.Errorf("joined: %q; %q expected", got, want)
	}
	const turns = "Conversation:\nUser: What is a {question}?\nAssistant: A thing.\nUser: Why?\n\nLast question: And now?"
	chat, err := Chat(readGolden(t).options(t, "smollm2"), DefaultFormat())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, why  string
		template   *Template
		begin, end string
	}{
		{"text", "one turn of the format, without passages", text, "USER: The last question", turns + " ASSISTANT:"},
		{"chat", "one message of the model's own", chat, "<|im_start|>", turns + "<|im_end|>\n<|im_start|>assistant\n"},
	} {
		got, err := test.template.Standalone(history, "And now?")
		if err != nil || !strings.HasPrefix(got, test.begin) || !strings.HasSuffix(got, test.end) {
			t.Errorf("%s: %q, %v; %s", test.name, got, err, test.why)
		}
	}
}
