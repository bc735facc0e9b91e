package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Scores of tokens that no merge makes, as llama.cpp's converter has them.
const (
	addedScore  = -1000
	unusedScore = -10000 // of rows of the embedding without a token
)

const ggufNoMerges = "the merges are not those of a SentencePiece model, which llama.cpp follows by scores: %s; a tokenizer that SentencePiece made is expected; serve the Hugging Face folder instead"

// GGUF is the vocabulary as GGUF files hold it, for a model whose embedding has
// rows rows: the reverse of FromGGUF. What llama.cpp would tokenize differently is
// an error, or where only rare texts are touched a note.
func (t *Tokenizer) GGUF(rows int) (v GGUFVocab, notes []string, err error) {
	if t.Size() > rows {
		return v, nil, fmt.Errorf("a token of id %d, but the embedding has %d rows; a row for each token is expected", t.Size()-1, rows)
	}
	var file fileJSON
	if err := json.Unmarshal(t.json, &file); err != nil {
		return v, nil, err
	}
	b, ok := t.model.(*bpe)
	if !ok || b.prefix != "" || b.suffix != "" {
		return v, nil, fmt.Errorf("a tokenizer of type %s; BPE over bytes or with byte fallback is expected, which llama.cpp computes for these models; serve the Hugging Face folder instead", cmp.Or(file.Model.Type, "unknown"))
	}
	merges, err := readMerges(file.Model.Merges)
	if err != nil {
		return v, nil, err
	}
	v.BOS, v.EOS, v.UNK, v.PAD = t.special.BOS, t.special.EOS, t.special.UNK, t.special.PAD
	if v.AddBOS, v.AddEOS, err = t.ggufEnds(); err != nil {
		return v, nil, err
	}
	t.ggufTokens(&v, rows)
	steps, err := ggufSteps(file)
	if err != nil {
		return v, nil, err
	}
	switch {
	case b.byteLevel:
		v.Model = "gpt2"
		v.Pre, notes, err = ggufPre(steps, file.Model.IgnoreMerges)
		v.Merges = spelledMerges(merges)
	case b.byteFallback:
		v.Model, v.Pre = "llama", "default"
		v.AddSpacePrefix, notes, err = ggufSpace(steps)
		err = errors.Join(err, v.score(merges))
	default:
		err = errors.New("BPE over characters; BPE over bytes or with byte fallback is expected, which llama.cpp computes; serve the Hugging Face folder instead")
	}
	return v, notes, err
}

// ggufEnds are add_bos_token and add_eos_token.
func (t *Tokenizer) ggufEnds() (bos, eos bool, err error) {
	var problems []error
	one := func(ids []int32, id int32, where, name string) bool {
		if len(ids) > 0 && !slices.Equal(ids, []int32{id}) {
			problems = append(problems, fmt.Errorf("post_processor: tokens %d %s a text; none or the %s token (%d) is expected, which is all that llama.cpp can put there", ids, where, name, id))
		}
		return len(ids) > 0
	}
	before, after := t.Around()
	bos = one(before, t.special.BOS, "before", "bos")
	eos = one(after, t.special.EOS, "after", "eos")
	return bos, eos, errors.Join(problems...)
}

// ggufTokens lists the tokens by id and what each is.
func (t *Tokenizer) ggufTokens(v *GGUFVocab, rows int) {
	fallback := t.model.(*bpe).byteFallback
	for id := range int32(rows) {
		token, kind := fmt.Sprintf("[PAD%d]", id), int32(typeUnused)
		if added, ok := t.added.tokens[id]; ok {
			token, kind = added.Content, typeUserDefined
			switch {
			case fallback && id == v.UNK:
				kind = typeUnknown
			case added.Special || looksSpecial(token):
				kind = typeControl
			default:
				token = strings.ReplaceAll(token, metaRune, " ")
			}
		} else if own, ok := t.model.token(id); ok {
			token, kind = own, typeNormal
			if fallback && byteToken(own) {
				kind = typeByte
			} else if fallback && id == v.UNK {
				kind = typeUnknown
			}
		}
		v.Tokens, v.Types = append(v.Tokens, token), append(v.Types, kind)
	}
}

// looksSpecial says whether llama.cpp's converter takes a token for a special one
// that does not say so of itself: some models' added tokens do not.
func looksSpecial(token string) bool {
	between := func(open, end string) bool {
		return strings.HasPrefix(token, open) && strings.HasSuffix(token, end)
	}
	return slices.Contains([]string{"<pad>", "<mask>", "<2mass>", "[@BOS@]"}, token) ||
		between("<|", "|>") || between("<｜", "｜>") || between("<unused", ">")
}

func byteToken(token string) bool {
	var b byte
	n, err := fmt.Sscanf(token, "<0x%02X>", &b)
	return n == 1 && err == nil && len(token) == 6
}

// ggufSteps spells what a tokenizer does to a text before the model, so that it can
// be compared.
func ggufSteps(file fileJSON) ([]string, error) {
	var steps []string
	var add func(data json.RawMessage, depth int) error
	add = func(data json.RawMessage, depth int) error {
		c, ok, err := read(data, depth)
		if !ok {
			return err
		}
		for _, part := range slices.Concat(c.Normalizers, c.Pretokenizers) {
			if err := add(part, depth+1); err != nil {
				return err
			}
		}
		step := c.Type
		switch c.Type {
		case "Sequence":
			return nil
		case "ByteLevel":
			if c.UseRegex == nil || *c.UseRegex {
				steps = append(steps, "Split regex "+patternGPT2+" Isolated")
			}
			if c.AddPrefixSpace != nil && *c.AddPrefixSpace {
				step += " with a space before the text"
			}
		case "Digits":
			if c.IndividualDigits {
				step += " one by one"
			}
		case "Split", "Replace":
			if c.Pattern != nil && c.Pattern.Regex != nil {
				step += " regex " + *c.Pattern.Regex
			} else if c.Pattern != nil && c.Pattern.String != nil {
				step += fmt.Sprintf(" %q", *c.Pattern.String)
			}
			if step += " " + c.Behavior + c.Content; c.Invert {
				step += " inverted"
			}
		case "Prepend":
			step += " " + c.Prepend
		case "Metaspace":
			scheme, err := c.metaspaceScheme()
			if err != nil {
				return err
			}
			if step += " " + c.Replacement + " " + scheme; c.Split == nil || *c.Split {
				step += " split"
			}
		}
		steps = append(steps, step)
		return nil
	}
	err := errors.Join(add(file.Normalizer, 0), add(file.PreTokenizer, 0))
	return steps, err
}

