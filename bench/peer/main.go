// Command peer is gorqa's side of the benchmarks: it takes the JSON objects of
// the Python programs beside it and prints the same line of figures. It measures
// and decides nothing else; bench/run.py puts the two sides next to each other.
//
//	peer train|lora|attention|embed|evaluate '{"model": …}'
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"gorqa/app"
	"gorqa/batch"
	"gorqa/config"
	"gorqa/engine/xla"
	"gorqa/files/weights"
	"gorqa/files/wheel"
	"gorqa/qa"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
	"gorqa/tensor/train"
	"gorqa/tensor/train/schedule"
	"gorqa/text/retrieve"
)

// arguments are those of the Python peers that gorqa's side knows.
type arguments struct {
	Engine       string  `json:"engine"` // as gorqa fetch engine names it
	Model        string  `json:"model"`
	Rows         string  `json:"rows"`
	Texts        string  `json:"texts"`
	Tokens       int     `json:"tokens"`
	Limit        int     `json:"limit"`
	Steps        int     `json:"steps"`
	UntimedSteps int     `json:"untimed_steps"`
	RowsPerStep  int     `json:"rows_per_step"`
	LearningRate float64 `json:"learning_rate"`
	WarmupSteps  int     `json:"warmup_steps"`
	TotalSteps   int     `json:"total_steps"`
	WeightDecay  float64 `json:"weight_decay"`
	EightBit     bool    `json:"eight_bit"` // moments, as --optim adamw_8bit has them
	MaxGradNorm  float64 `json:"max_grad_norm"`
	Adapter      string  `json:"adapter"` // a folder in PEFT's format, see lora
	Batch        int     `json:"batch"`
	MaxNewTokens int     `json:"max_new_tokens"`
	BF16Encoder  bool    `json:"bf16_encoder"` // in embed
	Embedder     string  `json:"embedder"`
	Test         string  `json:"test"`
	Documents    string  `json:"documents"`
	Index        string  `json:"index"`
	Output       string  `json:"output"`
	K            int     `json:"k"`
	Vectors      string  `json:"vectors"` // in search
	SearchRows   int     `json:"rows_to_search"`
	Width        int     `json:"width"`
	Queries      int     `json:"queries"`
}

// figures are the line that a peer prints.
type figures struct {
	RowsPerSecond   float64            `json:"rows_per_second"`
	TokensPerSecond float64            `json:"tokens_per_second,omitempty"`
	PeakRSS         float64            `json:"peak_rss_gb"`
	PeakDevice      float64            `json:"peak_device_gb,omitempty"` // of a GPU's memory
	Loss            []float64          `json:"loss,omitempty"`
	Scores          map[string]float64 `json:"scores,omitempty"`
	Versions        map[string]string  `json:"versions"`
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	programs := map[string]func(context.Context, *xla.Engine, arguments) (figures, error){
		"train": trainRows, "lora": trainAdapter, "attention": trainLong, "embed": vectors, "evaluate": evaluation, "search": search,
	}
	if len(args) != 2 || programs[args[0]] == nil {
		return fmt.Errorf("arguments %q; expected train, lora, attention, embed, evaluate or search, and a JSON object", args)
	}
	a := arguments{
		Engine: "cpu", Tokens: 2048, Steps: 4, UntimedSteps: 2, RowsPerStep: 8, LearningRate: 1e-4, WarmupSteps: 7, TotalSteps: 71,
		WeightDecay: 0.01, MaxGradNorm: 1, Batch: 8, MaxNewTokens: 128, K: 4, SearchRows: 400_000, Width: 384, Queries: 256,
	}
	d := json.NewDecoder(strings.NewReader(args[1]))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	plugin, err := wheel.Engine(ctx, wheel.Options{Variant: a.Engine})
	if err != nil {
		return err
	}
	e, err := xla.Open(a.Engine, plugin)
	if err != nil {
		return err
	}
	f, err := programs[args[0]](ctx, e, a)
	if err != nil {
		return err
	}
	if f.PeakRSS, err = peak(); err != nil {
		return err
	}
	f.PeakDevice = float64(e.PeakMemory()) / (1 << 30)
	f.Versions = map[string]string{"go": runtime.Version()}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// peak is the largest resident size of the process so far, in GiB.
func peak() (float64, error) {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }() // only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / (1 << 20), err
		}
	}
	return 0, errors.Join(errors.New("no VmHWM in /proc/self/status"), lines.Err())
}

