package qa

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/files/weights"
	"gorqa/files/whole"
	"gorqa/text/prompt"
	"gorqa/text/tokenizer"
)

// ConvertGGUF saves a model, of a folder or of another GGUF file, as the GGUF file
// out, and a Modelfile for ollama beside it. The notes say what is computed
// otherwise there, and what was left alone.
func ConvertGGUF(ctx context.Context, in, out string, dtype weights.DType) (notes []string, err error) {
	m, err := OpenModel(ctx, in)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	files, err := ExportFiles(ctx, in, m.Config(), m.Files())
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.ParseFiles(files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in, err)
	}
	name, err := filepath.Abs(in)
	if err != nil {
		return nil, err
	}
	name = strings.TrimSuffix(filepath.Base(name), ".gguf")
	notes, err = m.ConvertGGUF(ctx, out, weights.GGUF{Name: name, DType: dtype, Files: files, Vocabulary: func(rows int) (weights.GGUFVocab, []string, error) {
		v, notes, err := t.GGUF(rows)
		return weights.GGUFVocab(v), notes, err
	}})
	if err != nil {
		return nil, err
	}
	s := TextSide{Folder: in, Config: m.Config(), Files: files, Tokenizer: t}
	note, err := s.writeModelfile(out)
	if note != "" {
		notes = append(notes, note)
	}
	return append(m.Notes(), notes...), err
}

// modelfileMark begins the Modelfiles that are gorqa's, and so may be written again.
const modelfileMark = "# Made by gorqa convert."

// writeModelfile writes ollama's Modelfile beside the GGUF file; one that somebody
// else made stays.
func (s TextSide) writeModelfile(gguf string) (note string, err error) {
	path := filepath.Join(filepath.Dir(gguf), "Modelfile")
	if modelfile.Exists(path) {
		there, err := modelfile.Read(path, 1<<20)
		if err != nil || !strings.HasPrefix(string(there), modelfileMark) {
			return path + " is not gorqa's and stays as it is", nil
		}
	}
	text, note, err := s.modelfile(filepath.Base(gguf))
	if err != nil {
		return "", err
	}
	return note, whole.Bytes(path, []byte(text))
}

// maxOllamaContext bounds the context that a Modelfile asks for: ollama takes its
// memory from the start.
const maxOllamaContext = 8192

// modelfile is ollama's recipe for a model of gorqa's: the file, the template that the
// model is asked with, greedy answers as evaluation has them, and what ends them.
func (s TextSide) modelfile(gguf string) (text, note string, err error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s Use: ollama create NAME -f Modelfile\nFROM ./%s\n", modelfileMark, gguf)
	source, special, err := s.chatTemplate()
	if err != nil {
		return "", "", err
	}
	begin := ""
	if before, _ := s.Tokenizer.Around(); len(before) == 1 {
		begin, _ = s.Tokenizer.Token(before[0])
	}
	switch template, ok := prompt.Ollama(prompt.ChatOptions{Source: source, SpecialTokens: special}, begin); {
	case ok:
		fmt.Fprintf(&b, "TEMPLATE \"\"\"%s\"\"\"\n", template)
	case source != "":
		note = "Modelfile: ollama's TEMPLATE cannot say what this chat template does, so it has none and ollama takes what it knows of this kind; llama.cpp renders the template itself"
	}
	var config struct {
		Context  int `json:"max_position_embeddings"`
		Original int `json:"original_max_position_embeddings"` // of Phi-3: beyond, all angles are others
	}
	if err := modelfile.JSON(filepath.Join(s.Folder, "config.json"), s.Config, &config); err != nil {
		return "", "", err
	}
	b.WriteString("PARAMETER temperature 0\n")
	positions := min(config.Context, cmp.Or(config.Original, config.Context), maxOllamaContext)
	if positions > 0 {
		fmt.Fprintf(&b, "PARAMETER num_ctx %d\n", positions)
	}
	ends, err := s.Ends()
	if err != nil {
		return "", "", err
	}
	slices.Sort(ends)
	for _, id := range slices.Compact(ends) {
		if token, ok := s.Tokenizer.Token(id); ok {
			fmt.Fprintf(&b, "PARAMETER stop %s\n", strconv.Quote(token))
		}
	}
	return b.String(), note, nil
}
