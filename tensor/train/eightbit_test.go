package train

import (
	"strings"
	"testing"
)

// Moments in 8 bits are refused where no kernel moves them, and kept where one does.
func TestWhereMomentsIn8BitsAreRefused(t *testing.T) {
	eight, full := Adam{EightBit: true}, Adam{}
	for _, test := range []struct {
		name   string
		adam   Adam
		native bool
		stage  int
		want   string // "" for no error
	}{
		{"on the CPU", eight, true, 0, ""},
		{"on a GPU", eight, false, 0, "moments in 8 bits with an H100: they are moved in the host's memory only; --optim adamw_torch expected"},
		{"stage 1", eight, true, 1, "zero_stage 1 with moments in 8 bits"},
		{"stage 2", eight, true, 2, "--zero_stage 0 or --optim adamw_torch expected"},
		{"in 32 bits on a GPU", full, false, 0, ""},
		{"in 32 bits, divided", full, true, 2, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.adam.check(test.native, "an H100", test.stage)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; expected %q", err, test.want)
			}
		})
	}
}
