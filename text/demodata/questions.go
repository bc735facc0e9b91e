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
	name   string
	weight int // how many of 40 rows
	// wordings are the ways to ask; %s is the name.
	wordings []string
	// answer returns the name to ask by and the answer, "" where the entry has none.
	answer func(*entry) (name, answer string)
}

// minSentence and maxSentence are the lengths, in bytes, of a sentence that
// makes an answer.
const minSentence, maxSentence = 30, 170

// kinds are the questions, in the order in which rows take them. Only words of
// the passage and a few that are always the same make an answer.
func kinds(unique map[string]bool) []kind {
	isFunc := func(e *entry) bool { return e.symbol != "" && !e.isType }
	return []kind{{
		name: "does", weight: 12,
		wordings: []string{
			"What does %s do?",
			"Can you explain what %s does?",
			"What happens when I call %s?",
			"I found a call of %s. What does it do?",
			"In one sentence, what does %s do?",
		},
		answer: func(e *entry) (string, string) {
			if !isFunc(e) {
				return "", ""
			}
			// A verb in the third person follows the name in a proper comment.
			a := restated(e)
			if verb, _, _ := strings.Cut(strings.TrimPrefix(a, e.name+" "), " "); !strings.HasSuffix(verb, "s") && !strings.HasSuffix(verb, "ly") {
				return "", ""
			}
			return e.name, a
		},
	}, {
		name: "is", weight: 6,
		wordings: []string{
			"What is %s?",
			"Can you tell me what %s is?",
			"What is the type %s?",
			"How would you describe %s?",
		},
		answer: func(e *entry) (string, string) {
			if !e.isType {
				return "", ""
			}
			return e.name, restated(e)
		},
	}, {
		name: "overview", weight: 3,
		wordings: []string{
			"What is %s for?",
			"What does %s do?",
			"When would I use %s?",
			"Tell me about %s.",
		},
		answer: func(e *entry) (string, string) {
			if e.symbol != "" || !fits(e.sentence) || !strings.HasPrefix(e.sentence, "Package ") {
				return "", ""
			}
			return e.name, e.sentence
		},
	}, {
		name: "returns", weight: 5,
		wordings: []string{
			"What does %s return?",
			"What do I get back from %s?",
			"Which values does %s return?",
			"What are the results of %s?",
		},
		answer: func(e *entry) (string, string) {
			if !isFunc(e) || e.results == "" || len(e.results) > 60 {
				return "", ""
			}
			return e.name, e.name + " returns " + e.results + "."
		},
	}, {
		name: "takes", weight: 4,
		wordings: []string{
			"Which parameters does %s take?",
			"What do I pass to %s?",
			"What arguments does %s expect?",
		},
		answer: func(e *entry) (string, string) {
			if !isFunc(e) || len(e.params) < 3 || len(e.params) > 60 {
				return "", ""
			}
			return e.name, e.name + " takes " + e.params + "."
		},
	}, {
		name: "declared", weight: 3,
		wordings: []string{
			"How is %s declared?",
			"What is the declaration of %s?",
			"Show me how %s is declared.",
		},
		answer: func(e *entry) (string, string) {
			if e.symbol == "" || len(e.decl) > 90 {
				return "", ""
			}
			return e.name, e.decl
		},
	}, {
		name: "since", weight: 4,
		wordings: []string{
			"In which Go version was %s added?",
			"Since when does Go have %s?",
			"Which Go release brought %s?",
			"Which Go version do I need for %s?",
		},
		answer: func(e *entry) (string, string) {
			if e.since == "" || e.symbol == "" {
				return "", ""
			}
			return e.name, e.name + " was added in " + e.since + "."
		},
	}, {
		name: "where", weight: 2,
		wordings: []string{
			"Which package has %s?",
			"Where in the standard library is %s?",
			"What do I import to use %s?",
		},
		answer: func(e *entry) (string, string) {
			if e.symbol == "" || strings.Contains(e.symbol, ".") || !unique[e.symbol] {
				return "", ""
			}
			return e.symbol, e.symbol + " is in package " + e.path + "."
		},
	}, {
		name: "deprecated", weight: 1,
		wordings: []string{
			"Is %s deprecated?",
			"Should new code use %s?",
			"Is it fine to use %s in new code?",
		},
		answer: func(e *entry) (string, string) {
			if e.symbol == "" || len(e.deprecated) < 15 || !fits("…"+e.deprecated) {
				return "", ""
			}
			return e.name, e.name + " is deprecated: " + e.deprecated
		},
	}}
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
	count := map[string]int{}
	for _, e := range entries {
		count[e.symbol]++
	}
	unique := map[string]bool{}
	for symbol, c := range count {
		unique[symbol] = c == 1
	}
	all := kinds(unique)
	var (
		order      []int // kinds, each by its weight, mixed
		candidates = make([][]question, len(all))
	)
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
	var (
		picked  []question
		used    = map[*entry]bool{}
		asked   = map[string]bool{}
		wording = make([]int, len(all))
	)
	for len(picked) < n {
		r.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
		before := len(picked)
		for _, i := range order {
			if len(picked) == n {
				break
			}
			for len(candidates[i]) > 0 {
				q := candidates[i][0]
				candidates[i] = candidates[i][1:]
				if used[q.entry] {
					continue
				}
				q.question = fmt.Sprintf(all[i].wordings[wording[i]%len(all[i].wordings)], q.question)
				if asked[q.question] {
					continue
				}
				wording[i]++
				used[q.entry], asked[q.question] = true, true
				picked = append(picked, q)
				break
			}
		}
		if len(picked) == before {
			return nil, fmt.Errorf("the documentation makes %d questions; expected %d; ask for fewer rows", len(picked), n)
		}
	}
	return picked, nil
}
