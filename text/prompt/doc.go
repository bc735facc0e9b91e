// Package prompt turns passages, earlier turns and a question into the text a
// generator reads, and an answer into the text it is trained on. Training,
// evaluation and ask share it, so what was trained is what is run.
//
// It knows no tokens: it must not know a tokenizer, a model or where passages
// come from. What it renders is text in which separators and special tokens
// are spelled out.
package prompt
