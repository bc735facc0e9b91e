package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"gorqa/arch/llama"
	"gorqa/arch/t5"
	"gorqa/batch"
	"gorqa/config"
	"gorqa/engine/xla"
	"gorqa/nn"
	"gorqa/prompt"
	"gorqa/report"
	"gorqa/rqa"
	"gorqa/tape"
	"gorqa/weights"
)

// Doctor looks at what a training run would need, as far as the settings name
// it, and says what is missing. It keeps no trained weights.
func Doctor(ctx context.Context, c config.Doctor, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	d := &doctor{ctx: ctx, c: c.Train, show: show, out: s}
	d.check("engine", d.engine)
	d.check("model", d.model)
	d.check("prompt", d.prompt)
	if d.decoder != nil && d.xla != nil && !d.xla.OnHost() {
		d.check("attention", d.attention)
	}
	for _, f := range []struct{ name, path string }{{"train_file", c.TrainFile}, {"eval_file", c.EvalFile}, {"test_file", c.TestFile}} {
		d.check(f.name, func() (string, error) { return d.rows(f.path) })
	}
	d.check("documents", d.documents)
	d.check("embedding model", d.embedding)
	d.check("output_dir", d.output)
	if c.Forecast {
		d.forecast()
	}
	if d.bad > 0 {
		return fmt.Errorf("%d of the checks failed", d.bad)
	}
	return nil
}

type doctor struct {
	ctx  context.Context
	c    config.Train
	show *report.Run
	out  Streams
	bad  int
	xla  *xla.Engine
	half bool

	decoder *llama.Config // once model has found one
	text    *textSide     // likewise
	fuses   bool

	template *prompt.Template // once prompt has chosen one
}

// prompt checks the template, and that what ends an answer ends it.
func (d *doctor) prompt() (string, error) {
	if d.text == nil {
		return "", nil
	}
	saved, err := d.text.saved()
	if d.fuses {
		var was fidFile
		if data := d.text.files[fidName]; data != nil {
			err = was.read(data)
		}
		saved = was.Template
	}
	if err != nil {
		return "", err
	}
	chosen, err := d.text.choose(d.c.Prompt, saved)
	if err != nil {
		return "", err
	}
	d.template = chosen.template
	if _, err := d.text.ends(); err != nil {
		return "", err
	}
	for _, w := range chosen.warnings {
		d.show.Warn("%s", w)
	}
	if d.fuses {
		return chosen.what, nil
	}
	if w := d.text.separator(chosen.template); w != "" {
		d.show.Warn("%s", w)
	}
	return d.text.describe(chosen), nil
}

// check runs one check and prints a line: what was found, or what is wrong. An
// empty finding says that the settings name nothing to look at.
func (d *doctor) check(name string, look func() (found string, err error)) {
	found, err := look()
	mark := "ok  "
	switch {
	case err != nil:
		mark, found = "FAIL", err.Error()
		d.bad++
	case found == "":
		mark, found = "-   ", "not given"
	}
	fmt.Fprintf(d.out.Out, "%s  %-16s %s\n", mark, name, found)
}

func (d *doctor) engine() (string, error) {
	var err error
	if d.xla, d.half, err = openEngine(d.ctx, d.c.Engine, d.show); err != nil {
		return "", err
	}
	precision := "f32"
	if d.half {
		precision = "bf16 over f32 weights"
	}
	return fmt.Sprintf("%s, computing in %s", d.xla.Describe(), precision), nil
}

