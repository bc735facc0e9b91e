package qa

import (
	"fmt"

	"gorqa/text/dataset"
	"gorqa/text/prompt"
)

// maxShownProblems is how many problems of one file an error lists.
const maxShownProblems = 50

// CheckSpeakers gives the rows whose history a prompt can be made of. Rows with
// speakers that are neither users nor assistants are an error, or left out with a
// warning where bad rows are skipped.
func CheckSpeakers(t *prompt.Template, file string, examples []dataset.Example, skip bool) (good []dataset.Example, warning string, err error) {
	bad := &dataset.BadData{}
	for _, x := range examples {
		problems := UnknownSpeakers(t, file, x.Line, x.History)
		if len(problems) == 0 {
			good = append(good, x)
			continue
		}
		bad.Count, bad.BadRows = bad.Count+len(problems), bad.BadRows+1
		room := maxShownProblems - len(bad.Problems)
		bad.Problems = append(bad.Problems, problems[:min(room, len(problems))]...)
	}
	switch {
	case bad.Count == 0:
		return examples, "", nil
	case skip && len(good) > 0:
		return good, fmt.Sprintf("%d rows are left out:\n%v", bad.BadRows, bad), nil
	}
	return nil, "", bad
}

// UnknownSpeakers lists the turns of a history, at a line of its file (0 for
// none), of which it is not known whether a user or an assistant speaks.
func UnknownSpeakers(t *prompt.Template, file string, line int, history []dataset.Turn) []dataset.Problem {
	var problems []dataset.Problem
	for _, u := range t.Unclear(history) {
		problems = append(problems, dataset.Problem{
			File: file, Line: line, Found: fmt.Sprintf("chat_history[%d].speaker %s", u.Turn, u.Found), Expected: u.Expected, Do: u.Do,
		})
	}
	return problems
}
