package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"

	"gorqa/batch"
	"gorqa/config"
	"gorqa/files/weights"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/arch/t5"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
	"gorqa/text/dataset"
	"gorqa/text/prompt"
	"gorqa/text/recipe"
)

// Doctor looks at what a training run would need, as far as the settings name
// it, and says what is missing. It keeps no trained weights.
func Doctor(ctx context.Context, c config.Doctor, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	d := &doctor{checks: newChecks(ctx, c.Train, show), out: s}
	first, then := d.list()
	for _, c := range append(then, first...) {
		if c.name == "attention" && (d.decoder == nil || d.xla == nil || d.xla.OnHost()) {
			continue
		}
		d.check(c.name, c.look)
	}
	if c.Forecast {
		d.forecast()
	}
	if d.bad > 0 {
		return fmt.Errorf("%d of the checks failed", d.bad)
	}
	return nil
}

// doctor prints the checks.
type doctor struct {
	*checks
	out Streams
	bad int
}

// prompt checks the template, and that what ends an answer ends it.
func (d *checks) prompt() (string, error) {
	if d.text == nil {
		return "", nil
	}
	saved, err := d.text.Saved()
	if d.fuses {
		if data := d.text.Files[qa.FiDName]; data != nil {
			err = d.was.Read(data)
		}
		saved = d.was.Template
	}
	if err != nil {
		return "", err
	}
	chosen, err := d.text.Choose(promptOptions(d.c.Prompt), saved)
	if err != nil {
		return "", err
	}
	d.template = chosen.Template
	if _, err := d.text.Ends(); err != nil {
		return "", err
	}
	if d.command { // which says the same once it has the model
		return chosen.What, nil
	}
	for _, w := range chosen.Warnings {
		d.show.Warn("%s", w)
	}
	if d.fuses {
		return chosen.What, nil
	}
	if w := d.text.Separator(chosen.Template); w != "" {
		d.show.Warn("%s", w)
	}
	return d.text.Describe(chosen), nil
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
	fmt.Fprintf(d.out.Out, "%s  %-16s %s\n", mark, name, report.Clean(found))
}

func (d *checks) engine() (string, error) {
	if d.noEngine {
		return "", nil
	}
	var err error
	if d.xla, d.half, err = openEngine(d.ctx, d.c.Engine, d.show); err != nil {
		return "", err
	}
	precision := "f32"
	if d.half {
		precision = "bf16 over f32 weights"
	}
	found := fmt.Sprintf("%s, computing in %s", d.xla.Describe(), precision)
	if d.xla.OnHost() {
		isa, err := kernels()
		if err != nil {
			return "", err
		}
		found += "; " + isa
	}
	return found, nil
}