// model checks configuration, weights, tokenizer and memory.
func (d *doctor) model() (_ string, err error) {
	if d.c.ConfigName != "" {
		c, _, folder, err := locateFresh(d.ctx, d.c.Fresh, d.c.Hub, d.show)
		if err != nil {
			return "", err
		}
		t, err := loadTokenizer(d.ctx, folder)
		if err == nil {
			err = covers(c, t)
		}
		if err != nil {
			return "", err
		}
		files, err := tokenizerFiles(d.ctx, folder)
		if err != nil {
			return "", err
		}
		d.text, d.fuses = &textSide{folder, nil, files, t}, true
		return needFusion(c, holding{half: d.half}, d.c).against(d.availableMemory())
	}
	if d.c.ModelNameOrPath == "" {
		return "", nil
	}
	from, err := locateGenerator(d.ctx, d.c.Model, d.c.Hub, d.show)
	if err != nil {
		return "", err
	}
	if d.c.DoTrain {
		if err := from.train(d.c.LoRA, d.c.Model, d.c.Recipe, d.c.Seed); err != nil {
			return "", err
		}
	}
	path := from.base
	source, err := weights.Open(d.ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	t, err := loadTokenizer(d.ctx, from.folder())
	if err != nil {
		return "", err
	}
	files := source.Files()
	if from.adapter != "" {
		adapter, _, err := weights.OpenAdapter(d.ctx, from.adapter)
		if err != nil {
			return "", err
		}
		maps.Copy(files, adapter.Files())
		if err := adapter.Close(); err != nil {
			return "", err
		}
	}
	beside := func(linears []tape.Weight) (h holding, err error) {
		h.half = d.half
		matrices, err := from.matrices(linears)
		for _, w := range matrices {
			h.adapter += w.Size()
		}
		if h.bits = from.bits; h.bits > 0 {
			for _, w := range linears {
				h.quantised += w.Size()
			}
		}
		return h, err
	}
	fuses, err := isFusion(source.Config(), "")
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	d.text, d.fuses = &textSide{from.folder(), source.Config(), files, t}, fuses
	var of []tape.Weight
	var need memory
	if fuses {
		c, err := fusionConfig(source)
		if err == nil {
			err = covers(c, t)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		h, err := beside(c.Linears())
		if err != nil {
			return "", err
		}
		of, need = c.Weights(), needFusion(c, h, d.c)
	} else {
		c, err := decoderConfig(source)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		h, err := beside(c.Linears())
		if err != nil {
			return "", err
		}
		of, need = c.Weights(), needDecoder(c, h, d.c)
		d.decoder = &c
	}
	for _, note := range notes(source, of) {
		d.show.Warn("%s", note)
	}
	for _, w := range of {
		if shape, ok := source.Shape(w.Name); !ok || fmt.Sprint(shape) != fmt.Sprint(w.Dims) {
			return "", fmt.Errorf("%s: weight %s has dimensions %v; expected %v, as config.json says", path, w.Name, shape, w.Dims)
		}
	}
	return need.against(d.availableMemory())
}

// attention says how a GPU attends over a row that has a micro-batch for itself.
func (d *doctor) attention() (string, error) {
	if !d.half {
		return "as a graph, in f32", nil
	}
	if err := nn.CheckCausal(d.xla, d.decoder.Heads, d.decoder.KVHeads, d.decoder.HeadWidth); err != nil {
		return fmt.Sprintf("as a graph; a row alone in its micro-batch takes more memory so (%v)", err), nil
	}
	return "by cuDNN where a row has a micro-batch for itself, else as a graph", nil
}

// against says what is needed and what is there.
func (need memory) against(there int64) (string, error) {
	found := fmt.Sprintf("%s, %.1f million weights; memory: training about %.1f GB, evaluation %.1f GB",
		need.Type, float64(need.Weights)/1e6, gigabytes(need.Training), gigabytes(need.Evaluation))
	if there > 0 {
		found += fmt.Sprintf(", available %.1f GB", gigabytes(there))
	}
	if most := max(need.Training, need.Evaluation); there > 0 && most > there {
		return "", fmt.Errorf("%s; expected %.1f GB at least; lower %s, or take a smaller model or a larger machine", found, gigabytes(most), need.Setting)
	}
	return found, nil
}

// memory is what a model is predicted to need, in bytes.
type memory struct {
	Type                 string // of the model
	Weights              int64  // how many there are
	Training, Evaluation int64
	Setting              string // what lowers it
}

// holding says how weights are held.
type holding struct {
	half      bool
	adapter   int // weights of an adapter, 0 for none
	quantised int // weights held in few bits
	bits      int // that such a weight takes beside its block's scale
}

// needDecoder predicts memory from the shapes: the weights with what training
// holds beside them, what the layers keep for the longest micro-batch, and the
// logits of one call of the head; for evaluation the weights as training holds
// them and the key/value cache.
func needDecoder(c llama.Config, h holding, s config.Train) memory {
	width, held, head := h.bytes(c.Parameters(), c.Vocabulary, c.Width, tape.TermsPerCall(onHost(s.Engine)))
	positions := largest(s, batch.PackingFor(onHost(s.Engine)).Capacity, int64(s.MaxSeqLength))
	attended := int64(2*c.Heads*c.HeadWidth + 2*c.KVHeads*c.HeadWidth)
	perLayer := (attended+int64(2*c.Width+2*c.Inner))*width + int64(4*c.Heads)
	cache := int64(s.PerDeviceEvalBatchSize) * int64(s.MaxSeqLength+s.EvalMaxNewTokens) * int64(c.Layers) * int64(2*c.KVHeads*c.HeadWidth) * width
	return memory{
		Type: c.Type, Weights: int64(c.Parameters()), Setting: "max_seq_length",
		Training:   held + positions*perLayer*int64(c.Layers) + head + program,
		Evaluation: held + cache*2 + program,
	}
}

// largest is how many positions the largest micro-batch has, of rows of that length.
func largest(s config.Train, capacity int, row int64) int64 {
	return max(row, min(int64(capacity), row*int64(s.PerDeviceTrainBatchSize)))
}

// program is the engine, compiled code, the embedding model and the tokenizer.
const program = 550 << 20

// bytes gives those of an activation; of all n weights, with gradients, moments
// and, where graphs read bf16, what that lacks of f32 of those that are trained; and
// of one call of the head with the gradients that it makes.
func (h holding) bytes(n, vocabulary, model, terms int) (width, weights, head int64) {
	width, state := int64(4), int64(12)
	if h.half {
		width, state = 2, 14
	}
	head = int64(vocabulary) * 3 * int64(terms) * 4
	if h.adapter > 0 {
		scales := int64(h.quantised) / nn.QuantBlock * 4
		if h.bits == 4 {
			scales *= 2
		}
		return width, int64(n-h.quantised+h.adapter)*width + int64(h.quantised*h.bits/8) + scales + int64(h.adapter)*state, head
	}
	return width, int64(n) * (width + state), head + int64(vocabulary)*int64(model)*4
}

// needFusion is needDecoder for an encoder-decoder: what the encoder's layers keep of
// a micro-batch's passages, what each decoder layer keeps of their states, and
// in evaluation each layer's keys and values of them.
func needFusion(c t5.Config, h holding, s config.Train) memory {
	width, held, head := h.bytes(c.Parameters(), c.Vocabulary, c.Width, tape.TermsPerCall(onHost(s.Engine)))
	passages := int64(max(s.EmbeddingMaxNumToRetrieve+1, s.EvalK))
	row := passages * int64(cmp.Or(s.MaxEncoderSeqLength, maxEncoderTokens))
	positions := largest(s, batch.FusionPackingFor(onHost(s.Engine)).Capacity, row)
	heads := int64(c.Heads * c.HeadWidth)
	perLayer := int64(4*c.Width+3*c.Inner)*width + 4*heads*width
	states := int64(s.PerDeviceEvalBatchSize) * row * int64(c.DecoderLayers) * 2 * heads * width
	return memory{
		Type: c.Type, Weights: int64(c.Parameters()), Setting: "max_encoder_seq_length",
		Training:   held + positions*(perLayer*int64(c.Layers)+2*heads*width*int64(c.DecoderLayers)) + head + program,
		Evaluation: held + states + program,
	}
}

func gigabytes(n int64) float64 { return float64(n) / 1e9 }

// availableMemory is what the system, or its first GPU where that computes, could
// still give, in bytes, or 0 where it does not tell.
func (d *doctor) availableMemory() int64 {
	if !onHost(d.c.Engine) {
		free, err := exec.CommandContext(d.ctx, "nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", "--id=0").Output()
		if err != nil {
			return 0
		}
		mib, err := strconv.ParseInt(strings.TrimSpace(string(free)), 10, 64)
		if err != nil {
			return 0
		}
		return mib << 20
	}
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(info, []byte("MemAvailable:"))
	var kib int64
	if _, err := fmt.Sscanf(string(rest), "%d kB", &kib); err != nil {
		return 0
	}
	return kib << 10
}

func (d *doctor) rows(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	examples, warning, err := readExamples(d.ctx, path, d.c.OnBadRows == "skip")
	if err != nil {
		return "", err
	}
	if warning != "" {
		d.show.Warn("%s", warning)
	}
	template := d.template
	if template == nil {
		template = prompt.Default(promptFormat(d.c.Prompt, ""))
	}
	if examples, warning, err = checkSpeakers(template, path, examples, d.c.OnBadRows == "skip"); err != nil {
		return "", err
	}
	if warning != "" {
		d.show.Warn("%s", warning)
	}
	return fmt.Sprintf("%s: %d rows", path, len(examples)), nil
}

func (d *doctor) documents() (string, error) {
	if d.c.FullDatasetFilePath == "" {
		return "", nil
	}
	docs, err := rqa.ReadDocuments(d.ctx, d.c.FullDatasetFilePath)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %d documents", d.c.FullDatasetFilePath, len(docs)), nil
}

// embedding loads the embedding model as an evaluation would.
func (d *doctor) embedding() (_ string, err error) {
	if d.c.EvalEmbeddingModel == "" || d.xla == nil {
		return "", nil
	}
	folder, err := locateNamed(d.ctx, d.c.EvalEmbeddingModel, d.c.Hub, d.show)
	if err != nil {
		return "", err
	}
	e, err := OpenEmbedder(d.ctx, d.xla, folder, d.c.EvalEmbeddingModel, d.half)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	metric, err := e.metric(d.c.Similarity, d.show)
	if err == nil && d.c.FullDatasetFilePath != "" {
		var docs []rqa.Document
		if docs, err = rqa.ReadDocuments(d.ctx, d.c.FullDatasetFilePath); err == nil {
			err = e.warnOfLong(d.ctx, docs, d.show)
		}
	}
	return fmt.Sprintf("%s, %d wide, by %s", e.Name(), e.Width(), metric), err
}

// output checks that the output folder can be written.
func (d *doctor) output() (string, error) {
	if d.c.OutputDir == "" {
		return "", nil
	}
	if err := os.MkdirAll(d.c.OutputDir, 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(d.c.OutputDir, ".doctor-*")
	if err != nil {
		return "", err
	}
	return d.c.OutputDir, errors.Join(f.Close(), os.Remove(f.Name()))
}
