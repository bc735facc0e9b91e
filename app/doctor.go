package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"gorqa/config"
	"gorqa/qa"
	"gorqa/report"
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
	d.fetchesNothing = true
	first, then := d.list()
	for _, c := range append(then, first...) {
		if c.name == "attention" && !d.attends() {
			continue
		}
		d.check(ctx, c.name, c.look)
	}
	if c.Forecast {
		d.forecast(ctx)
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
func (d *checks) prompt(context.Context) (string, error) {
	if d.text == nil {
		return "", nil
	}
	chosen, err := d.text.UsePrompt(promptOptions(d.c.Prompt))
	if err != nil {
		return "", err
	}
	if _, err := d.text.Ends(); err != nil {
		return "", err
	}
	d.asked = true
	if d.command { // which says the same once it has the model
		return chosen.What, nil
	}
	for _, w := range chosen.Warnings {
		d.show.Warn("%s", w)
	}
	if w := d.text.SeparatorWarning(chosen); w != "" {
		d.show.Warn("%s", w)
	}
	found := d.text.PromptLine(chosen)
	if chosen.Template.Blocks() {
		found += fmt.Sprintf("; a passage of 512 tokens has %.1f MB of keys and values, of which kv_cache_gb keeps some in memory and kv_cache_dir all on disk", float64(d.text.PassageBytes(512, d.device.BF16))/1e6)
	}
	return found, nil
}

// check runs one check and prints a line: what was found, or what is wrong. An
// empty finding says that the settings name nothing to look at.
func (d *doctor) check(ctx context.Context, name string, look func(context.Context) (found string, err error)) {
	found, err := look(ctx)
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

func (d *checks) engine(ctx context.Context) (string, error) {
	if d.noEngine {
		return "", nil
	}
	var err error
	if d.device, err = d.openEngine(ctx, d.c.Engine); err != nil {
		return "", err
	}
	precision := "f32"
	if d.device.BF16 {
		precision = "bf16 over f32 weights"
	}
	found := fmt.Sprintf("%s, computing in %s", d.device.Engine.Describe(), precision)
	if d.device.Native() {
		isa, err := kernels()
		if err != nil {
			return "", err
		}
		found += "; " + isa
	}
	return found, nil
}

// model checks configuration, weights, tokenizer and memory.
func (d *checks) model(ctx context.Context) (_ string, err error) {
	switch {
	case d.c.ConfigName != "":
		fresh, err := d.locateFresh(ctx, d.c.Fresh)
		if err != nil {
			return "", err
		}
		if d.text, err = qa.LookFresh(ctx, fresh); err != nil {
			return "", err
		}
	case d.c.ModelNameOrPath == "":
		return "", nil
	default:
		from, err := d.locateOrigin(ctx, d.c.Model)
		if err != nil {
			return "", err
		}
		if d.c.DoTrain {
			if err := from.Train(adapterOptions(d.c.LoRA), modelNamed(d.c.Model), d.c.Seed); err != nil {
				return "", err
			}
		}
		if d.text, err = qa.Look(ctx, from, d.c.DoTrain); err != nil {
			return "", err
		}
	}
	of := memoryOptions(d.c, d.device.BF16)
	of.Encoders = d.encoders(ctx)
	need, err := d.text.Memory(of)
	if err != nil {
		return "", err
	}
	if !d.command {
		for _, note := range d.text.Notes {
			d.show.Warn("%s", note)
		}
	}
	if d.text.Damage != nil {
		return "", d.text.Damage
	}
	found, warning, err := enough(need, d.c, d.memoryThere(ctx))
	if warning != "" {
		d.show.Warn("memory: %s", warning)
	}
	return found, err
}

// encoders is the memory of the embedding model and of the reranker. What is wrong with
// one is for its own check to say.
func (d *checks) encoders(ctx context.Context) (bytes int64) {
	var names []string
	if d.c.Retrieves() && d.c.EvalRetriever != config.BM25 && d.c.EvalRetriever != config.OpenAI {
		names = append(names, d.c.EvalEmbeddingModel)
	}
	for _, name := range append(names, d.c.Reranker) {
		if name == "" {
			continue
		}
		if folder, err := d.locateNamed(ctx, name); err == nil {
			if n, err := qa.EncoderMemory(ctx, folder, d.device.BF16, onHost(d.c.Engine)); err == nil {
				bytes += n
			}
		}
	}
	return bytes
}

// attention says how a GPU attends over a row that has a micro-batch for itself.
func (d *checks) attention(context.Context) (string, error) {
	if d.command || !d.attends() {
		return "", nil
	}
	if !d.device.BF16 {
		return "as a graph, in f32", nil
	}
	if err := d.text.CheckCausal(d.device); err != nil {
		return fmt.Sprintf("as a graph; a row alone in its micro-batch takes more memory so (%v)", err), nil
	}
	return "by cuDNN where a row has a micro-batch for itself, else as a graph", nil
}

// attends says whether the model has causal attention that a GPU computes.
func (d *checks) attends() bool {
	if d.text == nil || d.device.Engine == nil || d.device.Native() {
		return false
	}
	return d.text.Causal()
}

// clear is the part of what is there that a forecast must exceed it by before a
// run is refused: forecasts are that exact.
const clear = 0.1

// enough says what is needed and what is there. What is clearly too little is an
// error, unless the settings say to go on.
func enough(need qa.Memory, c config.Train, there available) (found, warning string, err error) {
	most, what := need.Evaluation, "evaluation"
	found = fmt.Sprintf("%s, %.1f million weights; memory: ", need.Type, float64(need.Weights)/1e6)
	if c.DoTrain {
		found += fmt.Sprintf("training about %.1f GB, ", gigabytes(need.Training))
		if need.Training > most {
			most, what = need.Training, "training"
		}
	}
	found += fmt.Sprintf("evaluation %.1f GB", gigabytes(need.Evaluation))
	if stage := cmp.Or(c.ZeroStage, 2); c.DoTrain && !c.EightBit() { // whose moments are not divided
		found += fmt.Sprintf(", training on 2, 4 or 8 processes with zero_stage %d: %.1f, %.1f or %.1f GB each", stage,
			gigabytes(need.Each(2, stage)), gigabytes(need.Each(4, stage)), gigabytes(need.Each(8, stage)))
	}
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

func gigabytes(n int64) float64 { return float64(n) / 1e9 }

// rows reads a file of rows, and looks whether they fit.
func (d *checks) rows(ctx context.Context, name, path string) (string, error) {
	if path == "" || d.command && len(d.read[name]) == 0 {
		return "", nil
	}
	examples, warning, err := d.read[name], "", error(nil)
	if !d.command {
		examples, warning, err = readExamples(ctx, path, d.c.OnBadRows == "skip")
	}
	if err != nil {
		return "", err
	}
	if warning != "" {
		d.show.Warn("%s", warning)
	}
	template := prompt.Default(promptOptions(d.c.Prompt).Format(""))
	if d.asked {
		template = d.text.Encoder.Template
	}
	if examples, warning, err = qa.CheckSpeakers(template, path, examples, d.c.OnBadRows == "skip"); err != nil {
		return "", err
	}
	if warning != "" && !d.command {
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
	if !d.asked {
		return nil
	}
	var err error
	var over *recipe.Overflow
	skipped := func(err error) bool {
		return errors.As(err, &over) && d.c.OnOverflow == "skip" && len(over.Rows) < len(examples)
	}
	if name != "train_file" {
		if err = d.text.Room(examples, d.c.EvalMaxNewTokens); skipped(err) {
			d.leftOut("%s: %v; they are left out of the answers", path, over)
			err = nil
		} else if errors.As(err, &over) {
			return fmt.Errorf("%s: questions to answer: %w", path, err)
		}
	}
	if err == nil && d.c.DoTrain && name != "test_file" {
		contexts := qa.GoldContexts(examples)
		if d.command { // passages never make a row too long, and are looked at as they are encoded
			contexts = make([]recipe.Context, len(examples))
		}
		if err = d.text.Fits(examples, contexts); skipped(err) {
			d.leftOut("%s: %v; they are left out", path, over)
			err = nil
		}
	}
	if err = cmp.Or(err, qa.CheckGold(d.text.Encoder, examples)); err != nil {
		return qa.InFile(path, examples, err)
	}
	return nil
}

// leftOut warns of rows that are left out, which a command does once it leaves them.
func (d *checks) leftOut(format string, args ...any) {
	if !d.command {
		d.show.Warn(format, args...)
	}
}

func (d *checks) documentFile(context.Context) (string, error) {
	if d.c.FullDatasetFilePath == "" || d.command && !d.retrieves() {
		return "", nil
	}
	docs, err := d.documents()
	if err != nil {
		return "", err
	}
	if d.text != nil {
		if err := qa.CheckTexts(d.text.Tokenizer, d.text.Encoder.Embeddings, "documents", len(docs), func(i int) string { return docs[i].Text() }); err != nil {
			return "", fmt.Errorf("%s: %w", d.c.FullDatasetFilePath, err)
		}
	}
	return fmt.Sprintf("%s: %d documents", d.c.FullDatasetFilePath, len(docs)), nil
}

// embedders looks at the embedding models that a command will load once it has the
// generator: whether they are there and of a kind that is known.
func (d *checks) embedders(ctx context.Context) error {
	var names []string
	if (d.index || d.c.Retrieves()) && d.c.EvalEmbeds() {
		names = append(names, d.c.EvalEmbeddingModel)
	}
	if d.c.Augments() && d.c.Embeds() {
		names = append(names, d.c.EmbeddingModel)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name == "" {
			continue
		}
		folder, err := d.locateNamed(ctx, name)
		if err == nil {
			_, err = qa.OpenPassageTokens(ctx, folder, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// embedding loads the embedding model as an evaluation would.
func (d *checks) embedding(ctx context.Context) (_ string, err error) {
	if d.command {
		return "", d.embedders(ctx)
	}
	if d.c.EvalEmbeddingModel == "" || !d.c.EvalEmbeds() || d.device.Engine == nil {
		return "", nil
	}
	folder, err := d.locateNamed(ctx, d.c.EvalEmbeddingModel)
	if err != nil {
		return "", err
	}
	e, err := qa.OpenEmbedder(ctx, d.device, folder, d.c.EvalEmbeddingModel)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	metric, err := e.Metric(similarity(d.c.Similarity), d.show)
	if err == nil && d.c.FullDatasetFilePath != "" {
		var docs []dataset.Document
		if docs, err = d.documents(); err == nil {
			err = e.WarnOfLong(ctx, docs, d.show)
		}
	}
	return fmt.Sprintf("%s, %d wide, by %s", e.Name(), e.Width(), metric), err
}

// reranker loads the cross-encoder as an evaluation would.
func (d *checks) reranker(ctx context.Context) (string, error) {
	if d.c.Reranker == "" || d.device.Engine == nil || d.command {
		return "", nil
	}
	r, err := d.openReranker(ctx, d.c.Reranker)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, for the first %d passages", r.Name(), d.c.RerankTop), r.Close()
}
