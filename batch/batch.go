// Package batch is what passes between the text side and the tensor side of
// gorqa: host slices of token ids and of the structure that attention follows,
// and the packing of rows into them. It knows neither text nor tensors.
package batch

// Decoder is one micro-batch for a decoder: S packed positions that hold trees
// of tokens laid out depth first.
//
// A tree stands for one or more rows that share a prefix: the shared tokens
// come once, then each row's own tokens as a branch. Position q attends to
// position k exactly when k <= q <= Reach[k], which in depth-first order says
// "k is q itself or one of its ancestors". A row packed alone is a tree
// without branches. Unused positions reach only themselves. In rows of blocks
// passages are branches that last blocks see as Copies.
type Decoder struct {
	Tokens    []int32 // S token ids
	Positions []int32 // S depths in the row (what rotary embedding turns by)
	Reach     []int32 // S last positions that may attend to each position
	Global    int     // leading positions that every row shares, 0 for none
	Window    int     // attended pairs outside Global have q - k < Window

	Copies []Copy // passages as rows of blocks see them, keys and values alone

	// One entry per term of the loss, padded with weight 0.
	Sources []int32   // L positions whose hidden state predicts the target
	Targets []int32   // L token ids to predict
	Weights []float32 // L how often the term counts (rows that share it), 0 for padding

	Rows  []int     // which rows of the data set this holds, for messages
	Paths [][]int32 // for each of Rows, the positions of its tokens in order
	Terms int       // label tokens: the sum of Weights
}
