package evaluate

import (
	"math"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// F1 is the harmonic mean of precision and recall over the words of prediction
// and reference as bags, by the rules of SQuAD's official scorer (version 1.1):
// lower case, without punctuation and articles. 0 where nothing is shared, and
// so where either is without words. Rajpurkar et al. 2016, arXiv 1606.05250.
func F1(prediction, reference string) float64 {
	return f1(normalize(prediction), normalize(reference))
}

// Precision is the share of the prediction's words that the reference accounts
// for, by the rules of F1; 0 for a prediction without words.
func Precision(prediction, reference string) float64 {
	return precision(normalize(prediction), normalize(reference))
}

// ExactMatch is 1 where prediction and reference are the same word for word, by
// the rules of F1, and 0 elsewhere.
func ExactMatch(prediction, reference string) float64 {
	return exactMatch(normalize(prediction), normalize(reference))
}

// ROUGE holds the F-measures of ROUGE-1, ROUGE-2 and the sentence-level
// ROUGE-L. Lin 2004, https://aclanthology.org/W04-1013.
type ROUGE struct{ R1, R2, RL float64 }

// Rouge scores as Python's rouge_score 0.1.2 does without stemming: words are
// runs of the lower-cased letters a to z and digits, whatever the language.
func Rouge(prediction, reference string) ROUGE {
	return rouge(rougeWords(prediction), rougeWords(reference))
}

// BLEU scores one prediction against one reference as Hugging Face evaluate's
// "bleu" does: mteval-v13a tokens, orders 1 to 4, no smoothing, so that 0 is
// the score where no four tokens in a row are shared. The second value is the
// brevity penalty. Where either text has no tokens, which that library fails
// on, both are 0. Papineni et al. 2002, https://aclanthology.org/P02-1040.
func BLEU(prediction, reference string) (score, brevityPenalty float64) {
	return bleu(bleuTokens(prediction), bleuTokens(reference))
}

func f1(prediction, reference []string) float64 {
	same := float64(shared(prediction, reference))
	if same == 0 {
		return 0
	}
	p, r := same/float64(len(prediction)), same/float64(len(reference))
	return 2 * p * r / (p + r)
}

func precision(prediction, reference []string) float64 {
	if len(prediction) == 0 {
		return 0
	}
	return float64(shared(prediction, reference)) / float64(len(prediction))
}

func exactMatch(prediction, reference []string) float64 {
	if strings.Join(prediction, " ") == strings.Join(reference, " ") {
		return 1
	}
	return 0
}

// shared is the size of the intersection of two bags.
func shared(a, b []string) int {
	counts := make(map[string]int, len(a))
	for _, w := range a {
		counts[w]++
	}
	n := 0
	for _, w := range b {
		if counts[w] > 0 {
			counts[w]--
			n++
		}
	}
	return n
}

// normalize gives the words that SQuAD's scorer compares.
func normalize(s string) []string {
	s = strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsPunct(r) || unicode.IsSymbol(r)) {
			return -1
		}
		return r
	}, lower(s))

	// An article is a whole run of word characters: also one beside a mark that
	// is not ASCII punctuation and so still stands.
	var b strings.Builder
	for len(s) > 0 {
		end := strings.IndexFunc(s, func(r rune) bool { return !isWord(r) })
		if end < 0 {
			end = len(s)
		}
		switch word := s[:end]; word {
		case "a", "an", "the":
			b.WriteByte(' ')
		default:
			b.WriteString(word)
		}
		s = s[end:]
		next := strings.IndexFunc(s, isWord)
		if next < 0 {
			next = len(s)
		}
		b.WriteString(s[:next])
		s = s[next:]
	}
	return strings.FieldsFunc(b.String(), isSpace)
}

// isWord is what \w of Python's re takes.
func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
}

// isSpace is what Python's str.split splits at.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f
}

// lower is Python's str.lower: the full mapping with the final sigma.
func lower(s string) string {
	for i := range len(s) {
		if s[i] > unicode.MaxASCII {
			return cases.Lower(language.Und, cases.HandleFinalSigma(true)).String(s)
		}
	}
	return strings.ToLower(s)
}

func rougeWords(s string) []string {
	return strings.FieldsFunc(lower(s), func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9')
	})
}

func rouge(prediction, reference []string) ROUGE {
	lcs := commonSubsequence(prediction, reference)
	return ROUGE{
		R1: rougeN(prediction, reference, 1),
		R2: rougeN(prediction, reference, 2),
		RL: fMeasure(lcs, len(prediction), len(reference)),
	}
}

func rougeN(prediction, reference []string, n int) float64 {
	p, r := ngrams(prediction, n), ngrams(reference, n)
	return fMeasure(shared(p, r), len(p), len(r))
}

// fMeasure is that of hits among so many predicted and so many wanted.
func fMeasure(hits, predicted, wanted int) float64 {
	if hits == 0 {
		return 0
	}
	p, r := float64(hits)/float64(predicted), float64(hits)/float64(wanted)
	return 2 * p * r / (p + r)
}

// ngrams gives every n words in a row; words hold no space.
func ngrams(words []string, n int) []string {
	if n == 1 {
		return words
	}
	var grams []string
	for i := 0; i+n <= len(words); i++ {
		grams = append(grams, strings.Join(words[i:i+n], " "))
	}
	return grams
}

// commonSubsequence is the length of the longest one.
func commonSubsequence(a, b []string) int {
	row := make([]int, len(b)+1)
	for _, w := range a {
		diagonal := 0
		for j, v := range b {
			above := row[j+1]
			if w == v {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

// The steps of mteval-v13a's tokenisation of Western languages, in order.
var bleuSteps = []struct {
	pattern *regexp.Regexp
	replace string
}{
	{regexp.MustCompile("([ -&(-+/:-@\\[-`{-~])"), " $1 "}, // ASCII marks but for the four below
	{regexp.MustCompile(`([^0-9])([.,])`), "$1 $2 "},       // full stop and comma after no digit
	{regexp.MustCompile(`([.,])([^0-9])`), " $1 $2"},       // and before no digit
	{regexp.MustCompile(`([0-9])(-)`), "$1 $2 "},           // dash after a digit
}

// What is replaced before them, one after the other: "&amp;lt;" becomes "<".
var bleuReplaced = []struct{ old, new string }{
	{"<skipped>", ""}, {"-\n", ""}, {"\n", " "},
	{"&quot;", `"`}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"},
}

func bleuTokens(s string) []string {
	for _, r := range bleuReplaced {
		s = strings.ReplaceAll(s, r.old, r.new)
	}
	s = " " + s + " "
	for _, step := range bleuSteps {
		s = step.pattern.ReplaceAllString(s, step.replace)
	}
	return strings.FieldsFunc(s, isSpace)
}

func bleu(prediction, reference []string) (score, brevityPenalty float64) {
	if len(prediction) == 0 || len(reference) == 0 {
		return 0, 0
	}
	brevityPenalty = 1
	if ratio := float64(len(prediction)) / float64(len(reference)); ratio <= 1 {
		brevityPenalty = math.Exp(1 - 1/ratio)
	}
	const orders = 4
	logs := 0.0
	for n := 1; n <= orders; n++ {
		p := ngrams(prediction, n)
		hits := shared(p, ngrams(reference, n))
		if hits == 0 {
			return 0, brevityPenalty
		}
		logs += math.Log(float64(hits)/float64(len(p))) / orders
	}
	return math.Exp(logs) * brevityPenalty, brevityPenalty
}
