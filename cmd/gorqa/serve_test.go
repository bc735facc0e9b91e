package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"gorqa/text/demodata"
)

// served is gorqa serve in a process of its own.
type served struct {
	url  string
	cmd  *exec.Cmd
	logs chan string // all that it wrote to standard error, once it has ended
}

func startServer(t *testing.T, args ...string) *served {
	t.Helper()
	return listening(t, "serve", args...)
}

// listening starts a command that answers over HTTP, and gives it once it does.
func listening(t *testing.T, command string, args ...string) *served {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{command, "--port", "0"}, args...)...)
	cmd.Args[0] = "gorqa"
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	s := &served{cmd: cmd, logs: make(chan string, 1)}
	found := make(chan string, 1)
	go func() {
		var all strings.Builder
		address := regexp.MustCompile(`http://[0-9.:]+`)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(&all, lines.Text())
			if a := address.FindString(lines.Text()); a != "" {
				found <- a
			}
		}
		close(found)
		s.logs <- all.String()
	}()
	if s.url = <-found; s.url == "" {
		t.Fatalf("the server ended:\n%s", <-s.logs)
	}
	return s
}

// answered posts a question, and gives the object that came back.
func (s *served) answered(ctx context.Context, body map[string]any) (status int, reply map[string]any, err error) {
	return s.posted(ctx, "/v1/chat/completions", body)
}

// posted posts a request, and gives the object that came back.
func (s *served) posted(ctx context.Context, path string, body map[string]any) (status int, reply map[string]any, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(string(data)))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer secret")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	return response.StatusCode, reply, json.NewDecoder(response.Body).Decode(&reply)
}

// questions are of the small data set.
func questionsOf(t *testing.T, dir string) (all []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, demodata.TrainFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var row struct{ Question string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		all = append(all, row.Question)
	}
	return all
}

// toServe makes a small model and data, and the arguments by which they are asked.
func toServe(t *testing.T) (dir string, args []string) {
	t.Helper()
	dir = t.TempDir()
	if err := smallModel(t.Context(), filepath.Join(dir, "model")); err != nil {
		t.Fatal(err)
	}
	smallData(t, dir)
	return dir, []string{
		"--model_name_or_path", filepath.Join(dir, "model"), "--sep_sys", "<|im_end|>",
		"--full_dataset_file_path", filepath.Join(dir, demodata.DocumentsFile), "--full_dataset_index_path", filepath.Join(dir, "index"),
		"--eval_embedding_model", "all-MiniLM-L6-v2", "--eval_max_new_tokens", "24", "--bf16", "false", "--eval_k", "2",
	}
}

