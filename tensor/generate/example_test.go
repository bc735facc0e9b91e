package generate_test

import (
	"context"
	"fmt"

	"gorqa/batch"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/generate"
	"gorqa/tensor/tape"
)

// The generator needs a model, its weights on the device (here given) and
// prompts as token ids.
func ExampleGenerator_Generate() {
	answer := func(ctx context.Context, m *llama.Model, r *tape.Runner, prompt []int32) error {
		opt := generate.DefaultOptions()
		opt.MaxNewTokens = 64
		opt.Stops = [][]int32{{2}} // the id of SmolLM2's <|im_end|>
		answers, err := generate.New(m, r).Generate(ctx, []batch.Row{{Tokens: prompt}}, opt)
		if err != nil {
			return err
		}
		fmt.Println(answers[0])
		return nil
	}
	_ = answer
}
