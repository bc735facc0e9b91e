package qa

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/text/prompt"
)

// export gives the small files of a model as other programs need them to ask it
// as it was trained: generation_config.json lists all tokens that end an answer,
// and the chat template renders the trained prompt. Without a template (nil: of an
// untrained model, or FiD, whose passages are no messages) the chat template stays.
func (s TextSide) export(t *prompt.Template) (map[string][]byte, error) {
	files := maps.Clone(s.Files)
	if files == nil {
		files = map[string][]byte{}
	}
	if t != nil {
		if err := s.exportTemplate(files, t); err != nil {
			return nil, err
		}
	}
	if err := s.exportTokenizer(files); err != nil {
		return nil, err
	}
	return files, s.exportEnds(files, t)
}

// ExportFiles is export for a model that is written again as it is: what it was
// trained with lies beside it. folder is where its tokenizer lies. Another model
// than a generator, and one without a tokenizer, keeps its files.
func ExportFiles(ctx context.Context, folder string, config []byte, files map[string][]byte) (map[string][]byte, error) {
	a, err := architectureOf(config, AnyKind)
	if err != nil {
		return files, nil
	}
	if !slices.ContainsFunc([]string{"tokenizer.json", "spiece.model", "tokenizer.model"}, func(name string) bool { return files[name] != nil }) {
		return files, nil
	}
	t, err := LoadTokenizer(ctx, folder)
	if err != nil {
		return nil, err
	}
	s := TextSide{folder, config, files, t}
	if a.kind == EncoderDecoder {
		return s.export(nil)
	}
	trained, err := s.saved()
	if err != nil {
		return nil, err
	}
	return s.export(trained)
}

// change changes a JSON file of a model's, {} where there is none.
func (s TextSide) change(files map[string][]byte, name string, set func(fields map[string]any)) error {
	fields := map[string]any{}
	if data, ok := files[name]; ok {
		var err error
		if fields, err = modelfile.JSONObject(filepath.Join(s.Folder, name), data); err != nil {
			return err
		}
		if fields == nil { // null
			fields = map[string]any{}
		}
	}
	set(fields)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(fields); err != nil {
		return err
	}
	files[name] = out.Bytes()
	return nil
}

// generationIDs are what transformers takes from config.json where there is no
// generation_config.json.
var generationIDs = []string{"bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id"}

// exportEnds lists in generation_config.json every token that ends an answer.
func (s TextSide) exportEnds(files map[string][]byte, t *prompt.Template) error {
	ends, err := s.Ends()
	if err != nil {
		return err
	}
	if t != nil {
		if id, ok := s.stopToken(t); ok && !slices.Contains(ends, id) {
			ends = append(ends, id)
		}
	}
	if len(ends) == 0 {
		return nil
	}
	var config map[string]any
	if _, ok := files[generationFile]; !ok && s.Config != nil {
		if config, err = modelfile.JSONObject(filepath.Join(s.Folder, "config.json"), s.Config); err != nil {
			return err
		}
	}
	return s.change(files, generationFile, func(fields map[string]any) {
		for _, name := range generationIDs {
			if id, ok := config[name]; ok && id != nil {
				fields[name] = id
			}
		}
		if fields["eos_token_id"] = ends; len(ends) == 1 {
			fields["eos_token_id"] = ends[0]
		}
		// With it transformers 4 takes the ids from config.json after all.
		delete(fields, "_from_model_config")
		dropInvalid(fields)
	})
}

const generationFile = "generation_config.json"

// dropInvalid takes out what stands in a generation_config.json against its own
// do_sample and num_beams: transformers loads such a file, but does not save the
// model again.
func dropInvalid(fields map[string]any) {
	for _, f := range []struct {
		mode    string
		on      func(any) bool
		keeping map[string]float64 // the value that says nothing
	}{
		{"do_sample", func(v any) bool { return v == true }, map[string]float64{
			"temperature": 1, "top_p": 1, "top_k": 50, "typical_p": 1, "epsilon_cutoff": 0, "eta_cutoff": 0, "min_p": -1, "top_h": -1,
		}},
		{"num_beams", func(v any) bool { n, ok := number(v); return ok && n > 1 }, map[string]float64{"length_penalty": 1}},
	} {
		if f.on(fields[f.mode]) {
			continue
		}
		for name, plain := range f.keeping {
			if n, ok := number(fields[name]); ok && n != plain {
				delete(fields, name)
			}
		}
	}
	if n, ok := number(fields["num_beams"]); (!ok || n <= 1) && fields["early_stopping"] != false {
		delete(fields, "early_stopping")
	}
	if n, ok := number(fields["pad_token_id"]); ok && n < 0 {
		delete(fields, "pad_token_id")
	}
}