// TestServeAnswersAsAskDoes: the official client gets, whole and streamed, the answers
// of gorqa ask, whatever else runs in the batch and whoever drops out of it; citations,
// embeddings and errors come as documented; SIGTERM lets what is under way end.
func TestServeAnswersAsAskDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes and trains nothing, but takes seconds")
	}
	dir, common := toServe(t)
	questions := questionsOf(t, dir)[:12]
	want := asked(t, questions, common)
	s := startServer(t, append(common, "--api_key", "secret", "--served_model_name", "small", "--feedback_file", filepath.Join(dir, "feedback.jsonl"))...)
	client := openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey("secret"), option.WithMaxRetries(0))

	t.Run("models", func(t *testing.T) {
		models, err := client.Models.List(t.Context())
		if err != nil || len(models.Data) != 2 || models.Data[0].ID != "small" || models.Data[1].ID != "all-MiniLM-L6-v2" {
			t.Errorf("%+v, %v; expected small and all-MiniLM-L6-v2", models, err)
		}
	})
	t.Run("answers", func(t *testing.T) { together(t, client, questions, want) })
	t.Run("citations", func(t *testing.T) {
		_, reply, err := s.answered(t.Context(), map[string]any{"messages": []any{map[string]string{"role": "user", "content": questions[0]}}, "max_tokens": 1})
		if cited, _ := reply["citations"].([]any); err != nil || len(cited) != 2 {
			t.Errorf("%v, %v; expected two citations", reply, err)
		}
		_, reply, err = s.answered(t.Context(), map[string]any{"messages": []any{map[string]string{"role": "user", "content": questions[0]}}, "max_tokens": 1, "retrieval": "none"})
		if _, found := reply["citations"]; err != nil || found {
			t.Errorf("%v, %v; expected no citations", reply, err)
		}
	})
	t.Run("embeddings", func(t *testing.T) {
		e, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "all-MiniLM-L6-v2", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: questions[:3]}})
		if err != nil || len(e.Data) != 3 || len(e.Data[2].Embedding) != 384 || e.Usage.PromptTokens < 3*3 {
			t.Errorf("%v, %+v; expected three vectors of 384, and their tokens counted", err, e.Usage)
		}
	})
	t.Run("logprobs", func(t *testing.T) { logprobs(t, client, questions[0]) })
	t.Run("refused", func(t *testing.T) { refused(t, s) })
	t.Run("page", func(t *testing.T) {
		for path, part := range map[string]string{"/": "<title>small", "/healthz": `"ok"`, "/metrics": "gorqa_generated_tokens_total"} {
			if got := fetched(t, s.url+path); !strings.Contains(got, part) {
				t.Errorf("%s holds no %q:\n%.400s", path, part, got)
			}
		}
	})
	t.Run("nothing under way", func(t *testing.T) {
		for range 100 { // the last client may have its answer just before
			if strings.Contains(fetched(t, s.url+"/metrics"), "\ngorqa_answers_running 0\n") {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Error("/metrics still counts answers under way; 0 expected")
	})
	t.Run("drains", func(t *testing.T) { drains(t, s, client, questions[0]) })
}

// asked are the answers of gorqa ask.
func asked(t *testing.T, questions, args []string) (answers []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"ask"}, args...)...)
	cmd.Args[0] = "gorqa"
	cmd.Stdin = strings.NewReader(strings.Join(questions, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(string(out), "\n\nFrom:\n") {
		for strings.HasPrefix(part, "  [") { // the sources of the answer before
			_, part, _ = strings.Cut(part, "\n")
		}
		answers = append(answers, part)
	}
	return answers[:len(questions)]
}

// together asks all questions at once, some as streams, while others drop out.
func together(t *testing.T, client openai.Client, questions, want []string) {
	var wait sync.WaitGroup
	for i, q := range questions {
		params := openai.ChatCompletionNewParams{Model: "small", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(q)}}
		if i%4 == 3 {
			wait.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(300))*time.Millisecond)
				defer cancel()
				if _, err := client.Chat.Completions.New(ctx, params); err != nil && ctx.Err() == nil {
					t.Errorf("one that drops out: %v", err)
				}
			})
		}
		wait.Go(func() {
			if i%2 == 0 {
				stream := client.Chat.Completions.NewStreaming(t.Context(), params)
				var all openai.ChatCompletionAccumulator
				for stream.Next() {
					all.AddChunk(stream.Current())
				}
				if err := stream.Err(); err != nil || len(all.Choices) != 1 || all.Choices[0].Message.Content != want[i] {
					t.Errorf("%s: streamed %+v, %v; expected %q", q, all.Choices, err, want[i])
				}
				return
			}
			a, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil || a.Choices[0].Message.Content != want[i] || a.Usage.PromptTokens == 0 || a.Usage.CompletionTokens == 0 {
				t.Errorf("%s: %+v, %v; expected %q", q, a, err, want[i])
			}
		})
	}
	wait.Wait()
}

