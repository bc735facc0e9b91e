package judge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gorqa/internal/endpointtest"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
)

// standIn is a chat endpoint that replies by what it is shown. before, if not
// nil, may answer the n-th request (from 1) itself.
type standIn struct {
	before endpointtest.Answer
	slow   time.Duration

	mu             sync.Mutex
	n, under, most int // requests: all, under way, most of these
	header         http.Header
	body           struct {
		Model       string
		Temperature *float64
		Messages    []struct{ Role, Content string }
	}
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.n++
	n := s.n
	s.under++
	s.most = max(s.most, s.under)
	s.header = r.Header.Clone()
	err := json.NewDecoder(r.Body).Decode(&s.body)
	shown := s.body.Messages[len(s.body.Messages)-1].Content
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.under--
		s.mu.Unlock()
	}()
	if err != nil || r.URL.Path != "/v1/chat/completions" || r.Method != http.MethodPost {
		http.Error(w, "no such call", http.StatusNotFound)
		return
	}
	if s.before != nil && s.before(n, w, r) {
		return
	}
	time.Sleep(s.slow)
	_, answer, _ := strings.Cut(shown, "## Answer to check\n")
	reply := map[string]string{
		"right": "It says so.\nVERDICT: correct", "wrong": "It does not.\n\nVERDICT: incorrect\n", "odd": "I cannot tell.",
	}[answer]
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"object": "chat.completion", "choices": []any{
		map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]string{"role": "assistant", "content": reply}},
	}})
}

