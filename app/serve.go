package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"gorqa/config"
	"gorqa/files/whole"
	"gorqa/report"
	"gorqa/serve"
	"gorqa/text/evaluate"
	"gorqa/text/retrieve"
)

// Serve answers questions over HTTP until the context ends, and then what is under way.
func Serve(ctx context.Context, c config.Serve, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	if c.FeedbackFile != "" {
		if err := whole.CheckFile(c.FeedbackFile); err != nil { // before the model is loaded
			return fmt.Errorf("feedback_file: %w", err)
		}
	}
	scoring := config.DefaultScoring()
	scoring.PerDeviceEvalBatchSize = c.MaxNumSeqs
	if !c.Documents() {
		scoring.EvalContexts = []string{string(evaluate.Gold)}
	}
	ready := newChecks(ctx, answering(c.Answering, scoring, c.Seed), show)
	if err := ready.run(ctx); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("%w; is another program there? Choose another one with --port", err)
	}
	defer func() { // Serve closes it, unless it was never called
		if e := listener.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}()
	x, err := ready.openAnswering(ctx, ready.c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.close(), x.generator.Loaded().Params.Free()) }()
	o := x.serving(c)
	if c.FeedbackFile != "" {
		keep, closeFile, err := openFeedback(c.FeedbackFile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeFile()) }()
		o.Feedback = keep
	}
	show.Say("Serving %s at http://%s (the page), /v1 for clients of OpenAI's API; Ctrl-C ends it", o.Name, listener.Addr())
	if ip := net.ParseIP(c.Host); o.Key == "" && (ip == nil || !ip.IsLoopback()) && c.Host != "localhost" {
		show.Warn("host: %s is open to others, and no key is asked for: everybody who reaches it can ask, and read the documents; use --api_key, or --host 127.0.0.1", c.Host)
	}
	return serve.New(o).Serve(ctx, listener, c.Grace())
}

// serving are the server's options.
func (x *evaluation) serving(c config.Serve) serve.Options {
	o := serve.Options{
		Name: cmp.Or(c.ServedModelName, strings.TrimSuffix(filepath.Base(c.ModelNameOrPath), ".gguf")), Model: x.generator, Batch: c.MaxNumSeqs,
		Generation: generationOptions(c.Generation, c.MaxNumSeqs, c.Seed),
		Key:        cmp.Or(c.APIKey, os.Getenv("GORQA_API_KEY")), MaxWaiting: c.MaxWaiting, Timeout: c.Timeout(),
	}
	if x.retriever != nil {
		o.Retrieve = x.cite
	}
	if x.passages != nil && x.passages.Embedder() != nil {
		o.EmbedderName = filepath.Base(c.EvalEmbeddingModel)
		o.Embed = func(ctx context.Context, texts []string, questions bool) ([][]float32, int, error) {
			kind := retrieve.Passage
			if questions {
				kind = retrieve.Query
			}
			vectors, err := x.passages.Embedder().Embed(ctx, texts, kind)
			return vectors, x.passages.Embedder().Tokens(texts, kind), err
		}
	}
	if x.passages != nil && x.passages.Reranker() != nil {
		o.RerankerName = filepath.Base(c.Reranker)
		o.Rerank = func(ctx context.Context, query string, passages []string) ([]float32, int, error) {
			pairs := make([]retrieve.Pair, len(passages))
			for i, p := range passages {
				pairs[i] = retrieve.Pair{Query: query, Passage: p}
			}
			return x.passages.Reranker().ScoreCounted(ctx, pairs)
		}
	}
	return o
}

// cite finds the passages of questions.
func (x *evaluation) cite(ctx context.Context, queries []evaluate.Query) ([][]serve.Citation, error) {
	_, hits, err := x.find(ctx, queries)
	if err != nil {
		return nil, err
	}
	found := make([][]serve.Citation, len(hits))
	for i, of := range hits {
		docs, err := retrieve.ReadHits(ctx, x.retriever.Documents(), of)
		if err != nil {
			return nil, err
		}
		for j, h := range of {
			found[i] = append(found[i], serve.Citation{Index: h.Index, Score: float64(h.Score), Document: docs[j]})
		}
	}
	return found, nil
}

// openFeedback gives what adds a line to a file: the time and what was sent.
func openFeedback(path string) (keep func(json.RawMessage) error, closeFile func() error, err error) {
	if err := whole.ReadyFile(path); err != nil {
		return nil, nil, fmt.Errorf("feedback_file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("feedback_file: %w", err)
	}
	var mu sync.Mutex
	return func(sent json.RawMessage) error {
		line, err := json.Marshal(map[string]any{"time": time.Now().UTC().Format(time.RFC3339), "feedback": sent})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		_, err = f.Write(append(bytes.TrimSpace(line), '\n'))
		return err
	}, f.Close, nil
}
