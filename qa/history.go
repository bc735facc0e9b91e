package qa

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/prompt"
	"gorqa/text/recipe"
)

// FollowUpMode says what is searched with where a question follows on earlier turns.
type FollowUpMode int

const (
	BareFollowUps     FollowUpMode = iota // the question alone
	ConcatFollowUps                       // all turns and the question, joined
	RephraseFollowUps                     // the question as the generator words it anew
)

func (m FollowUpMode) String() string { return [...]string{"none", "concat", "rephrase"}[m] }

// FollowUps makes questions that follow on earlier turns fit to search with. The
// zero value leaves them as they are.
type FollowUps struct {
	Mode     FollowUpMode
	Template *prompt.Template // tells the speakers
	words    Generator        // words questions anew; nil unless mode is RephraseFollowUps
	model    string           // its name
}

// NewFollowUps uses the generator itself, which has that name.
func NewFollowUps(mode FollowUpMode, g Generator, model string) FollowUps {
	return FollowUps{Mode: mode, Template: g.Loaded().Encoder.Template, words: g, model: model}
}

// Texts are what the retriever is asked for each query.
func (f FollowUps) Texts(ctx context.Context, queries []evaluate.Query) ([]string, error) {
	texts := make([]string, len(queries))
	var follow []evaluate.Query
	var at []int
	for i, q := range queries {
		texts[i] = q.Question
		switch {
		case len(q.History) == 0:
		case f.Mode == ConcatFollowUps:
			texts[i] = f.Template.Joined(q.History, q.Question)
		case f.Mode == RephraseFollowUps:
			follow, at = append(follow, q), append(at, i)
		}
	}
	if len(follow) == 0 {
		return texts, nil
	}
	anew, err := standalone(ctx, f.words, follow)
	if err != nil {
		return nil, err
	}
	for i, text := range anew {
		texts[at[i]] = text
	}
	return texts, nil
}

// examples are rows whose questions are those that the retriever is asked.
func (f FollowUps) examples(ctx context.Context, examples []dataset.Example) ([]dataset.Example, error) {
	queries := make([]evaluate.Query, len(examples))
	for i, x := range examples {
		queries[i] = evaluate.Query{Question: x.Question, History: x.History}
	}
	texts, err := f.Texts(ctx, queries)
	if err != nil {
		return nil, err
	}
	out := make([]dataset.Example, len(examples))
	for i, x := range examples {
		x.Question = texts[i]
		out[i] = x
	}
	return out, nil
}

// name says what the texts of examples depend on, "" where they are the bare
// questions. It asks no model.
func (f FollowUps) name(examples []dataset.Example) (string, error) {
	if f.Mode != ConcatFollowUps && f.Mode != RephraseFollowUps || !AnyHistory(examples) {
		return "", nil
	}
	words := sha256.New()
	for _, x := range examples {
		if len(x.History) == 0 {
			continue
		}
		text := f.Template.Joined(x.History, x.Question)
		if f.Mode == RephraseFollowUps {
			var err error
			if text, err = f.Template.Standalone(x.History, x.Question); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(words, "%q\n", text)
	}
	name := fmt.Sprintf("; follow-up questions by %s (%s)", f.Mode, hex.EncodeToString(words.Sum(nil)[:6]))
	if f.Mode == RephraseFollowUps {
		name += " of " + f.model
	}
	return name, nil
}

func AnyHistory(examples []dataset.Example) bool {
	for _, x := range examples {
		if len(x.History) > 0 {
			return true
		}
	}
	return false
}

// standaloneTokens bounds a question that is worded anew.
const standaloneTokens = 128

// TooLong is how many questions standalone leaves as they are for want of room.
func (f FollowUps) TooLong(examples []dataset.Example) (n int, err error) {
	if f.Mode != RephraseFollowUps || f.words == nil {
		return 0, nil
	}
	encoder := f.words.Loaded().Encoder
	for _, x := range examples {
		if len(x.History) == 0 {
			continue
		}
		_, err := encoder.Standalone(x.History, x.Question, encoder.MaxTokens-standaloneRoom(encoder))
		var long *recipe.TooLong
		if errors.As(err, &long) {
			n++
		} else if err != nil {
			return 0, fmt.Errorf("question %q: %w", x.Question, err)
		}
	}
	return n, nil
}

// standaloneRoom is how many tokens a question that is worded anew may have.
func standaloneRoom(e *recipe.Encoder) int { return min(standaloneTokens, max(1, e.MaxTokens/2)) }

// standalone has the model word each question so that it is understood without
// the turns before it. A question that leaves no room for that, or that the
// model answers with nothing, stays as it is.
func standalone(ctx context.Context, g Generator, queries []evaluate.Query) ([]string, error) {
	encoder := g.Loaded().Encoder
	most := standaloneRoom(encoder)
	texts := make([]string, len(queries))
	var prompts [][]int32
	var at []int
	for i, q := range queries {
		texts[i] = q.Question
		ids, err := encoder.Standalone(q.History, q.Question, encoder.MaxTokens-most)
		var long *recipe.TooLong
		switch {
		case errors.As(err, &long):
		case err != nil:
			return nil, fmt.Errorf("question %q: %w", q.Question, err)
		default:
			prompts, at = append(prompts, ids), append(at, i)
		}
	}
	answers, err := g.Complete(ctx, prompts, most)
	if err != nil {
		return nil, err
	}
	for i, answer := range answers {
		if text := firstQuestion(answer); text != "" {
			texts[at[i]] = text
		}
	}
	return texts, nil
}

// firstQuestion is a text's first line up to its question mark, where it has
// one: small models go on with an answer although they are told not to.
func firstQuestion(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if at := strings.IndexAny(text, "?？"); at >= 0 {
		_, size := utf8.DecodeRuneInString(text[at:])
		text = text[:at+size]
	}
	return strings.Join(strings.Fields(text), " ")
}
