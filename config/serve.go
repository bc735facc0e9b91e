package config

import (
	"math"
	"time"
)

// Serve is the settings of gorqa serve.
type Serve struct {
	Answering
	Seed int64

	Host            string
	Port            int
	APIKey          string // that clients must send, "" = GORQA_API_KEY of the environment, or none
	ServedModelName string // "" = the name of the model's folder
	MaxNumSeqs      int    // answers under way
	MaxWaiting      int    // requests that wait for them
	TimeoutSeconds  float64
	GraceSeconds    float64 // for answers under way, once it is to end
	FeedbackFile    string
}

// DefaultServe answers on this machine alone.
func DefaultServe() Serve {
	return Serve{
		Answering: DefaultAnswering(), Seed: DefaultSchedule().Seed,
		Host: "127.0.0.1", Port: 8000, MaxNumSeqs: 8, MaxWaiting: 256, TimeoutSeconds: 600, GraceSeconds: 30,
	}
}

func (c *Serve) declare(s *set) {
	s.positional = &positional{names: []string{"[RUN]"}, run: true}
	s.section("Server")
	s.text(&c.Host, "host", "HOST", "address to listen on; 0.0.0.0 for all of this machine's")
	s.integer(&c.Port, "port", "port to listen on; 0 for any that is free")
	s.text(&c.APIKey, "api_key", "KEY", "that clients must send; rather in the environment as GORQA_API_KEY, where no list of processes shows it")
	s.text(&c.ServedModelName, "served_model_name", "NAME", "of the model, for clients; the name of its folder unless given")
	s.integer(&c.MaxNumSeqs, "max_num_seqs", "answers that are written at a time")
	s.integer(&c.MaxWaiting, "max_waiting", "requests that wait for their turn; more are refused")
	s.number(&c.TimeoutSeconds, "request_timeout", "seconds a request may take")
	s.number(&c.GraceSeconds, "grace", "seconds that answers under way have when the server is to end")
	s.text(&c.FeedbackFile, "feedback_file", "FILE", "what people think of answers, from the page's buttons, is added here, .jsonl")
	c.declareModel(s)
	c.Prompt.declare(s, "")
	c.declareRest(s, &c.Seed)
}

// Validate implements Settings.
func (c *Serve) Validate() error {
	var p problems
	c.check(&p, c.Documents(), " (or neither documents nor index, for answers without)")
	p.that(c.Host != "", "host: empty; an address to listen on expected, such as 127.0.0.1")
	p.between(c.Port, 0, math.MaxUint16, "port")
	p.between(c.MaxNumSeqs, 1, 1024, "max_num_seqs")
	p.between(c.MaxWaiting, 1, 1<<20, "max_waiting")
	for name, seconds := range map[string]float64{"request_timeout": c.TimeoutSeconds, "grace": c.GraceSeconds} {
		p.that(seconds > 0 && seconds <= 1e6, "%s: %v found; more than 0 and at most 1000000 seconds expected", name, seconds)
	}
	return p.join()
}

// Documents says whether passages are found for questions.
func (c *Serve) Documents() bool { return c.FullDatasetFilePath != "" || c.FullDatasetIndexPath != "" }

// Timeout is how long a request may take, Grace how long answers have at the end.
func (c *Serve) Timeout() time.Duration { return seconds(c.TimeoutSeconds) }
func (c *Serve) Grace() time.Duration   { return seconds(c.GraceSeconds) }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (c *Serve) notices() []string { return nil }