// model checks configuration, weights, tokenizer and memory.
func (d *checks) model() (_ string, err error) {
	if d.c.ConfigName != "" {
		fresh, err := locateFresh(d.ctx, d.c.Fresh, d.c.Hub, d.show)
		if err != nil {
			return "", err
		}
		c, _, err := fresh.Read()
		if err != nil {
			return "", err
		}
		folder := fresh.Tokenizer
		t, err := qa.LoadTokenizer(d.ctx, folder)
		if err != nil {
			return "", err
		}
		d.embeddings = c.Vocabulary
		files, err := qa.TokenizerFiles(d.ctx, folder)
		if err != nil {
			return "", err
		}
		d.text, d.fuses = &qa.TextSide{Folder: folder, Files: files, Tokenizer: t}, true
		return d.enough(needFusion(c, holding{half: d.half, frozen: !d.c.DoTrain}, d.c))
	}
	if d.c.ModelNameOrPath == "" {
		return "", nil
	}
	from, err := locateOrigin(d.ctx, d.c.Model, d.c.Hub, d.show)
	if err != nil {
		return "", err
	}
	if d.c.DoTrain {
		if err := from.Train(adapterOptions(d.c.LoRA), modelNamed(d.c.Model), d.c.Seed); err != nil {
			return "", err
		}
	}
	path := from.Base
	source, err := weights.Open(d.ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	t, err := qa.LoadTokenizer(d.ctx, from.TokenizerFolder())
	if err != nil {
		return "", err
	}
	files := source.Files()
	if from.Adapter != "" {
		adapter, _, err := weights.OpenAdapter(d.ctx, from.Adapter)
		if err != nil {
			return "", err
		}
		maps.Copy(files, adapter.Files())
		if err := adapter.Close(); err != nil {
			return "", err
		}
	}
	beside := func(linears []tape.Weight) (h holding, err error) {
		h.half, h.frozen = d.half, !d.c.DoTrain
		matrices, err := from.Matrices(linears)
		for _, w := range matrices {
			h.adapter += w.Size()
		}
		if h.bits = from.Bits; h.bits > 0 {
			for _, w := range linears {
				h.quantised += w.Size()
			}
		}
		return h, err
	}
	fuses, err := qa.IsFiD(source.Config(), qa.AnyKind)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	d.text, d.fuses = &qa.TextSide{Folder: from.TokenizerFolder(), Config: source.Config(), Files: files, Tokenizer: t}, fuses
	var of []tape.Weight
	var need memory
	if fuses {
		c, err := qa.FiDConfig(source)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		d.embeddings = c.Vocabulary
		h, err := beside(c.Linears())
		if err != nil {
			return "", err
		}
		of, need = c.Weights(), needFusion(c, h, d.c)
	} else {
		c, err := qa.DecoderConfig(source)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		h, err := beside(c.Linears())
		if err != nil {
			return "", err
		}
		of, need = c.Weights(), needDecoder(c, h, d.c)
		d.decoder, d.embeddings = &c, c.Vocabulary
	}
	if !d.command {
		for _, note := range qa.Notes(source, of, d.c.DoTrain) {
			d.show.Warn("%s", note)
		}
	}
	for _, w := range of {
		shape, ok := source.Shape(w.Name)
		if !ok {
			return "", fmt.Errorf("%s: no weight %s; expected one of dimensions %v; is this the folder of a whole model?", path, w.Name, w.Dims)
		}
		if fmt.Sprint(shape) != fmt.Sprint(w.Dims) {
			return "", fmt.Errorf("%s: weight %s has dimensions %v; expected %v, as config.json says", path, w.Name, shape, w.Dims)
		}
	}
	return d.enough(need)
}

// attention says how a GPU attends over a row that has a micro-batch for itself.
func (d *checks) attention() (string, error) {
	if d.command || d.decoder == nil || d.xla == nil || d.xla.OnHost() {
		return "", nil
	}
	if !d.half {
		return "as a graph, in f32", nil
	}
	if err := nn.CheckCausal(d.xla, d.decoder.Heads, d.decoder.KVHeads, d.decoder.HeadWidth); err != nil {
		return fmt.Sprintf("as a graph; a row alone in its micro-batch takes more memory so (%v)", err), nil
	}
	return "by cuDNN where a row has a micro-batch for itself, else as a graph", nil
}

// enough says what a model needs and whether that is there.
func (d *checks) enough(need memory) (string, error) {
	found, warning, err := need.against(d.c, d.memoryThere())
	if warning != "" {
		d.show.Warn("memory: %s", warning)
	}
	return found, err
}

// clear is the part of what is there that a forecast must exceed it by before a
// run is refused: forecasts are that exact.
const clear = 0.1

// against says what is needed and what is there. What is clearly too little is an
// error, unless the settings say to go on.
func (need memory) against(c config.Train, there available) (found, warning string, err error) {
	most, what := need.Evaluation, "evaluation"
	found = fmt.Sprintf("%s, %.1f million weights; memory: ", need.Type, float64(need.Weights)/1e6)
	if c.DoTrain {
		found += fmt.Sprintf("training about %.1f GB, ", gigabytes(need.Training))
		if need.Training > most {
			most, what = need.Training, "training"
		}
	}
	found += fmt.Sprintf("evaluation %.1f GB", gigabytes(need.Evaluation))
	if there.bytes == 0 {
		return found, "", nil
	}
	found += fmt.Sprintf(", available %.1f GB (%s)", gigabytes(there.bytes), there.of)
	if most <= there.bytes {
		return found, "", nil
	}
	problem := fmt.Sprintf("%s takes about %.1f GB, and %.1f GB are available (%s)", what, gigabytes(most), gigabytes(there.bytes), there.of)
	do := fmt.Sprintf("lower %s, or take a smaller model or a larger machine", need.Setting)
	if float64(most) <= float64(there.bytes)*(1+clear) || c.OnLowMemory == "warn" {
		return found, problem + "; it may be ended by the system; " + do, nil
	}
	return "", "", fmt.Errorf("memory: %s; expected %.1f GB at least; %s, or try all the same with --on_low_memory warn", problem, gigabytes(most), do)
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
	frozen    bool // nothing is trained: no gradients, no moments
	adapter   int  // weights of an adapter, 0 for none
	quantised int  // weights held in few bits
	bits      int  // that such a weight takes beside its block's scale
}

// needDecoder predicts memory from the shapes: the weights with what training
// holds beside them, what the layers keep for the longest micro-batch, and the
// logits of one call of the head; for evaluation the weights as training holds
// them and the key/value cache.
func needDecoder(c llama.Config, h holding, s config.Train) memory {
	width, held, head := h.bytes(c.Parameters(), c.Vocabulary, c.Width, tape.TermsPerCall(onHost(s.Engine)))
	tokens := c.Within(s.MaxSeqLength)
	positions := largest(s, batch.PackingFor(onHost(s.Engine)).Capacity, int64(tokens))
	attended := int64(2*c.Heads*c.HeadWidth + 2*c.KVHeads*c.HeadWidth)
	perLayer := (attended+int64(2*c.Width+2*c.Inner))*width + int64(4*c.Heads)
	cache := product(s.PerDeviceEvalBatchSize, tokens+s.EvalMaxNewTokens, c.Layers, 2*c.KVHeads, c.HeadWidth, int(width))
	return memory{
		Type: c.Type, Weights: int64(c.Parameters()), Setting: "max_seq_length",
		Training:   held + product(int(positions), int(perLayer), c.Layers) + head + program,
		Evaluation: held + cache*2 + program,
	}
}

// largest is how many positions the largest micro-batch has, of rows of that length.
func largest(s config.Train, capacity int, row int64) int64 {
	return max(row, min(int64(capacity), product(int(row), s.PerDeviceTrainBatchSize)))
}

// product is that of numbers, or what is far beyond any memory, of which a few
// can be added.
func product(factors ...int) int64 {
	const beyond = math.MaxInt64 / 16
	p := 1.0
	for _, f := range factors {
		p *= float64(f)
	}
	return int64(min(p, beyond))
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
	if h.adapter > 0 || h.frozen {
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
	row := product(int(passages), cmp.Or(s.MaxEncoderSeqLength, qa.MaxPassageTokens))
	positions := largest(s, batch.FusionPackingFor(onHost(s.Engine)).Capacity, row)
	heads := int64(c.Heads * c.HeadWidth)
	perLayer := int64(4*c.Width+3*c.Inner)*width + 4*heads*width
	states := product(s.PerDeviceEvalBatchSize, int(row), c.DecoderLayers, 2, int(heads), int(width))
	return memory{
		Type: c.Type, Weights: int64(c.Parameters()), Setting: "max_encoder_seq_length",
		Training:   held + product(int(positions), int(perLayer*int64(c.Layers)+2*heads*width*int64(c.DecoderLayers))) + head + program,
		Evaluation: held + states + program,
	}
}

func gigabytes(n int64) float64 { return float64(n) / 1e9 }

// rows reads a file of rows, and looks whether they fit.
func (d *checks) rows(name, path string) (string, error) {
	if path == "" || d.command {
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
		template = prompt.Default(promptOptions(d.c.Prompt).Format(""))
	}
	if examples, warning, err = qa.CheckSpeakers(template, path, examples, d.c.OnBadRows == "skip"); err != nil {
		return "", err
	}
	if warning != "" {
		d.show.Warn("%s", warning)
	}
	if err := d.fit(name, path, examples); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %d rows", path, len(examples)), nil
}

// fit looks whether rows fit: learnt ones with their answers, and those that are
// answered with room for that.
func (d *checks) fit(name, path string, examples []dataset.Example) error {
	if d.text == nil || d.template == nil {
		return nil
	}
	e := &recipe.Encoder{Tokenizer: d.text.Tokenizer, Template: d.template, MaxTokens: d.c.MaxSeqLength, Embeddings: d.embeddings}
	if d.decoder != nil {
		e.MaxTokens = d.decoder.Within(d.c.MaxSeqLength)
	}
	learnt := func() error { _, err := e.Rows(examples, qa.GoldContexts(examples)); return err }
	asked := func() error { return qa.DecoderRoom(e, d.c.EvalMaxNewTokens, examples) }
	if d.fuses {
		e.MaxTokens = cmp.Or(d.c.MaxEncoderSeqLength, d.was.MaxTokens, qa.MaxPassageTokens)
		f := &recipe.Fusion{Encoder: e, MaxAnswer: cmp.Or(d.c.MaxDecoderSeqLength, d.was.MaxAnswer, qa.MaxAnswerTokens)}
		learnt = func() error { _, err := f.Rows(examples, qa.GoldContexts(examples)); return err }
		asked = func() error { return f.Fits(examples) }
	}
	var err error
	if d.c.DoTrain && name != "test_file" {
		err = learnt()
	}
	var over *recipe.Overflow
	if errors.As(err, &over) && d.c.OnOverflow == "skip" && len(over.Rows) < len(examples) {
		d.show.Warn("%s: %v; they are passed over", path, over)
		err = nil
	}
	if err == nil && name != "train_file" {
		if err = asked(); errors.As(err, &over) && d.c.OnOverflow == "skip" && len(over.Rows) < len(examples) {
			d.show.Warn("%s: %v; they are left out of the answers", path, over)
			err = nil
		}
	}
	if err = cmp.Or(err, qa.CheckGold(e, examples)); err != nil {
		return qa.InFile(path, examples, err)
	}
	return nil
}

func (d *checks) documentFile() (string, error) {
	if d.c.FullDatasetFilePath == "" || d.command && !d.retrieves() {
		return "", nil
	}
	docs, err := d.documents()
	if err != nil {
		return "", err
	}
	if d.text != nil {
		if err := qa.CheckTexts(d.text.Tokenizer, d.embeddings, "documents", len(docs), func(i int) string { return docs[i].Text() }); err != nil {
			return "", fmt.Errorf("%s: %w", d.c.FullDatasetFilePath, err)
		}
	}
	return fmt.Sprintf("%s: %d documents", d.c.FullDatasetFilePath, len(docs)), nil
}

// embedding loads the embedding model as an evaluation would.
func (d *checks) embedding() (_ string, err error) {
	if d.c.EvalEmbeddingModel == "" || d.xla == nil || d.command {
		return "", nil
	}
	folder, err := locateNamed(d.ctx, d.c.EvalEmbeddingModel, d.c.Hub, d.show)
	if err != nil {
		return "", err
	}
	e, err := qa.OpenEmbedder(d.ctx, d.xla, folder, d.c.EvalEmbeddingModel, d.half)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	metric, err := e.Metric(similarity(d.c.Similarity), d.show)
	if err == nil && d.c.FullDatasetFilePath != "" {
		var docs []dataset.Document
		if docs, err = d.documents(); err == nil {
			err = e.WarnOfLong(d.ctx, docs, d.show)
		}
	}
	return fmt.Sprintf("%s, %d wide, by %s", e.Name(), e.Width(), metric), err
}
