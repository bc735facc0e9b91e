package batch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLines(t *testing.T) {
	p := Pack{Rows: [][]int32{{5, 6, 7}, {8}}, Size: 6, Tall: 2, Wide: 4}
	at, back := p.Lines()
	start, reach := p.Seen(0)
	near, far := p.Seen(1)
	for _, test := range []struct {
		name, why string
		got, want []int32
	}{
		{"flat", "zeros behind the rows", p.Flat(p.Rows), []int32{5, 6, 7, 8, 0, 0}},
		{"lengths", "of each line", p.Lengths(), []int32{3, 1}},
		{"at", "0 where a line has no token", at, []int32{0, 1, 2, 0, 3, 0, 0, 0}},
		{"back", "0 behind the rows", back, []int32{0, 1, 2, 4, 0, 0}},
		{"start", "a row sees itself, spare positions each other", start, []int32{0, 0, 0, 3, 4, 4}},
		{"reach", "a row sees itself, spare positions each other", reach, []int32{2, 2, 2, 3, 5, 5}},
		{"window starts", "one position before", near, []int32{0, 0, 1, 3, 4, 4}},
		{"window ends", "one position behind", far, []int32{1, 2, 2, 3, 5, 5}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: %s (-want +got)\n%s", test.name, test.why, diff)
		}
	}
}