// ggufPres are the names of pre-tokenizers to write, each of another behaviour.
var ggufPres = []string{"gpt-2", "smollm", "command-r", "llama-bpe", "dbrx", "qwen2"}

// ggufPre is llama.cpp's name of what a byte-level tokenizer does before its model.
func ggufPre(steps []string, ignoreMerges bool) (string, []string, error) {
	compose := func(s string) bool { return s == "NFC" }
	plain := slices.DeleteFunc(slices.Clone(steps), compose)
	for _, exact := range []bool{true, false} {
		for _, name := range ggufPres {
			normalizer, pre, ignore, err := ggufPreTokenizer(name)
			if err != nil {
				return "", nil, err
			}
			var file fileJSON
			for _, f := range []struct {
				from object
				into *json.RawMessage
			}{{normalizer, &file.Normalizer}, {pre, &file.PreTokenizer}} {
				if *f.into, err = json.Marshal(f.from); err != nil {
					return "", nil, err
				}
			}
			known, err := ggufSteps(file)
			if err != nil {
				return "", nil, err
			}
			if ignore == ignoreMerges && (slices.Equal(steps, known) || !exact && slices.Equal(plain, slices.DeleteFunc(known, compose))) {
				if slices.ContainsFunc(steps, compose) {
					return name, []string{"llama.cpp does not compose characters (NFC) before it tokenizes; a text with accents apart from their letters gets other tokens"}, nil
				}
				return name, nil, nil
			}
		}
	}
	return "", nil, fmt.Errorf("pre_tokenizer: %q with ignore_merges %t; what one of %s does is expected; serve the Hugging Face folder instead", steps, ignoreMerges, strings.Join(ggufPres, ", "))
}

// ggufSpace says whether a tokenizer with byte fallback puts a space before a text.
func ggufSpace(steps []string) (prefix bool, notes []string, err error) {
	replace := fmt.Sprintf("Replace %q %s", " ", metaRune)
	const leading = "where a text begins with a space this tokenizer puts no other before it, and llama.cpp does"
	const first = "this tokenizer puts a space before a text alone, llama.cpp also after each special token: what follows one gets another first token; and " + leading
	switch strings.Join(steps, "; ") {
	case "Prepend " + metaRune + "; " + replace:
		return true, nil, nil
	case "Metaspace " + metaRune + " always":
		return true, []string{leading}, nil
	case "Metaspace " + metaRune + " first":
		return true, []string{first}, nil
	case replace, "Metaspace " + metaRune + " never", replace + fmt.Sprintf("; Split %q MergedWithPrevious", " "):
		return false, nil, nil
	}
	return false, nil, fmt.Errorf("normalizer and pre_tokenizer: %q; spaces to %s, and perhaps one before the text, are expected, which is all that llama.cpp does; serve the Hugging Face folder instead", steps, metaRune)
}

// spelledMerges writes merges as GGUF does: with a space between, which must not
// stand within.
func spelledMerges(merges [][2]string) []string {
	lines := make([]string, len(merges))
	for i, pair := range merges {
		lines[i] = strings.ReplaceAll(pair[0], " ", "Ġ") + " " + strings.ReplaceAll(pair[1], " ", "Ġ")
	}
	return lines
}

// score gives a token the score that puts it where its merges stand. llama.cpp joins
// whatever two tokens make a third, best score first: the merges must be all of
// these, and those of one token together.
func (v *GGUFVocab) score(merges [][2]string) error {
	special := func(id int) bool { return v.kind(id) == typeControl || v.kind(id) == typeUnknown }
	ids := tokenIDs(v.Tokens)
	v.Scores = make([]float32, len(v.Tokens))
	rank, place := map[int]int{}, map[[2]string]bool{}
	last := -1
	for i, pair := range merges {
		id, ok := ids[pair[0]+pair[1]]
		if !ok || special(id) {
			continue
		}
		place[pair] = true
		if _, ranked := rank[id]; ranked && id != last {
			return fmt.Errorf("merges[%d]: "+ggufNoMerges, i, fmt.Sprintf("those that make %q stand apart", v.Tokens[id]))
		} else if !ranked {
			rank[id] = len(rank)
		}
		last = id
	}
	for id, token := range v.Tokens {
		switch r, ranked := rank[id]; {
		case ranked:
			v.Scores[id] = float32(-r)
		case v.kind(id) == typeUnused:
			v.Scores[id] = unusedScore
		case v.kind(id) == typeUserDefined || special(id):
			v.Scores[id] = addedScore
		case v.kind(id) == typeNormal:
			v.Scores[id] = float32(-len(rank) - id)
		}
		if special(id) || v.kind(id) == typeUserDefined {
			continue
		}
		for pair := range halves(token, ids) {
			if !place[pair] {
				return fmt.Errorf("merges: "+ggufNoMerges, fmt.Sprintf("%q and %q make %q, but are not among them", pair[0], pair[1], token))
			}
		}
	}
	return nil
}
