package config

// Fetch is the settings of gorqa fetch engine and gorqa fetch model.
type Fetch struct {
	Name     string // of the engine's variant or of the model; "" = list models
	CacheDir string // "" = $GORQA_CACHE, else gorqa in the user's cache folder
	IndexURL string // of the package index; "" = pip's index-url
	Python   string // interpreter whose pip is asked where gorqa cannot download
	Force    bool   // an engine for a device that is not there, too
}

// DefaultFetch uses the python3 of the path.
func DefaultFetch() Fetch { return Fetch{Python: "python3"} }

func (c *Fetch) declare(s *set) {
	s.positional = &positional{names: []string{"[NAME]"}, take: func(args []string) {
		if len(args) > 0 {
			c.Name = args[0]
		}
	}}
	s.section("Fetching")
	s.text(&c.CacheDir, "cache_dir", "DIR", "cache folder, if not $GORQA_CACHE or gorqa in the user's cache folder")
	s.text(&c.IndexURL, "index_url", "URL", "package index, over its simple API, if not the one that pip is configured with (index-url in pip.conf, PIP_INDEX_URL)").secret = true
	s.text(&c.Python, "python", "PROGRAM", "Python whose pip downloads where gorqa cannot: without an index, or with one that wants other credentials than an address, a proxy or .netrc holds")
	s.boolean(&c.Force, "force", "fetch an engine for a device that is not there, too")
}

// Validate implements Settings.
func (c *Fetch) Validate() error {
	var p problems
	p.needed(c.Python, "python", "a Python interpreter")
	return p.join()
}

func (c *Fetch) notices() []string { return nil }
