package config

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
)

// Review is the settings of gorqa review.
type Review struct {
	Runs         []string // folders or files of predictions; several are judged in pairs with the first
	Annotations  string   // file that judgements are added to; "" = annotations.jsonl beside the first predictions
	Scales       string   // YAML file, "" = correct, faithful, complete
	EvalContexts []string // of the answers to judge; none = all that there are
	IncludeIdx   string   // which answers, as LocalRQA's flag of this name; "" = all
	Seed         int64    // of which answer of a pair stands on the left
	Host         string
	Port         int
	APIKey       string // that raters must give; "" = GORQA_API_KEY of the environment, or none
	Summary      bool   // instead of a page
	JSON         bool
}

// DefaultReview asks on this machine alone.
func DefaultReview() Review {
	return Review{Seed: DefaultSchedule().Seed, Host: "127.0.0.1", Port: 8001}
}

func (c *Review) declare(s *set) {
	s.positional = &positional{names: []string{"RUN", "[RUN...]"}, required: 1, many: true, take: func(args []string) { c.Runs = args }}
	s.section("Review")
	s.text(&c.Annotations, "annotations", "FILE", "JSONL file that judgements are added to, and read from; annotations.jsonl beside the first predictions unless given")
	s.text(&c.Scales, "scales", "FILE", "YAML file of scales: a list scales of name, question and labels, the worst first; without it correctness, faithfulness and completeness from 1 to 5")
	s.list(&c.EvalContexts, "eval_contexts", "retrieved,gold,none,shuffled", "answers from which passages to judge; all that there are unless given")
	s.text(&c.IncludeIdx, "include_idx", "N,N-N,...", "which answers to judge, counted from 0: 0-49 the first fifty; all unless given")
	s.seed(&c.Seed, "seed", "seed of which answer of a pair stands on the left, and of the bootstrap")
	s.boolean(&c.Summary, "summary", "show what has been judged, the agreement of raters and, of pairs, the win rate, and end")
	s.boolean(&c.JSON, "json", "write the summary as one JSON object")
	s.section("Server")
	s.text(&c.Host, "host", "HOST", "address to listen on; 0.0.0.0 for all of this machine's")
	s.integer(&c.Port, "port", "port to listen on; 0 for any that is free")
	s.text(&c.APIKey, "api_key", "KEY", "that raters must give; rather in the environment as GORQA_API_KEY, where no list of processes shows it")
}

// Validate implements Settings.
func (c *Review) Validate() error {
	var p problems
	for i, a := range c.Runs {
		for _, b := range c.Runs[:i] {
			p.differ([2]string{"RUN", a}, [2]string{"RUN", b})
		}
	}
	for _, name := range c.EvalContexts {
		p.that(name == Retrieved || name == Gold || name == None || name == Shuffled, "eval_contexts: %q found; retrieved, gold, none or shuffled expected", name)
	}
	_, err := c.Included()
	p.that(err == nil, "%v", err)
	p.that(c.Scales == "" || len(c.Runs) < 2, "scales: found beside several runs, which are judged in pairs; one run expected with scales of its own")
	p.that(c.Summary || !c.JSON, "json: found without summary; both expected")
	p.that(c.Host != "", "host: empty; an address to listen on expected, such as 127.0.0.1")
	p.between(c.Port, 0, math.MaxUint16, "port")
	return p.join()
}

// Included says which places of a file are chosen.
func (c *Review) Included() (func(place int) bool, error) {
	type span struct{ from, to int }
	var spans []span
	for part := range strings.SplitSeq(c.IncludeIdx, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		from, errFrom := strconv.Atoi(first)
		to, errTo := strconv.Atoi(last)
		if errFrom != nil || errTo != nil || from < 0 || to < from {
			return nil, fmt.Errorf("include_idx: %q found; a place such as 7, or a span such as 0-49, expected", part)
		}
		spans = append(spans, span{from, to})
	}
	return func(place int) bool {
		for _, s := range spans {
			if s.from <= place && place <= s.to {
				return true
			}
		}
		return len(spans) == 0
	}, nil
}

// Local says whether only this machine can ask.
func (c *Review) Local() bool {
	ip := net.ParseIP(c.Host)
	return c.Host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Review) notices() []string { return nil }
