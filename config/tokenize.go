package config

// Tokenize is the settings of gorqa tokenize.
type Tokenize struct {
	Model
	Hub
	Decode            bool // ids to text
	AddSpecialTokens  bool // those that the tokenizer puts around a text
	SkipSpecialTokens bool // leave them out of decoded text
}

// DefaultTokenize has the defaults of transformers' encode and decode.
func DefaultTokenize() Tokenize {
	return Tokenize{Model: DefaultModel(), AddSpecialTokens: true}
}

func (c *Tokenize) declare(s *set) {
	c.Model.declare(s)
	s.section("Direction")
	s.boolean(&c.Decode, "decode", "ids to text: a JSON array of ids a line in, a JSON string a line out")
	s.boolean(&c.AddSpecialTokens, "add_special_tokens", "add the tokens that the tokenizer puts around a text")
	s.boolean(&c.SkipSpecialTokens, "skip_special_tokens", "leave special tokens out of decoded text")
	c.Hub.declare(s)
}

// Validate implements Settings.
func (c *Tokenize) Validate() error {
	var p problems
	c.Model.check(&p)
	return p.join()
}

func (c *Tokenize) notices() []string { return nil }
