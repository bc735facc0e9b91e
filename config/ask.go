package config

// Ask is the settings of gorqa ask.
type Ask struct {
	Question    string // "" = read questions from standard input
	HistoryFile string // the turns before each question; "" = none
	JSON        bool
	MinScore    *float64 // that the best passage needs; nil: any that was found will do
	Answering
	Seed int64
}

// DefaultAsk has the defaults of an evaluation.
func DefaultAsk() Ask {
	return Ask{Answering: DefaultAnswering(), Seed: DefaultSchedule().Seed}
}

func (c *Ask) declare(s *set) {
	s.positional = &positional{names: []string{"[RUN]", "[QUESTION]"}, run: true, take: func(args []string) {
		if len(args) > 0 {
			c.Question = args[0]
		}
	}}
	s.section("Answers")
	s.boolean(&c.JSON, "json", "write a JSON object for each question: answer, answered, reason, citations with scores, tokens, seconds")
	var score float64
	pointer(s.number(&score, "min_score", "answer only where the best passage has this score; else say that there is no answer, and end with code 3, as where nothing is found. Scores are those shown beside passages: of dense and openai the similarity (cosine -1 to 1; euclidean and manhattan the distance with a minus, 0 at most), of bm25 a sum over shared words from 0 up, of hybrid 1/(60 + place) summed over two rankings, at most 0.033 and no measure of the passage itself, with a reranker its own score (0 to 1, or any number where its folder has no sigmoid)"), &score, &c.MinScore)
	c.declareModel(s)
	c.Prompt.declare(s, "")
	c.declareRest(s, &c.Seed)
	c.takeTurns(s.lookup("history"))
}

// Validate implements Settings.
func (c *Ask) Validate() error {
	var p problems
	if c.MinScore != nil {
		p.single(*c.MinScore, "min_score")
	}
	c.check(&p, true, "")
	return p.join()
}

func (c *Ask) notices() []string { return nil }

// takeTurns lets history take the file of turns that only ask has, beside the word of
// other commands, so that their settings files hold here.
func (c *Ask) takeTurns(st *setting) {
	words := st.assign
	st.metavar += "|FILE"
	st.help = "FILE: the turns before the question, a JSON array as chat_history in the data. Or w" + st.help[1:] + "; given twice, it can be both"
	st.assign = func(v string) error {
		if words(v) != nil {
			c.HistoryFile = v
		}
		return nil
	}
}
