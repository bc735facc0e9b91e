package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"

	"gorqa/files/modelfile"
)

// Special holds the ids of the special tokens, -1 where there is none.
type Special struct {
	BOS, EOS, PAD, UNK int32
}

// Special returns the special tokens that tokenizer_config.json names; without
// that file, those with a name that models commonly give them.
func (t *Tokenizer) Special() Special { return t.special }

// commonNames are the names that models give their special tokens, from the
// configurations of GPT-2, Llama, Mistral, Qwen, T5 and BERT.
var commonNames = [4][]string{
	{"<s>", "<|begin_of_text|>", "[CLS]", "<bos>"},
	{"</s>", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>", "[SEP]", "<eos>"},
	{"<pad>", "[PAD]", "<|pad|>", "<|finetune_right_pad_id|>", "<|endoftext|>"},
	{"<unk>", "[UNK]", "<|unk|>"},
}

func (t *Tokenizer) guessSpecial() Special {
	var ids [4]int32
	for i, names := range commonNames {
		ids[i] = -1
		for _, name := range names {
			if id, ok := t.ID(name); ok {
				ids[i] = id
				break
			}
		}
	}
	return Special{ids[0], ids[1], ids[2], ids[3]}
}

// name takes the special tokens from a tokenizer_config.json and a
// special_tokens_map.json; see ParseNamed.
func (t *Tokenizer) name(config, specialMap []byte) error {
	var c struct {
		Added json.RawMessage `json:"added_tokens_decoder"`
	}
	if config != nil {
		if err := t.readNames(config, true); err != nil {
			return fmt.Errorf("%s: %w", configName, err)
		}
		if err := modelfile.JSON(configName, config, &c); err != nil {
			return err
		}
	}
	if specialMap == nil || len(c.Added) > 0 {
		return nil
	}
	if err := t.readNames(specialMap, false); err != nil {
		return fmt.Errorf("%s: %w", specialMapName, err)
	}
	return nil
}

// readNames takes the special tokens that a JSON object names. One that is not
// in the vocabulary is an error where strict, else ignored: the old files
// special_tokens_map.json list tokens that were never added.
func (t *Tokenizer) readNames(data []byte, strict bool) error {
	var c struct {
		BOS json.RawMessage `json:"bos_token"`
		EOS json.RawMessage `json:"eos_token"`
		PAD json.RawMessage `json:"pad_token"`
		UNK json.RawMessage `json:"unk_token"`
	}
	if err := modelfile.JSON("", data, &c); err != nil {
		return err
	}
	var errs []error
	for _, f := range []struct {
		name string
		data json.RawMessage
		into *int32
	}{
		{"bos_token", c.BOS, &t.special.BOS}, {"eos_token", c.EOS, &t.special.EOS},
		{"pad_token", c.PAD, &t.special.PAD}, {"unk_token", c.UNK, &t.special.UNK},
	} {
		if len(f.data) == 0 {
			continue
		}
		if string(f.data) == "null" {
			*f.into = -1
			continue
		}
		var name string
		var token addedToken
		if json.Unmarshal(f.data, &name) != nil {
			if err := json.Unmarshal(f.data, &token); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s; a token, or an object with its content, is expected", f.name, f.data))
				continue
			}
			name = token.Content
		}
		id, ok := t.ID(name)
		switch {
		case ok:
			*f.into = id
		case strict:
			errs = append(errs, fmt.Errorf("%s: %q is not in the vocabulary; a token of tokenizer.json is expected", f.name, name))
		}
	}
	return errors.Join(errs...)
}

// Added says whether a text is one of the added tokens: wherever it stands it is
// that token, whatever is beside it.
func (t *Tokenizer) Added(text string) (id int32, ok bool) {
	id, ok = t.added.ids[text]
	return id, ok && !t.added.tokens[id].SingleWord
}
