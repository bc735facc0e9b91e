// Package tokenizer turns text into token ids and back, equal id for id to
// Hugging Face tokenizers 0.23, from the tokenizer.json of a model.
//
// It reads every model of that format (BPE, byte-level or with byte fallback,
// WordPiece, Unigram, WordLevel) with its normalizers, pre-tokenizers, added
// tokens, post-processors and decoders. Truncation and padding, which a
// tokenizer.json may also hold, are the caller's: Encode never cuts.
//
// Of a GGUF file's vocabulary, and of a SentencePiece model without a
// tokenizer.json beside it, it makes one, as transformers' converters do.
//
// The look-ahead patterns of GPT-2, Llama 3 and Qwen 2 are scanned by hand;
// patterns that are not known go through a backtracking regexp engine.
// Character classes, case mappings and normal forms come from tables measured
// on the Rust library (parity/make_tokenizer_unicode.py), because that library
// mixes several Unicode versions and Go's own tables move with each release.
//
// The package knows nothing of prompts, chat templates, files beyond the
// tokenizer's own, or tensors.
package tokenizer