func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// exportTemplate writes the chat template where transformers 4 reads it,
// tokenizer_config.json, and where transformers 5 does, chat_template.jinja. The
// end token becomes the one that ends an answer, which llama.cpp stops at alone,
// unless the template itself or the tokenizer writes the other one.
func (s TextSide) exportTemplate(files map[string][]byte, t *prompt.Template) error {
	lead, err := s.lead(t)
	if err != nil {
		return err
	}
	source := t.ChatTemplate(lead)
	end := ""
	if id, ok := s.stopToken(t); ok && id != s.Tokenizer.Special().EOS && !strings.Contains(source, "eos_token") && !s.appendsEnd() {
		end, _ = s.Tokenizer.Token(id)
	}
	own := source == t.Source()
	if !own {
		delete(files, "additional_chat_templates/default.jinja") // which goes before chat_template.jinja
	}
	if !own || files["chat_template.jinja"] == nil {
		files["chat_template.jinja"] = []byte(source)
	}
	err = s.change(files, "tokenizer_config.json", func(fields map[string]any) {
		if _, several := fields["chat_template"].([]any); !own || !several {
			fields["chat_template"] = source
		}
		if end != "" {
			fields["eos_token"] = end
		}
	})
	if _, ok := files["special_tokens_map.json"]; ok && end != "" {
		err = errors.Join(err, s.change(files, "special_tokens_map.json", func(fields map[string]any) { fields["eos_token"] = end }))
	}
	return err
}

// exportTokenizer writes what transformers 5 saves of a tokenizer as transformers 4
// reads it too: a class that both have, further special tokens under the name that
// both know, and the chat template in tokenizer_config.json as well.
func (s TextSide) exportTokenizer(files map[string][]byte) error {
	const name = "tokenizer_config.json"
	if files[name] == nil {
		return nil
	}
	return s.change(files, name, func(fields map[string]any) {
		if fields["tokenizer_class"] == "TokenizersBackend" {
			fields["tokenizer_class"] = "PreTrainedTokenizerFast"
			if _, ok := fields["model_input_names"]; !ok { // without it transformers 4 sends token_type_ids
				fields["model_input_names"] = []string{"input_ids", "attention_mask"}
			}
		}
		if extra, ok := fields["extra_special_tokens"].([]any); ok { // of names to tokens it is a table, in both
			delete(fields, "extra_special_tokens")
			all, _ := fields["additional_special_tokens"].([]any)
			for _, token := range extra {
				if !slices.ContainsFunc(all, func(t any) bool { return reflect.DeepEqual(t, token) }) {
					all = append(all, token)
				}
			}
			if len(all) > 0 {
				fields["additional_special_tokens"] = all
			}
		}
		if template := files["chat_template.jinja"]; template != nil && fields["chat_template"] == nil {
			fields["chat_template"] = string(template)
		}
	})
}

// appendsEnd says whether the tokenizer closes a text with its end token.
func (s TextSide) appendsEnd() bool {
	ids := s.Tokenizer.Encode("", true)
	return len(ids) > 0 && ids[len(ids)-1] == s.Tokenizer.Special().EOS
}

// lead is what a chat template writes before a prompt so that its tokens are
// those of the prompt: the tokenizer puts none before what a chat template
// rendered.
func (s TextSide) lead(t *prompt.Template) (string, error) {
	if !t.AddSpecialTokens() {
		return "", nil
	}
	text, err := t.Render(prompt.Input{Passages: []string{"A passage."}, Question: "What is it?"})
	if err != nil {
		return "", err
	}
	bare, whole := s.Tokenizer.Encode(text, false), s.Tokenizer.Encode(text, true)
	if before, _ := s.Tokenizer.Around(); len(bare) >= len(before) && slices.Equal(bare[:len(before)], before) {
		return "", nil // the prompt has them itself, and training has them once
	}
	var begin strings.Builder
	at := 0
	for ; at < len(whole) && !slices.Equal(bare, whole[at:min(at+len(bare), len(whole))]); at++ {
		token, _ := s.Tokenizer.Token(whole[at])
		begin.WriteString(token)
	}
	if at == 0 || at == len(whole) {
		return "", nil
	}
	// Some tokenizers put a space before the first word of a text alone.
	for _, between := range []string{"", " "} {
		if slices.Equal(s.Tokenizer.Encode(begin.String()+between+text, false), whole[:at+len(bare)]) {
			return begin.String() + between, nil
		}
	}
	return begin.String(), nil
}
