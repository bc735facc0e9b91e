package config

// Doctor is the settings of gorqa doctor: those of every training, none required.
// What is given is looked at.
type Doctor struct {
	Train
	Forecast bool // say how long it takes, by trying
}

// DefaultDoctor has the defaults of a training.
func DefaultDoctor() Doctor { return Doctor{Train: DefaultTrain("")} }

func (c *Doctor) declare(s *set) {
	s.section("Forecast")
	s.boolean(&c.Forecast, "forecast", "try two steps and some answers, and say how long the run will take and what memory; asks for all that a training does")
	c.Train.declare(s)
}

// Validate implements Settings: what is not given is no problem, but for a
// forecast.
func (c *Doctor) Validate() error {
	p := problems{partial: !c.Forecast}
	c.check(&p)
	return p.join()
}
