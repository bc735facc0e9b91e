package demodata

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// question is one row to be.
type question struct {
	entry            *entry
	question, answer string
}

// kind is one sort of question.
type kind struct {
	name     string
	weight   int // how many of 40 rows
	answer   func(*entry) (name, answer string)
	wordings []string // the ways to ask; %s is the name
}

// minSentence and maxSentence are the lengths, in bytes, of a sentence that
// makes an answer.
const minSentence, maxSentence = 30, 170

// kinds are the questions, in the order in which rows take them. Only words of
// the passage and a few that are always the same make an answer.
func kinds(unique map[string]bool) []kind {
	return []kind{
		{"does", 12, does, []string{
			"What does %s do?",
			"Can you explain what %s does?",
			"What happens when I call %s?",
			"I found a call of %s. What does it do?",
			"In one sentence, what does %s do?",
		}},
		{"is", 6, is, []string{
			"What is %s?",
			"Can you tell me what %s is?",
			"What is the type %s?",
			"How would you describe %s?",
		}},
		{"overview", 3, overview, []string{
			"What is %s for?",
			"What does %s do?",
			"When would I use %s?",
			"Tell me about %s.",
		}},
		{"returns", 5, returns, []string{
			"What does %s return?",
			"What do I get back from %s?",
			"Which values does %s return?",
			"What are the results of %s?",
		}},
		{"takes", 4, takes, []string{
			"Which parameters does %s take?",
			"What do I pass to %s?",
			"What arguments does %s expect?",
		}},
		{"declared", 3, declared, []string{
			"How is %s declared?",
			"What is the declaration of %s?",
			"Show me how %s is declared.",
		}},
		{"since", 4, since, []string{
			"In which Go version was %s added?",
			"Since when does Go have %s?",
			"Which Go release brought %s?",
			"Which Go version do I need for %s?",
		}},
		{"where", 2, whereOf(unique), []string{
			"Which package has %s?",
			"Where in the standard library is %s?",
			"What do I import to use %s?",
		}},
		{"deprecated", 1, deprecated, []string{
			"Is %s deprecated?",
			"Should new code use %s?",
			"Is it fine to use %s in new code?",
		}},
	}
}

// The answers of the kinds. Each returns the name to ask by and the answer, ""
// where the entry has none.

func does(e *entry) (name, answer string) {
	if !e.isFunc() {
		return "", ""
	}
	// A verb in the third person follows the name in a proper comment.
	a := restated(e)
	if verb, _, _ := strings.Cut(strings.TrimPrefix(a, e.name+" "), " "); !strings.HasSuffix(verb, "s") && !strings.HasSuffix(verb, "ly") {
		return "", ""
	}
	return e.name, a
}

func is(e *entry) (name, answer string) {
	if !e.isType {
		return "", ""
	}
	return e.name, restated(e)
}

func overview(e *entry) (name, answer string) {
	if e.symbol != "" || !fits(e.sentence) || !strings.HasPrefix(e.sentence, "Package ") {
		return "", ""
	}
	return e.name, e.sentence
}

func returns(e *entry) (name, answer string) {
	if !e.isFunc() || e.results == "" || len(e.results) > 60 {
		return "", ""
	}
	return e.name, e.name + " returns " + e.results + "."
}

func takes(e *entry) (name, answer string) {
	if !e.isFunc() || len(e.params) < 3 || len(e.params) > 60 {
		return "", ""
	}
	return e.name, e.name + " takes " + e.params + "."
}

func declared(e *entry) (name, answer string) {
	if e.symbol == "" || len(e.decl) > 90 {
		return "", ""
	}
	return e.name, e.decl
}

func since(e *entry) (name, answer string) {
	if e.since == "" || e.symbol == "" {
		return "", ""
	}
	return e.name, e.name + " was added in " + e.since + "."
}

// whereOf asks by symbols that only one package has.
func whereOf(unique map[string]bool) func(*entry) (string, string) {
	return func(e *entry) (string, string) {
		if e.symbol == "" || strings.Contains(e.symbol, ".") || !unique[e.symbol] {
			return "", ""
		}
		return e.symbol, e.symbol + " is in package " + e.path + "."
	}
}

func deprecated(e *entry) (name, answer string) {
	if e.symbol == "" || len(e.deprecated) < 15 || !fits("…"+e.deprecated) {
		return "", ""
	}
	return e.name, e.name + " is deprecated: " + e.deprecated
}

// fits says whether a sentence makes an answer.
func fits(s string) bool {
	return len(s) >= minSentence && len(s) <= maxSentence && strings.HasSuffix(s, ".") && !strings.ContainsAny(s, "\n\"`{}")
}

// restated is the first sentence of a doc comment with the symbol's full name
// in the place of the bare one, "" where it does not begin with that.
func restated(e *entry) string {
	if !fits(e.sentence) {
		return ""
	}
	bare := e.symbol[strings.LastIndexByte(e.symbol, '.')+1:]
	for _, article := range []string{"", "A ", "An ", "The "} {
		rest, ok := strings.CutPrefix(e.sentence, article+bare+" ")
		if !ok {
			continue
		}
		if article == "A " || article == "An " { // the name begins with another letter now
			article = "A "
			if strings.ContainsRune("aeio", rune(e.name[0])) {
				article = "An "
			}
		}
		return article + e.name + " " + rest
	}
	return ""
}

// pick chooses n questions, each about a passage of its own, of all kinds by
// their weights.
func pick(entries []*entry, n int, r *rand.Rand) ([]question, error) {
	all := kinds(uniqueSymbols(entries))
	var order []int // kinds, each by its weight, mixed
	candidates := make([][]question, len(all))
	for i, k := range all {
		for range k.weight {
			order = append(order, i)
		}
		for _, e := range entries {
			if name, answer := k.answer(e); answer != "" {
				candidates[i] = append(candidates[i], question{entry: e, question: name, answer: answer})
			}
		}
		c := candidates[i]
		r.Shuffle(len(c), func(a, b int) { c[a], c[b] = c[b], c[a] })
	}
	p := picker{used: map[*entry]bool{}, asked: map[string]bool{}, wording: make([]int, len(all))}
	for len(p.picked) < n {
		r.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
		before := len(p.picked)
		for _, i := range order {
			if len(p.picked) == n {
				break
			}
			candidates[i] = p.take(candidates[i], i, all[i].wordings)
		}
		if len(p.picked) == before {
			return nil, fmt.Errorf("the documentation makes %d questions; expected %d; ask for fewer rows", len(p.picked), n)
		}
	}
	return p.picked, nil
}

func uniqueSymbols(entries []*entry) map[string]bool {
	count := map[string]int{}
	for _, e := range entries {
		count[e.symbol]++
	}
	unique := map[string]bool{}
	for symbol, c := range count {
		unique[symbol] = c == 1
	}
	return unique
}

// picker holds what was picked, and what none that follow may repeat.
type picker struct {
	picked  []question
	used    map[*entry]bool
	asked   map[string]bool
	wording []int // of each kind, the next one
}

// take picks the first candidate of kind i whose passage and wording are new, and
// returns those after it.
func (p *picker) take(candidates []question, i int, wordings []string) []question {
	for len(candidates) > 0 {
		q := candidates[0]
		candidates = candidates[1:]
		if p.used[q.entry] {
			continue
		}
		q.question = fmt.Sprintf(wordings[p.wording[i]%len(wordings)], q.question)
		if p.asked[q.question] {
			continue
		}
		p.wording[i]++
		p.used[q.entry], p.asked[q.question] = true, true
		p.picked = append(p.picked, q)
		break
	}
	return candidates
}
