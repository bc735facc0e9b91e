package config

// Report is the settings of gorqa report.
type Report struct {
	Runs   []string // folders; the first is what others are held against
	Output string   // "" = report.html in the folder of the one run, or here
}

// DefaultReport has no other defaults.
func DefaultReport() Report { return Report{} }

func (c *Report) declare(s *set) {
	s.positional = &positional{names: []string{"RUN", "[RUN...]"}, required: 1, many: true, take: func(args []string) { c.Runs = args }}
	s.section("Report")
	s.text(&c.Output, "output", "FILE", "where to write the page; of one run its own report.html unless given, of several report.html in the current folder")
}

// Validate implements Settings.
func (c *Report) Validate() error {
	var p problems
	for i, a := range c.Runs {
		for _, b := range c.Runs[:i] {
			p.differ([2]string{"RUN", a}, [2]string{"RUN", b})
		}
	}
	return p.join()
}

func (c *Report) notices() []string { return nil }