// logprobs: each token of an answer has its probability, which a greedy answer's first of
// the likeliest shares; streamed they are the same. (That they are a full forward pass's
// is tested where they are made.)
func logprobs(t *testing.T, client openai.Client, question string) {
	params := openai.ChatCompletionNewParams{
		Model: "small", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(question)}, Logprobs: openai.Bool(true), TopLogprobs: openai.Int(3), MaxTokens: openai.Int(6),
	}
	a, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	whole := a.Choices[0].Logprobs.Content
	if int64(len(whole)) != a.Usage.CompletionTokens {
		t.Errorf("%d tokens with probabilities; expected all %d", len(whole), a.Usage.CompletionTokens)
	}
	text := ""
	for _, token := range whole {
		text += token.Token
		if len(token.TopLogprobs) != 3 || token.TopLogprobs[0].Logprob != token.Logprob || token.TopLogprobs[1].Logprob > token.Logprob || !(token.Logprob < 0) {
			t.Errorf("%+v; expected the likeliest of three", token)
		}
	}
	if strings.TrimSpace(text) != a.Choices[0].Message.Content {
		t.Errorf("tokens read %q; expected %q", text, a.Choices[0].Message.Content)
	}
	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	at := 0
	for stream.Next() {
		for _, c := range stream.Current().Choices {
			for _, token := range c.Logprobs.Content {
				if at < len(whole) && (token.Token != whole[at].Token || math.Abs(token.Logprob-whole[at].Logprob) > 1e-5) {
					t.Errorf("streamed token %d: %+v; expected %+v", at, token, whole[at])
				}
				at++
			}
		}
	}
	if stream.Err() != nil || at != len(whole) {
		t.Errorf("%d tokens streamed, %v; expected %d", at, stream.Err(), len(whole))
	}
	c, err := client.Completions.New(t.Context(), openai.CompletionNewParams{Model: "small", Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Go")}, MaxTokens: openai.Int(4), Logprobs: openai.Int(2)})
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Choices[0].Logprobs; int64(len(l.Tokens)) != c.Usage.CompletionTokens || len(l.TokenLogprobs) != len(l.Tokens) || len(l.TextOffset) != len(l.Tokens) || len(l.TopLogprobs) == 0 || l.TopLogprobs[0][l.Tokens[0]] != l.TokenLogprobs[0] {
		t.Errorf("%+v; expected the probability of each token among the likeliest", l)
	}
}

// TestServeReranks: passages come best first, with the score that each has alone.
func TestServeReranks(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	reranker, err := filepath.Abs("../../qa/testdata/rerankers/bert")
	if err != nil {
		t.Fatal(err)
	}
	_, common := toServe(t)
	s := startServer(t, append(common, "--eval_retriever", "bm25", "--reranker", reranker)...)
	if got := fetched(t, s.url+"/v1/models"); !strings.Contains(got, `"id":"bert"`) {
		t.Errorf("%s; expected the reranker among the models", got)
	}
	documents := []any{"Go is a language.", map[string]string{"text": "The sky is blue."}, "A map holds keys and values."}
	status, reply, err := s.posted(t.Context(), "/v1/rerank", map[string]any{"query": "What does a map hold?", "documents": documents, "top_n": 2, "return_documents": true})
	results, _ := reply["results"].([]any)
	if err != nil || status != http.StatusOK || len(results) != 2 {
		t.Fatalf("%d %v, %v; expected two results", status, reply, err)
	}
	last := math.Inf(1)
	for _, r := range results {
		r := r.(map[string]any)
		score := r["relevance_score"].(float64)
		_, alone, err := s.posted(t.Context(), "/v1/rerank", map[string]any{"query": "What does a map hold?", "documents": []any{r["document"]}})
		if err != nil {
			t.Fatal(err)
		}
		if one := alone["results"].([]any)[0].(map[string]any)["relevance_score"].(float64); math.Abs(one-score) > 1e-5 || score > last {
			t.Errorf("%v scores %v after %v, alone %v", r, score, last, one)
		}
		last = score
	}
	if status, reply, _ := s.posted(t.Context(), "/v1/rerank", map[string]any{"query": "What?", "documents": []any{3}}); status != http.StatusBadRequest {
		t.Errorf("%d %v; expected 400", status, reply)
	}
}

// refused: what would change the answer and is not served is an error that names it.
func refused(t *testing.T, s *served) {
	user := map[string]string{"role": "user", "content": "How?"}
	for _, c := range []struct {
		name, why string
		body      map[string]any
		status    int
		part      string
	}{
		{"another model", "a client's default", map[string]any{"model": "gpt-4o", "messages": []any{user}}, 404, `\"gpt-4o\" found`},
		{"no messages", "nothing is asked", map[string]any{}, 400, "no question"},
		{"two questions", "roles take turns", map[string]any{"messages": []any{user, user}}, 400, "messages[1]"},
		{"system", "its place is the passages'", map[string]any{"messages": []any{map[string]string{"role": "system", "content": "Be kind."}, user}}, 400, "retrieval"},
		{"picture", "parts are texts", map[string]any{"messages": []any{map[string]any{"role": "user", "content": []any{map[string]string{"type": "image_url"}}}}}, 400, "image_url"},
		{"several", "one answer a request", map[string]any{"messages": []any{user}, "n": 2}, 400, "n: several"},
		{"tools", "none are called", map[string]any{"messages": []any{user}, "tools": []any{map[string]any{}}}, 400, "tools"},
		{"temperature", "out of range", map[string]any{"messages": []any{user}, "temperature": 3}, 400, "temperature: 3"},
		{"tokens", "leave no room for the prompt", map[string]any{"messages": []any{user}, "max_tokens": 1 << 30}, 400, "max_tokens: 1073741824 found, with "},
		{"tokens by their other name", "the request's own field is named", map[string]any{"messages": []any{user}, "max_completion_tokens": 4000}, 400, "max_completion_tokens: 4000 found, with "},
		{"likely tokens", "OpenAI's needs both", map[string]any{"messages": []any{user}, "top_logprobs": 2}, 400, "top_logprobs: 2 found without logprobs"},
		{"too many likely tokens", "at most 20", map[string]any{"messages": []any{user}, "logprobs": true, "top_logprobs": 21}, 400, "top_logprobs: 21"},
		{"type", "a text for a number", map[string]any{"messages": []any{user}, "max_tokens": "many"}, 400, `"max_tokens: string found; a whole number expected","param":"max_tokens"`},
		{"type of messages", "named as JSON does", map[string]any{"messages": "hi"}, 400, "messages: string found; a list expected"},
		{"content", "a number for a text", map[string]any{"messages": []any{map[string]any{"role": "user", "content": 5}}}, 400, `"messages: content is neither a text nor a list of parts","param":"messages"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, reply, err := s.answered(t.Context(), c.body)
			data, _ := json.Marshal(reply)
			if err != nil || status != c.status || !strings.Contains(string(data), c.part) {
				t.Errorf("%s: %d %s, %v; expected %d with %q", c.why, status, data, err, c.status, c.part)
			}
		})
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/feedback", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "http://elsewhere.example")
	r.Header.Set("Authorization", "Bearer secret")
	response, err := http.DefaultClient.Do(r)
	if err != nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("from another site's page: %v, %v; expected 403", response, err)
	}
	_ = response.Body.Close()
	response, err = http.Post(s.url+"/v1/chat/completions", "application/json", strings.NewReader("{}"))
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: %v, %v; expected 401", response, err)
	}
	_ = response.Body.Close()
}

func fetched(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// drains: SIGTERM while an answer is under way lets it end, and then the process.
func drains(t *testing.T, s *served, client openai.Client, question string) {
	stream := client.Chat.Completions.NewStreaming(t.Context(), openai.ChatCompletionNewParams{
		Model: "small", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(question)}, MaxTokens: openai.Int(200),
	})
	signalled, finish := false, ""
	for stream.Next() {
		if !signalled {
			signalled = true
			if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		if c := stream.Current().Choices; len(c) > 0 {
			finish += c[0].FinishReason
		}
	}
	if stream.Err() != nil || finish == "" {
		t.Errorf("the answer under way ended in %q, %v", finish, stream.Err())
	}
	err := s.cmd.Wait()
	if logs := <-s.logs; s.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("the server ended with %v; expected code 0:\n%s", err, logs)
	}
}