func newJudge(t *testing.T, s *standIn, change func(*Options)) *Judge {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	opt := DefaultOptions("m")
	opt.BaseURL, opt.Key, opt.Organization, opt.Retries = server.URL+"/v1", "secret", "org", 2
	opt.CacheDir = t.TempDir()
	if change != nil {
		change(&opt)
	}
	j, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func answered(answers ...string) []evaluate.Answered {
	var out []evaluate.Answered
	for _, a := range answers {
		out = append(out, evaluate.Answered{
			Question: "q", History: []dataset.Turn{{Speaker: "USER", Message: "earlier"}}, Gold: "gold", Passages: []dataset.Document{{Formatted: "passage"}}, Answer: a,
		})
	}
	return out
}

func TestJudge(t *testing.T) {
	t.Parallel()
	s := &standIn{}
	j := newJudge(t, s, nil)
	var steps int
	j.opt.Progress = func(done, total int) { steps += 10*total + done }
	got, err := j.Judge(t.Context(), answered("right", "wrong", "odd"))
	if err != nil {
		t.Fatal(err)
	}
	want := []evaluate.Verdict{
		{Verdict: evaluate.Correct, Reason: "It says so."},
		{Verdict: evaluate.Incorrect, Reason: "It does not."},
		{Verdict: evaluate.Failed, Reason: `the reply ends in "I cannot tell."; expected one verdict, as the last line`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if steps != 96 {
		t.Errorf("progress adds up to %d; 31 + 32 + 33 expected", steps)
	}
	if s.body.Model != "m" || s.body.Temperature == nil || *s.body.Temperature != 0 || s.header.Get("Authorization") != "Bearer secret" || s.header.Get("OpenAI-Organization") != "org" {
		t.Errorf("body %+v, headers %v", s.body, s.header)
	}
	shown := s.body.Messages[1].Content
	if want := "## Earlier turns\nUSER: earlier\n\n## Question\nq\n\n## Reference answer\ngold\n\n## Passage 1\npassage\n\n## Answer to check\n"; !strings.HasPrefix(shown, want) {
		t.Errorf("shown %q; it should begin with %q", shown, want)
	}

	// Only what has no verdict is asked again.
	again, err := j.Judge(t.Context(), answered("right", "wrong", "odd"))
	if diff := cmp.Diff(want, again); err != nil || diff != "" || s.n != 4 {
		t.Errorf("%v, %d requests; 3 and 1 expected\n%s", err, s.n, diff)
	}
	// Everything that the verdict depends on is asked anew.
	for name, change := range map[string]func(*evaluate.Answered){
		"question": func(a *evaluate.Answered) { a.Question = "other" },
		"gold":     func(a *evaluate.Answered) { a.Gold = "other" },
		"passages": func(a *evaluate.Answered) { a.Passages = nil },
		"answer":   func(a *evaluate.Answered) { a.Answer = "wrong " },
	} {
		before := s.n
		a := answered("right")
		change(&a[0])
		if _, err := j.Judge(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if asked := s.n - before; asked != 1 && name != "answer" || name == "answer" && asked != 0 { // white space around it does not count
			t.Errorf("another %s: %d requests", name, asked)
		}
	}
	before := s.n
	j.opt.Model = "n"
	if _, err := j.Judge(t.Context(), answered("right")); err != nil || s.n != before+1 {
		t.Errorf("another model: %v, %d requests", err, s.n-before)
	}
}

// A damaged file is replaced, and nothing but whole verdicts lies in the folder.
func TestDamagedVerdict(t *testing.T) {
	t.Parallel()
	s := &standIn{}
	j := newJudge(t, s, nil)
	for range 2 {
		got, err := j.Judge(t.Context(), answered("right"))
		if err != nil || got[0].Verdict != evaluate.Correct {
			t.Fatalf("%v, %v", got, err)
		}
		files, err := filepath.Glob(filepath.Join(j.opt.CacheDir, "*"))
		if err != nil || len(files) != 1 || filepath.Ext(files[0]) != ".json" {
			t.Fatalf("%v, %v: one verdict expected", files, err)
		}
		if err := os.WriteFile(files[0], []byte(`{"reply": "VERDICT: incorrect"`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if s.n != 2 {
		t.Errorf("%d requests; 2 expected", s.n)
	}
	// A pipe in its place is not waited for.
	files, err := filepath.Glob(filepath.Join(j.opt.CacheDir, "*"))
	if err != nil || os.Remove(files[0]) != nil || unix.Mkfifo(files[0], 0o644) != nil {
		t.Fatal(files, err)
	}
	if got, err := j.Judge(t.Context(), answered("right")); err != nil || got[0].Verdict != evaluate.Correct || s.n != 3 {
		t.Errorf("%v, %v after %d requests; 3 expected", got, err, s.n)
	}
}

// What goes wrong with one answer is a failure of that answer alone, and is not kept.
func TestFailureIsOfOneAnswerAndNotKept(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, why string
		before    endpointtest.Answer
		verdict   string
		reasons   []string
		requests  int
	}{
		{"429", "a rate limit passes", endpointtest.Refuse(429, 2), evaluate.Correct, nil, 3},
		{"503", "so does a server's trouble", endpointtest.Refuse(503, 1), evaluate.Correct, nil, 2},
		{"429 for good", "after the retries it is a failure", endpointtest.Refuse(429, 9), evaluate.Failed, []string{"429", "the reason", "rate limit", "model m"}, 3},
		{"401", "a wrong key is not tried again", endpointtest.Refuse(401, 9), evaluate.Failed, []string{"401", "OPENAI_API_KEY"}, 1},
		{"slow", "a time-out says how long it was", endpointtest.Hang, evaluate.Failed, []string{"longer than 100ms"}, 1},
		{"garbage", "no JSON", endpointtest.Say("<html>"), evaluate.Failed, []string{"OPENAI_BASE_URL"}, 1},
		{"nothing", "JSON without a reply", endpointtest.Say(`{"choices": []}`), evaluate.Failed, []string{"no reply"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &standIn{before: test.before}
			j := newJudge(t, s, func(o *Options) { o.Timeout = 100 * time.Millisecond })
			if test.verdict == evaluate.Correct {
				j = newJudge(t, s, nil)
			}
			got, err := j.Judge(t.Context(), answered("right"))
			if err != nil {
				t.Fatal(err)
			}
			if got[0].Verdict != test.verdict || s.n != test.requests {
				t.Errorf("%+v after %d requests; %s", got[0], s.n, test.why)
			}
			for _, r := range test.reasons {
				if !strings.Contains(got[0].Reason, r) || strings.Contains(got[0].Reason, "secret") {
					t.Errorf("reason %q; %q expected", got[0].Reason, r)
				}
			}
			if files, err := os.ReadDir(j.opt.CacheDir); err != nil || (len(files) == 1) != (test.verdict == evaluate.Correct) {
				t.Errorf("%v, %v kept", files, err)
			}
		})
	}
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	s := &standIn{slow: 10 * time.Millisecond}
	j := newJudge(t, s, func(o *Options) { o.CacheDir, o.Concurrency = "", 3 })
	if _, err := j.Judge(t.Context(), answered(strings.Split(strings.Repeat("right ", 12)+"wrong", " ")...)); err != nil {
		t.Fatal(err)
	}
	if s.n != 13 || s.most < 2 || s.most > 3 {
		t.Errorf("%d requests, %d at a time; 13 and 3 at most expected", s.n, s.most)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Judge(ctx, answered("right")); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancelling: %v", err)
	}
}

func TestOptionsNameEveryProblem(t *testing.T) {
	opt := DefaultOptions("")
	opt.BaseURL, opt.Concurrency, opt.Retries, opt.Timeout = "localhost", 0, -1, 0
	_, err := New(opt)
	for _, want := range []string{"no model", `base URL "localhost"`, "Concurrency is 0", "retries", "timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; %q expected", err, want)
		}
	}
	for name, value := range map[string]string{"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""} {
		t.Setenv(name, value)
	}
	if err := DefaultOptions("m").Validate(); err == nil || !strings.Contains(err.Error(), "set OPENAI_API_KEY") {
		t.Errorf("OpenAI without a key: %v", err)
	}
	t.Setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
	if err := DefaultOptions("m").Validate(); err != nil {
		t.Errorf("a local endpoint without a key: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, test := range []struct{ reply, verdict string }{
		{"Because.\nVERDICT: correct", evaluate.Correct},
		{"VERDICT:incorrect \n", evaluate.Incorrect},
		{"", ""},
		{"VERDICT: CORRECT", evaluate.Correct}, // the rest is as models write it
		{"Verdict: Incorrect.", evaluate.Incorrect},
		{"So.\n\n**VERDICT: incorrect**", evaluate.Incorrect},
		{"So.\n**Verdict:** `correct`", evaluate.Correct},
		{"My verdict: see below.\nVERDICT: correct", evaluate.Correct},
		{"**Verdict: incorrect**\nVERDICT: correct", ""},
		{"VERDICT: not correct", ""},
		{"VERDICT: correctly", ""},
		{"VERDICT: correct\nVERDICT: incorrect", ""},
		{"VERDICT: correct\nor so", ""},
		{"correct", ""},
	} {
		v, err := parse(test.reply)
		if v.Verdict != test.verdict || (err == nil) != (test.verdict != "") {
			f.Errorf("%q: %+v, %v; %q expected", test.reply, v, err, test.verdict)
		}
		f.Add(test.reply)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		v, err := parse(reply)
		if (err == nil) != (v.Verdict == evaluate.Correct || v.Verdict == evaluate.Incorrect) {
			t.Errorf("%q: %+v, %v", reply, v, err)
		}
	})
}

// FuzzReply reads what the judge's server may say: a verdict, or that there is
// none and why.
func FuzzReply(f *testing.F) {
	var reply []byte
	s := &standIn{before: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(reply)
		return true
	}}
	server := httptest.NewServer(s)
	f.Cleanup(server.Close)
	opt := DefaultOptions("m")
	opt.BaseURL, opt.Key, opt.Retries = server.URL+"/v1", "secret", 0
	for _, seed := range []string{
		`{"choices": [{"message": {"content": "So.\nVERDICT: correct"}}]}`, `{"choices": [{"message": {"content": null}}]}`, `{"choices": [null]}`,
		`{"choices": []}`, `null`, `[]`, `{"choices": {"message": 3}}`, `{"choices": [{"message": {"content": ["VERDICT: correct"]}}], "error": "secret"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reply = data
		j, err := New(opt)
		if err != nil {
			t.Fatal(err)
		}
		got, err := j.Judge(t.Context(), answered("right"))
		if err != nil {
			return
		}
		if len(got) != 1 || got[0].Reason == "" && got[0].Verdict == evaluate.Failed || !slices.Contains([]string{evaluate.Correct, evaluate.Incorrect, evaluate.Failed}, got[0].Verdict) {
			t.Errorf("%+v", got)
		}
	})
}

// Whatever the endpoint says is at worst no verdict, and the key that it sends
// back is not kept.
func TestJudgeOddReplies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, why, reply, want string }{
		{"null", "no object", `null`, `the reply is "null"`},
		{"array", "another shape", `[1]`, "JSON object"},
		{"no choices", "nothing was said", `{"choices": []}`, "gave no reply"},
		{"null choices", "nothing was said", `{"choices": null}`, "gave no reply"},
		{"a null choice", "nothing was said", `{"choices": [null]}`, "the reply ends in"},
		{"content of parts", "thoughts and texts apart", `{"choices": [{"message": {"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "It says "}, {"type": "text", "text": "so.\nVERDICT: correct"}]}}]}`, "It says so."},
		{"no content", "a refusal, a call of a tool", `{"choices": [{"message": {"content": null, "refusal": "no"}}]}`, "the reply ends in"},
		{"the key", "in a reason that is shown and kept", `{"choices": [{"message": {"content": "You sent sec\u0072et.\nVERDICT: correct"}}]}`, "You sent ***."},
	} {
		s := &standIn{before: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, test.reply)
			return true
		}}
		j := newJudge(t, s, nil)
		got, err := j.Judge(t.Context(), answered("right"))
		if err != nil || !strings.Contains(got[0].Reason, test.want) || strings.Contains(got[0].Reason, "secret") {
			t.Errorf("%s: %v %+v; want %q (%s)", test.name, err, got, test.want, test.why)
		}
		files, _ := filepath.Glob(filepath.Join(j.opt.CacheDir, "*.json"))
		for _, name := range files {
			if data, err := os.ReadFile(name); err != nil || strings.Contains(string(data), "secret") {
				t.Errorf("%s: kept with the key: %s, %v", test.name, data, err)
			}
		}
	}
}
