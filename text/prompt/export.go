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
	var b strings.Builder
	tag := func(code string) { b.WriteString("{%- " + code + " -%}\n") }
	show := func(what string) { b.WriteString("{{- " + what + " -}}\n") }
	text := func(s string) {
		if s != "" {
			show(quote(s))
		}
	}
	turn := func(message string, assistant bool) {
		prefix, sep := t.format.UserPrefix, t.format.SepUser
		if assistant {
			prefix, sep = t.format.AssistantPrefix, t.format.SepSys
		}
		text(prefix + ": ")
		show(message + "['content']")
		text(sep)
	}
	history := func() {
		tag("for message in turns")
		tag("if loop.index0 < asked")
		tag("if message['role'] == 'assistant'")
		turn("message", true)
		tag("else")
		turn("message", false)
		tag("endif")
		tag("endif")
		tag("endfor")
	}
	// What opens the answer is there where one is asked for or given.
	opened := false
	open := func() {
		if !opened {
			tag("if add_generation_prompt or asked < last")
			opened = true
		}
	}

	b.WriteString("{#- Made by gorqa of the prompt that the model was trained with: the system message carries the passages. -#}\n")
	tag("if messages and messages[0]['role'] == 'system'")
	tag("set passages = messages[0]['content']")
	tag("set turns = messages[1:]")
	tag("else")
	tag("set passages = ''")
	tag("set turns = messages")
	tag("endif")
	tag("set last = (turns | length) - 1")
	tag("set asked = last")
	tag("if last >= 0 and turns[last]['role'] == 'assistant'")
	tag("set asked = last - 1")
	tag("endif")
	text(lead)
	parts := t.parts
	if len(parts) > 1 && parts[0].name == "" && parts[1].name == namePassages && strings.TrimSpace(parts[0].literal) != "" {
		tag("if not passages.startswith(" + quote(parts[0].literal) + ")")
		text(parts[0].literal)
		tag("endif")
		parts = parts[1:]
	}
	for _, p := range parts {
		switch p.name {
		case namePassages:
			show("passages")
		case nameHistory:
			history()
		case nameQuestion:
			tag("if asked >= 0")
			show("turns[asked]['content']")
			tag("endif")
			open()
		case nameDialogue:
			history()
			tag("if asked >= 0")
			turn("turns[asked]", false)
			tag("endif")
			open()
			text(t.format.AssistantPrefix + ":")
		default:
			text(p.literal)
		}
	}
	tag("if asked < last")
	text(t.gap)
	show("turns[last]['content']")
	text(t.format.SepSys)
	tag("endif")
	tag("endif")
	return b.String()
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
