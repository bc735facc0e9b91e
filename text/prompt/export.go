package prompt

import (
	"fmt"
	"strings"
)

// ChatTemplate returns the template as a chat template in Jinja, for programs
// that are sent messages: it renders those of a conversation to the text that
// Render makes of them, with lead before it (the token for the beginning of a
// text, where the tokenizer would add one), and those with an answer to what
// Answer puts after it.
//
// The system message carries the passages, joined by newlines: they alone, or
// with the words that stand before them in the wording, which are then not
// written again. Without a system message there are no passages. The history and
// the question are messages of "user" and "assistant".
//
// Of a model's own chat template it is that one; where the answers were learnt
// with thinking off, with that fixed.
func (t *Template) ChatTemplate(lead string) string {
	if t.chat != nil {
		return t.chat.export()
	}
	w := &templateWriter{format: t.format}
	w.WriteString("{#- Made by gorqa of the prompt that the model was trained with: the system message carries the passages. -#}\n")
	w.split()
	w.text(lead)
	parts := t.parts
	if len(parts) > 1 && parts[0].name == "" && parts[1].name == namePassages && strings.TrimSpace(parts[0].literal) != "" {
		w.tag("if not passages.startswith(" + quote(parts[0].literal) + ")")
		w.text(parts[0].literal)
		w.tag("endif")
		parts = parts[1:]
	}
	for _, p := range parts {
		switch p.name {
		case namePassages:
			w.show("passages")
		case nameHistory:
			w.history()
		case nameQuestion:
			w.tag("if asked >= 0")
			w.show("turns[asked]['content']")
			w.tag("endif")
			w.open()
		case nameDialogue:
			w.history()
			w.tag("if asked >= 0")
			w.turn("turns[asked]", false)
			w.tag("endif")
			w.open()
			w.text(t.format.AssistantPrefix + ":")
		default:
			w.text(p.literal)
		}
	}
	w.tag("if asked < last")
	w.text(t.gap)
	w.show("turns[last]['content']")
	w.text(t.format.SepSys)
	w.tag("endif")
	w.tag("endif")
	return w.String()
}

// templateWriter writes Jinja.
type templateWriter struct {
	strings.Builder
	format Format
	opened bool
}

func (w *templateWriter) tag(code string)  { w.WriteString("{%- " + code + " -%}\n") }
func (w *templateWriter) show(what string) { w.WriteString("{{- " + what + " -}}\n") }

func (w *templateWriter) text(s string) {
	if s != "" {
		w.show(quote(s))
	}
}

// split divides the messages into the passages and the turns, and finds the turns
// that ask and that come last.
func (w *templateWriter) split() {
	w.tag("if messages and messages[0]['role'] == 'system'")
	w.tag("set passages = messages[0]['content']")
	w.tag("set turns = messages[1:]")
	w.tag("else")
	w.tag("set passages = ''")
	w.tag("set turns = messages")
	w.tag("endif")
	w.tag("set last = (turns | length) - 1")
	w.tag("set asked = last")
	w.tag("if last >= 0 and turns[last]['role'] == 'assistant'")
	w.tag("set asked = last - 1")
	w.tag("endif")
}

// turn writes one message in the wording of its speaker.
func (w *templateWriter) turn(message string, assistant bool) {
	prefix, sep := w.format.UserPrefix, w.format.SepUser
	if assistant {
		prefix, sep = w.format.AssistantPrefix, w.format.SepSys
	}
	w.text(prefix + ": ")
	w.show(message + "['content']")
	w.text(sep)
}

// history writes the turns before the one that asks.
func (w *templateWriter) history() {
	w.tag("for message in turns")
	w.tag("if loop.index0 < asked")
	w.tag("if message['role'] == 'assistant'")
	w.turn("message", true)
	w.tag("else")
	w.turn("message", false)
	w.tag("endif")
	w.tag("endif")
	w.tag("endfor")
}

// open begins what opens the answer, which is there where one is asked for or given.
func (w *templateWriter) open() {
	if !w.opened {
		w.tag("if add_generation_prompt or asked < last")
		w.opened = true
	}
}

// quote writes a text as Jinja's readers take it: Python's, and those in C++ and
// JavaScript that know fewer escapes.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + "'"
}

// export is the template as it was trained with.
func (c *chat) export() string {
	source := c.options.Source
	if c.thinkingOff {
		// The newline is the one that Jinja takes after a block.
		source = "{%- set enable_thinking = false %}{%- set thinking = false %}\n" + source
	}
	if c.lead != "" {
		source = strings.TrimSuffix(source, "\n") + fmt.Sprintf("{%% if add_generation_prompt %%}{{ %s }}{%% endif %%}", quote(c.lead))
	}
	return source
}
