package retrieve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/openai/openai-go/v3"

	"gorqa/files/endpoint"
)

// EndpointOptions are the settings of [NewEndpoint].
type EndpointOptions struct {
	endpoint.Options
	Model      string // as the endpoint calls it, such as text-embedding-3-small
	Dimensions int    // width to ask for; 0 for the model's own

	BatchTexts int // texts of one request; OpenAI allows 2048
	BatchBytes int // bytes of text of one request, since endpoints bound its tokens; OpenAI allows 300,000
	// QueryPrompt and PassagePrompt go before each text, for models that want them.
	QueryPrompt, PassagePrompt string
}

// DefaultEndpointOptions asks the default endpoint for text-embedding-3-small, 256
// texts and 256 KiB a request, whose vectors of 8192 numbers take 64 MiB as text.
func DefaultEndpointOptions() EndpointOptions {
	opt := endpoint.Default()
	opt.MaxReplyBytes = 64 << 20
	return EndpointOptions{
		Options: opt, Model: openai.EmbeddingModelTextEmbedding3Small, BatchTexts: 256, BatchBytes: 256 << 10,
	}
}

// Validate reports every setting that cannot be used.
func (o EndpointOptions) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("embeddings endpoint: "+format, args...))
	}
	if o.Model == "" {
		bad("no model; expected the name of an embedding model, such as %s", openai.EmbeddingModelTextEmbedding3Small)
	}
	if err := o.Options.Validate(); err != nil {
		bad("%w", err)
	}
	if o.Dimensions < 0 {
		bad("Dimensions is %d; expected 0 or more", o.Dimensions)
	}
	if o.BatchTexts < 1 {
		bad("BatchTexts is %d; expected at least 1", o.BatchTexts)
	}
	if o.BatchBytes < 1 {
		bad("BatchBytes is %d; expected at least 1", o.BatchBytes)
	}
	return errors.Join(errs...)
}

// Endpoint is an [Embedder] behind an OpenAI-compatible "embeddings" call. It is
// safe for concurrent use.
type Endpoint struct {
	opt     EndpointOptions
	service openai.EmbeddingService
	width   atomic.Int64
}

// NewEndpoint makes an embedder; nothing is sent before the first Embed.
func NewEndpoint(opt EndpointOptions) (*Endpoint, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	e := &Endpoint{opt: opt, service: openai.NewEmbeddingService(opt.Request()...)}
	e.width.Store(int64(opt.Dimensions))
	return e, nil
}

// Name identifies the endpoint, its model and what changes the vector of a passage.
func (e *Endpoint) Name() string {
	return fmt.Sprintf("%s of %s (dimensions %d, passage prompt %q)", e.opt.Model, e.opt.Address(), e.opt.Dimensions, e.opt.PassagePrompt)
}

// Width returns the length of the vectors, 0 before the first answer where
// Dimensions does not say it.
func (e *Endpoint) Width() int { return int(e.width.Load()) }

// Embed asks for the vectors in as many requests as the limits make of the texts.
func (e *Endpoint) Embed(ctx context.Context, texts []string, kind Kind) ([][]float32, error) {
	prompt := e.opt.PassagePrompt
	if kind == Query {
		prompt = e.opt.QueryPrompt
	}
	input := make([]string, len(texts))
	for i, t := range texts {
		if input[i] = prompt + t; input[i] == "" {
			return nil, fmt.Errorf("embeddings endpoint: text %d of %d is empty; expected some text; endpoints refuse empty ones", i+1, len(texts))
		}
	}
	out := make([][]float32, 0, len(texts))
	for len(input) > 0 {
		n, bytes := 1, len(input[0]) // a text beyond the limit goes alone
		for n < min(len(input), e.opt.BatchTexts) && bytes+len(input[n]) <= e.opt.BatchBytes {
			bytes += len(input[n])
			n++
		}
		vectors, err := e.request(ctx, input[:n])
		if err != nil {
			return nil, err
		}
		out, input = append(out, vectors...), input[n:]
	}
	return out, nil
}

// request makes one call and puts its vectors in the order of the texts.
func (e *Endpoint) request(ctx context.Context, texts []string) ([][]float32, error) {
	params := openai.EmbeddingNewParams{
		Model:          e.opt.Model,
		Input:          openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts},
		EncodingFormat: openai.EmbeddingNewParamsEncodingFormatFloat,
	}
	if e.opt.Dimensions > 0 {
		params.Dimensions = openai.Int(int64(e.opt.Dimensions))
	}
	answer, err := e.service.New(ctx, params)
	if err != nil {
		if err = e.opt.Explain(ctx, e.opt.Model, err); ctx.Err() == nil {
			err = fmt.Errorf("embeddings endpoint %w", err)
		}
		return nil, err
	}
	vectors, err := e.vectors(answer, len(texts))
	if err != nil {
		return nil, fmt.Errorf("embeddings endpoint %s: %w; check that %q is an embedding model", e.opt.Address(), err, e.opt.Model)
	}
	return vectors, nil
}

// vectors gives the vectors of a reply in the order of the texts.
func (e *Endpoint) vectors(answer *openai.CreateEmbeddingResponse, texts int) ([][]float32, error) {
	if answer == nil {
		return nil, errors.New("an empty reply; expected vectors")
	}
	if len(answer.Data) != texts {
		return nil, fmt.Errorf("%d vectors for %d texts; expected one for each", len(answer.Data), texts)
	}
	if !slices.ContainsFunc(answer.Data, func(d openai.Embedding) bool { return d.JSON.Index.Valid() }) {
		for i := range answer.Data { // servers that leave the index out keep the order
			answer.Data[i].Index = int64(i)
		}
	}
	out := make([][]float32, texts)
	for _, d := range answer.Data {
		if d.Index < 0 || d.Index >= int64(texts) || out[d.Index] != nil {
			return nil, fmt.Errorf("a vector for text %d of %d comes twice or belongs to no text; expected one for each", d.Index, texts)
		}
		if len(d.Embedding) == 0 {
			return nil, fmt.Errorf("the vector of text %d of %d has no numbers; expected some", d.Index, texts)
		}
		width := e.width.Load()
		if width == 0 && e.width.CompareAndSwap(0, int64(len(d.Embedding))) {
			width = int64(len(d.Embedding))
		} else if width == 0 {
			width = e.width.Load() // another request was quicker
		}
		if int64(len(d.Embedding)) != width {
			return nil, fmt.Errorf("a vector of %d numbers; expected %d, as asked for or as came before", len(d.Embedding), width)
		}
		v := make([]float32, len(d.Embedding))
		zero := true
		for i, f := range d.Embedding {
			v[i] = float32(f)
			if math.IsNaN(float64(v[i])) || math.IsInf(float64(v[i]), 0) {
				return nil, fmt.Errorf("a vector holds %v; expected finite numbers", f)
			}
			zero = zero && v[i] == 0
		}
		if zero {
			return nil, fmt.Errorf("the vector of text %d of %d is all zeros, which is near to nothing; expected some other number", d.Index, texts)
		}
		out[d.Index] = v
	}
	return out, nil
}
