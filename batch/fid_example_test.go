package batch_test

import (
	"fmt"

	"gorqa/batch"
)

func ExampleFiDPacking_Pack() {
	p := batch.DefaultFiDPacking()
	p.Round, p.Answers, p.Terms = 4, 4, 4 // tiny, to be looked at
	rows := []batch.FiDRow{
		{Passages: [][]int32{{11, 12, 13}, {21, 22, 23, 24, 25}}, Answer: []int32{7, 1}, Index: 0},
		{Passages: [][]int32{{31, 32}}, Answer: []int32{8, 9, 1}, Index: 1},
	}
	for _, f := range p.Pack(rows) {
		fmt.Println("rows", f.Rows, "decoder reads", f.Tokens)
		for _, g := range f.Groups {
			fmt.Println("passages of rows", g.Rows, "lengths", g.Lengths, "padded to", g.Width)
		}
	}
	// Output:
	// rows [0 1] decoder reads [0 7 0 0 0 8 9 0]
	// passages of rows [0 1] lengths [3 2] padded to 4
	// passages of rows [0] lengths [5] padded to 8
}
