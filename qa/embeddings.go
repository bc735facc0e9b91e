package qa

import (
	"errors"
	"fmt"
	"strings"

	"gorqa/text/dataset"
	"gorqa/text/recipe"
	"gorqa/text/tokenizer"
)

// InFile says where in their file rows are that an error names.
func InFile(file string, examples []dataset.Example, err error) error {
	var none *recipe.Unembedded
	if !errors.As(err, &none) {
		return fmt.Errorf("%s: %w", file, err)
	}
	var errs []error
	for i := range none.Tokens {
		var lines []int
		for _, row := range none.Rows[i] {
			lines = append(lines, examples[row].Line)
		}
		errs = append(errs, fmt.Errorf("%s:%d: %w; %d rows hold it, lines %s", file, lines[0], &none.Tokens[i], len(lines), recipe.Listed(lines)))
	}
	return errors.Join(errs...)
}

// CheckTexts refuses texts with tokens that a model has no embedding for; each is
// named by what and its number. Where every token has one it reads none of them.
func CheckTexts(t *tokenizer.Tokenizer, embeddings int, what string, n int, text func(i int) string) error {
	if t.Size() <= embeddings {
		return nil
	}
	e := recipe.Encoder{Tokenizer: t, Embeddings: embeddings}
	err := recipe.Fitting(n, func(i int) error { return e.CheckText(text(i)) })
	var none *recipe.Unembedded
	if !errors.As(err, &none) {
		return err
	}
	var b strings.Builder
	for i := range none.Tokens {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%v; it is in %d %s (%s, counted from 0)", &none.Tokens[i], len(none.Rows[i]), what, recipe.Listed(none.Rows[i]))
	}
	return errors.New(b.String())
}

// CheckDocuments looks for such tokens in documents, which questions may be asked
// with.
func CheckDocuments(g Generator, file string, documents []dataset.Document) error {
	e := g.Loaded().Encoder
	if err := CheckTexts(e.Tokenizer, e.Embeddings, "documents", len(documents), func(i int) string { return documents[i].Text() }); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// CheckGold looks for such tokens in the passages that rows are answered from.
func CheckGold(e *recipe.Encoder, examples []dataset.Example) error {
	if e.Tokenizer.Size() <= e.Embeddings {
		return nil
	}
	return recipe.Fitting(len(examples), func(i int) error {
		for _, d := range examples[i].Passages() {
			if err := e.CheckText(d.Text()); err != nil {
				return err
			}
		}
		return nil
	})
}