// decoder loads a model as gorqa computes on this machine: in bf16 where the
// device is fast at it, else in f32.
func decoder(ctx context.Context, e *xla.Engine, path string, trained bool) (_ *llama.Model, _ *tape.Runner, err error) {
	source, err := weights.Open(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	c, err := llama.ParseConfig(source.Config())
	if err != nil {
		return nil, nil, err
	}
	bf16 := e.FastBF16()
	params := tape.NewParams(e, bf16)
	if err := params.Load(ctx, c.Weights(), source, trained, nil); err != nil {
		return nil, nil, err
	}
	return llama.New(c, bf16), tape.NewRunner(e, params), nil
}

// read reads a JSON file, no more than limit entries of it if limit is not 0.
func read[T any](path string, limit int) ([]T, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []T
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if limit > 0 && limit < len(list) {
		list = list[:limit]
	}
	return list, nil
}

// trainRows is train.py: the rows in their order, loss on the answer.
func trainRows(ctx context.Context, e *xla.Engine, a arguments) (figures, error) {
	m, r, err := decoder(ctx, e, a.Model, true)
	if err != nil {
		return figures{}, err
	}
	return trainOn(ctx, e, m, r, a)
}

// trainAdapter is lora.py: the same with an adapter on every linear layer.
func trainAdapter(ctx context.Context, e *xla.Engine, a arguments) (_ figures, err error) {
	m, r, err := decoder(ctx, e, a.Model, false)
	if err != nil {
		return figures{}, err
	}
	adapter, lora, err := weights.OpenAdapter(ctx, a.Adapter)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, adapter.Close()) }()
	if err := r.Params.Load(ctx, tape.Adapters(m.Config.Linears(), lora.Rank), adapter, true, nil); err != nil {
		return figures{}, err
	}
	r.Adapter = nn.Adapter{Scale: lora.Scale()}
	return trainOn(ctx, e, m, r, a)
}

// trainOn trains on the rows of a.Rows.
func trainOn(ctx context.Context, e *xla.Engine, m *llama.Model, r *tape.Runner, a arguments) (figures, error) {
	list, err := read[struct {
		IDs    []int32 `json:"ids"`
		Labels []int   `json:"labels"`
	}](a.Rows, 0)
	if err != nil {
		return figures{}, err
	}
	rows := make([]batch.Row, len(list))
	for i, r := range list {
		from := 0
		for from < len(r.Labels) && r.Labels[from] == 0 {
			from++
		}
		rows[i] = batch.Row{Tokens: r.IDs, From: from, Index: i}
	}
	return steps(ctx, e, m, r, rows, a)
}

// trainLong is attention.py: one long row a step, its last fifth the answer.
func trainLong(ctx context.Context, e *xla.Engine, a arguments) (figures, error) {
	m, r, err := decoder(ctx, e, a.Model, true)
	if err != nil {
		return figures{}, err
	}
	random := rand.New(rand.NewPCG(0, 0))
	a.RowsPerStep = 1
	rows := make([]batch.Row, a.Steps)
	for i := range rows {
		rows[i] = batch.Row{Tokens: make([]int32, a.Tokens), From: a.Tokens - a.Tokens/5, Index: i}
		for j := range rows[i].Tokens {
			rows[i].Tokens[j] = int32(3 + random.IntN(m.Config.Vocabulary-3))
		}
	}
	return steps(ctx, e, m, r, rows, a)
}

// steps trains for a.Steps steps and times those after the first a.UntimedSteps.
func steps(ctx context.Context, e *xla.Engine, m *llama.Model, r *tape.Runner, rows []batch.Row, a arguments) (figures, error) {
	var f figures
	if len(rows) < a.Steps*a.RowsPerStep {
		return f, fmt.Errorf("%d rows; expected %d for %d steps of %d", len(rows), a.Steps*a.RowsPerStep, a.Steps, a.RowsPerStep)
	}
	if a.Steps <= a.UntimedSteps {
		return f, fmt.Errorf("%d steps, of which the first %d are not timed; expected more", a.Steps, a.UntimedSteps)
	}
	adam := train.DefaultAdam()
	adam.WeightDecay, adam.MaxGradNorm, adam.EightBit = a.WeightDecay, a.MaxGradNorm, a.EightBit
	job := &timed{model: m, packing: r.Device.Decoder, rows: rows, a: a, started: time.Now()}
	loop := train.Loop{
		Runner: r, Job: job, StopAfter: a.Steps, Adam: adam,
		Schedule: schedule.Schedule{Kind: "cosine", Peak: a.LearningRate, Warmup: a.WarmupSteps, Steps: max(a.TotalSteps, a.Steps+1)},
	}
	if err := loop.Run(ctx, ""); err != nil {
		return f, err
	}
	seconds := time.Since(job.started).Seconds()
	f.Loss = job.losses
	f.RowsPerSecond, f.TokensPerSecond = float64(job.timedRows)/seconds, float64(job.timedTokens)/seconds
	return f, nil
}

