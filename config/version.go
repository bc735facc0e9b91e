package config

// Version is the settings of gorqa version: none.
type Version struct{}

func (c *Version) declare(*set) {}

// Validate implements Settings.
func (c *Version) Validate() error { return nil }

func (c *Version) notices() []string { return nil }
