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
// none), that nobody known speaks.
func UnknownSpeakers(t *prompt.Template, file string, line int, history []dataset.Turn) []dataset.Problem {
	var problems []dataset.Problem
	for i, turn := range history {
		if expected, known := t.Speakers(turn.Speaker); !known {
			problems = append(problems, dataset.Problem{
				File: file, Line: line, Found: fmt.Sprintf("chat_history[%d].speaker %.40q, who is neither user nor assistant by any name that is known", i, turn.Speaker),
				Expected: expected, Do: "rename the speaker, or name it with --user_prefix or --assistant_prefix",
			})
		}
	}
	return problems
}
