package prompt

import (
	"fmt"
	"strconv"
	"strings"
	"text/template"
)

// Ollama writes a chat template as ollama's TEMPLATE, in the language of Go's
// text/template, which it renders in the place of the Jinja template of a GGUF
// file. begin is the token that ollama itself puts before a prompt, "" for none. It
// is false where the template does with a message what a TEMPLATE cannot say.
func Ollama(options ChatOptions, begin string) (string, bool) {
	compiled, err := compile(options.Source)
	if err != nil {
		return "", false
	}
	o := ollama{chat: &chat{options: options, template: compiled}, begin: begin}
	text, ok := o.write()
	if !ok {
		return "", false
	}
	made, err := template.New("").Parse(text)
	if err != nil {
		return "", false
	}
	for _, conversation := range o.conversations() {
		want, err := o.render(conversation)
		if err != nil && conversation[0].role == "system" && !o.system {
			continue // neither renders one
		}
		type shown struct{ Role, Content string }
		var data struct{ Messages []shown }
		for _, m := range conversation {
			data.Messages = append(data.Messages, shown{m.role, m.content})
		}
		var got strings.Builder
		if err != nil || made.Execute(&got, data) != nil || got.String() != want {
			return "", false
		}
	}
	return text, true
}

// ollama turns what a chat template renders around messages into a TEMPLATE.
type ollama struct {
	chat   *chat
	begin  string
	system bool // the template takes a system message
}

// render is the prompt of a conversation, without the token that ollama puts before.
func (o *ollama) render(messages []message) (string, error) {
	text, err := o.chat.render(messages, true)
	return strings.TrimPrefix(text, o.begin), err
}

// conversations are those that both must render alike.
func (o *ollama) conversations() [][]message {
	system, user, more := message{"system", "Say it, shortly."}, message{"user", "What is it?"}, message{"user", "And\nthen?"}
	assistant := message{"assistant", "It is that: \"a\"."}
	return [][]message{
		{user}, {system, user}, {user, assistant, more}, {system, user, assistant, more},
		{system, user, assistant, more, assistant, user}, {user, assistant, more, assistant, user},
	}
}

// write finds what stands around the messages of small conversations.
func (o *ollama) write() (string, bool) {
	user, assistant := message{"user", probeQuestion}, message{"assistant", probeAnswer}
	text, err := o.render([]message{user, assistant, user})
	parts, ok := around(text, probeQuestion, probeAnswer, probeQuestion)
	if err != nil || !ok {
		return "", false
	}
	head, answer, question, tail := parts[0], parts[1], parts[2], parts[3]
	var b strings.Builder
	show := func(text string) {
		if text != "" {
			fmt.Fprintf(&b, "{{ %s }}", strconv.Quote(text))
		}
	}
	b.WriteString("{{ range $i, $m := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}")
	if text, err = o.render([]message{{"system", probeSystem}, user}); err == nil {
		parts, ok = around(text, probeSystem, probeQuestion)
	}
	if o.system = err == nil && ok; o.system {
		b.WriteString(`{{ if eq $m.Role "system" }}`)
		// The words before the passages may stand in the message already.
		again, err := o.render([]message{{"system", parts[0] + probeSystem}, user})
		if n := len(parts[0]); n > 0 && err == nil && again == text {
			fmt.Fprintf(&b, "{{ if lt (len $m.Content) %d }}", n)
			show(parts[0])
			fmt.Fprintf(&b, "{{ else if ne (slice $m.Content 0 %d) %s }}", n, strconv.Quote(parts[0]))
			show(parts[0])
			b.WriteString("{{ end }}")
		} else {
			show(parts[0])
		}
		b.WriteString("{{ $m.Content }}")
		show(parts[1])
		b.WriteString("{{ end }}")
	}
	b.WriteString(`{{ if eq $m.Role "user" }}{{ if eq $i 0 }}`)
	show(head)
	b.WriteString("{{ end }}{{ $m.Content }}{{ if $last }}")
	show(tail)
	b.WriteString("{{ else }}")
	show(answer)
	b.WriteString(`{{ end }}{{ else if eq $m.Role "assistant" }}{{ $m.Content }}{{ if not $last }}`)
	show(question)
	b.WriteString("{{ end }}{{ end }}{{ end }}")
	return b.String(), true
}

// around are the texts between the words, and before and after them all.
func around(text string, words ...string) ([]string, bool) {
	var parts []string
	for _, word := range words {
		before, after, ok := strings.Cut(text, word)
		if !ok {
			return nil, false
		}
		parts = append(parts, before)
		text = after
	}
	return append(parts, text), true
}