// timed trains on rows in their order; it is neither scored nor saved.
type timed struct {
	train.Job
	model                  *llama.Model
	packing                batch.Packing
	rows                   []batch.Row
	a                      arguments
	losses                 []float64
	timedRows, timedTokens int
	started                time.Time
}

func (j *timed) Work(n int) (train.Work, error) {
	from := (n - 1) * j.a.RowsPerStep % len(j.rows)
	window := j.rows[from:min(from+j.a.RowsPerStep, len(j.rows))]
	packed := j.packing.Pack(window)
	w := train.Work{Batches: train.MicroBatches(j.model.Loss, packed)}
	for _, row := range window {
		w.Rows = append(w.Rows, row.Index)
		w.Tokens += len(row.Tokens)
	}
	for _, b := range packed {
		w.Terms += b.Terms
	}
	return w, nil
}

func (j *timed) Done(s train.Step) error {
	j.losses = append(j.losses, s.Loss)
	j.timedRows, j.timedTokens = j.timedRows+s.Rows, j.timedTokens+s.Tokens
	if s.Number == j.a.UntimedSteps {
		j.timedRows, j.timedTokens, j.started = 0, 0, time.Now()
	}
	return nil
}

// vectors is embed.py.
func vectors(ctx context.Context, e *xla.Engine, a arguments) (figures, error) {
	texts, err := read[string](a.Texts, a.Limit)
	if err != nil {
		return figures{}, err
	}
	model, err := qa.OpenEmbedder(ctx, qa.Device{Engine: e, BF16: a.BF16Encoder}, a.Model, a.Model)
	if err != nil {
		return figures{}, err
	}
	started := time.Now()
	if _, err := model.Embed(ctx, texts, retrieve.Passage); err != nil {
		return figures{}, err
	}
	return figures{RowsPerSecond: float64(len(texts)) / time.Since(started).Seconds()}, nil
}

// evaluation is evaluate.py: gorqa eval, by its own end-to-end latency, which
// begins when everything is loaded and leaves out the scoring. It opens an engine
// of its own.
func evaluation(ctx context.Context, _ *xla.Engine, a arguments) (figures, error) {
	rows, err := read[json.RawMessage](a.Test, a.Limit)
	if err != nil {
		return figures{}, err
	}
	c := config.DefaultEval()
	c.ModelNameOrPath, c.SepSys, c.OutputDir, c.TestFile = a.Model, new("<|im_end|>"), a.Output, filepath.Join(a.Output, "test.jsonl")
	c.FullDatasetFilePath, c.FullDatasetIndexPath, c.EvalEmbeddingModel, c.EvalK = a.Documents, a.Index, a.Embedder, a.K
	c.PerDeviceEvalBatchSize, c.EvalMaxNewTokens, c.Backend = a.Batch, a.MaxNewTokens, "xla:"+a.Engine
	var lines bytes.Buffer
	for _, row := range rows {
		fmt.Fprintf(&lines, "%s\n", row)
	}
	if err := errors.Join(os.MkdirAll(a.Output, 0o755), os.WriteFile(c.TestFile, lines.Bytes(), 0o644)); err != nil {
		return figures{}, err
	}
	if err := app.Eval(ctx, c, app.Streams{Err: os.Stderr}); err != nil {
		return figures{}, err
	}
	data, err := os.ReadFile(filepath.Join(a.Output, "score.json"))
	if err != nil {
		return figures{}, err
	}
	var metrics map[string]float64
	if err := json.Unmarshal(data, &metrics); err != nil {
		return figures{}, err
	}
	return figures{
		RowsPerSecond: 1 / metrics["test_e2e/latency/avg_latency"],
		Scores:        map[string]float64{"f1": metrics["test_gen/f1/avg_f1_ans"], "rouge_l": metrics["test_gen/rouge/avg_rougeL_ans"]},
	}, nil
}
