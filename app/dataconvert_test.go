package app

import (
	"testing"

	"gorqa/config"
	"gorqa/text/convert"
)

// Every format and role that can be read can be asked for.
func TestFormatsCanBeAskedFor(t *testing.T) {
	for _, format := range convert.Formats() {
		c := config.DefaultDataConvert()
		if _, err := config.Parse(&c, []string{"file", "--output", "dir", "--from", format}); err != nil {
			t.Error(err)
		}
	}
	for _, role := range convert.Roles() {
		c := config.DefaultDataConvert()
		if _, err := config.Parse(&c, []string{"file", "--output", "dir", "--columns", role + "=x"}); err != nil || c.ColumnOf()[role] != "x" {
			t.Errorf("%s: %v", role, err)
		}
	}
}
