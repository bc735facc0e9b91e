package t5

import (
	"fmt"
	"strings"

	"gorqa/batch"
	"gorqa/tensor/tape"
)

// EncoderWeights lists the weights of the encoder alone, as sentence embedders have it.
func (c Config) EncoderWeights() []tape.Weight {
	var ws []tape.Weight
	for _, w := range c.Weights() {
		if w.Name == "shared.weight" || strings.HasPrefix(w.Name, "encoder.") {
			ws = append(ws, w)
		}
	}
	return ws
}

// Encoder is the encoder alone: no row sees another. The weights that the runner must hold
// are those of EncoderWeights.
type Encoder struct{ model *Model }

// NewEncoder makes the blocks of an encoder that computes in bf16 or f32.
func NewEncoder(c Config, bf16 bool) Encoder { return Encoder{New(c, bf16)} }

// mostTokens is where rows end: relative positions have no end, scores of [S, S] have.
const mostTokens = 1 << 14

// Width is D, and Positions how long a row may be.
func (e Encoder) Width() int     { return e.model.Config.Width }
func (e Encoder) Positions() int { return mostTokens }

// Hidden runs a pack through the encoder to the states [P, D] of its positions.
func (e Encoder) Hidden(t *tape.Tape, p batch.Pack) (*tape.Value, error) {
	if err := p.Check(mostTokens, e.model.Config.Vocabulary); err != nil {
		return nil, fmt.Errorf("t5: %w", err)
	}
	words, err := e.model.Embed(t, p.Flat(p.Rows))
	if err != nil {
		return nil, err
	}
	bias, err := e.model.bias(t, e.model.encoder, p.Wide)
	if err != nil {
		return nil, err
	}
	at, back := p.Lines()
	lengths := p.Lengths()
	for line, n := range lengths {
		fill(at[line*p.Wide+int(n) : (line+1)*p.Wide])
	}
	tokens := 0
	for _, row := range p.Rows {
		tokens += len(row)
	}
	fill(back[tokens:])
	states, err := e.model.encodeGroup(t, batch.Passages{Width: p.Wide, Lengths: lengths}, words, at, bias)
	if err != nil {
		return nil, err
	}
	return pickedBy(t, e.model.pick, states, back, nil)
}
