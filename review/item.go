package review

import (
	"gorqa/text/evaluate"
	"gorqa/text/evaluate/human"
)

// shown is an item as the page gets it: nothing of it says which run an answer is from.
type shown struct {
	Item     int       `json:"item"`
	Question string    `json:"question"`
	History  []turn    `json:"history"`
	Answers  []answer  `json:"answers"` // one, or the left and the right one
	Gold     string    `json:"gold"`
	GoldDocs []passage `json:"gold_docs"`

	Annotation map[string]any `json:"annotation"` // what the rater said before
	Comment    string         `json:"comment"`
}

type turn struct {
	Speaker string `json:"speaker"`
	Message string `json:"message"`
}

type answer struct {
	Text     string    `json:"text"`
	Passages []passage `json:"passages"`
}

type passage struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// item is what a rater looks at.
func (s *Server) item(q request) (any, error) {
	item := s.o.Items[q.Item]
	out := shown{
		Item: q.Item, Question: item.First.Question, History: []turn{}, Gold: item.First.GoldAnswer, GoldDocs: passages(item.First.GoldDocs),
		Answers: []answer{answerOf(item.First)}, Annotation: map[string]any{},
	}
	for _, t := range item.First.History {
		out.History = append(out.History, turn{t.Speaker, t.Message})
	}
	if item.Second != nil {
		out.Answers = append(out.Answers, answerOf(*item.Second))
		if s.swapped(q) {
			out.Answers[0], out.Answers[1] = out.Answers[1], out.Answers[0]
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.said[q.Rater][q.Item]; ok {
		out.Annotation, out.Comment = s.sides(q, a), a.Metadata.Comment
	}
	return out, nil
}

// sides is a judgement as the page names it.
func (s *Server) sides(q request, a human.Annotation) map[string]any {
	if !s.pairs {
		return a.Judged
	}
	names := map[any]string{human.First: left, human.Tie: human.Tie, human.Second: right}
	if s.swapped(q) {
		names[human.First], names[human.Second] = right, left
	}
	out := map[string]any{}
	if name, ok := names[a.Judged[human.Preference]]; ok {
		out[human.Preference] = name
	}
	return out
}

func answerOf(p evaluate.Prediction) answer { return answer{p.GeneratedAnswer, passages(p.Given())} }

func passages(docs []evaluate.Passage) []passage {
	out := []passage{}
	for _, d := range docs {
		out = append(out, passage{d.Title(), d.Content})
	}
	return out
}
