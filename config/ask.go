package config

// Ask is the settings of gorqa ask.
type Ask struct {
	Question    string // "" = read questions from standard input
	HistoryFile string // the turns before each question; "" = none
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
	c.declareModel(s)
	c.Prompt.declare(s, "")
	c.declareRest(s, &c.Seed)
	c.takeTurns(s.lookup("history"))
}

// Validate implements Settings.
func (c *Ask) Validate() error {
	var p problems
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
