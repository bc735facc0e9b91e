package review

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/evaluate"
	"gorqa/text/evaluate/human"
)

// items are answers of a run, or pairs of two runs.
func items(t *testing.T, pairs bool) []human.Item {
	t.Helper()
	var sources []human.Source
	for _, run := range []string{"one", "two"} {
		s := human.Source{File: "secret-" + run + ".jsonl"}
		for i := range 20 {
			s.Predictions = append(s.Predictions, evaluate.Prediction{Row: i, Context: evaluate.Gold, Question: fmt.Sprint("q", i), GeneratedAnswer: fmt.Sprint("said by ", run), GoldAnswer: "g", Scores: evaluate.Scores{"f1_ans": 1}})
		}
		sources = append(sources, s)
	}
	if !pairs {
		sources = sources[:1]
	}
	all, err := human.Items(sources)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// asked posts to a path of a server, and gives the status and the reply.
func asked(t *testing.T, h http.Handler, path, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8001"+path, strings.NewReader(body))
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// Other sites, names that lead here, other raters' keys and wrong judgements are refused,
// and nothing is kept of them.
func TestWhatIsRefused(t *testing.T) {
	kept := 0
	h := New(Options{Items: items(t, false), Scales: human.DefaultScales(), Host: "review.example", Key: "secret", Keep: func(human.Annotation) error { kept++; return nil }}).handler()
	for _, c := range []struct {
		name, why, path, body, host, site, key string
		status                                 int
		want                                   string
	}{
		{"right", "it is", "/state", `{"rater": "x"}`, "", "", "secret", 200, `"items":20`},
		{"the server's name", "it was started for it", "/state", `{"rater": "x"}`, "review.example:8001", "", "secret", 200, `"items":20`},
		{"localhost", "this machine", "/state", `{"rater": "x"}`, "localhost:1", "", "secret", 200, `"items":20`},
		{"an address", "no name leads to it", "/state", `{"rater": "x"}`, "[::1]:1", "", "secret", 200, `"items":20`},
		{"another host", "a name may be made to lead here", "/state", `{"rater": "x"}`, "evil.example", "", "secret", 403, "asked as"},
		{"another site", "a page of it in the rater's browser", "/annotate", `{"rater": "x", "annotation": {"Correctness": 1}}`, "", "cross-site", "secret", 403, ""},
		{"another key", "one is asked for", "/state", `{"rater": "x"}`, "", "", "other", 401, "key is missing"},
		{"no name", "nobody", "/state", `{"rater": " "}`, "", "", "secret", 400, "1 to 64 expected"},
		{"a long name", "no name", "/state", `{"rater": "` + strings.Repeat("é", 65) + `"}`, "", "", "secret", 400, "1 to 64 expected"},
		{"another item", "there are 20", "/item", `{"rater": "x", "item": 20}`, "", "", "secret", 400, "item 20 found; one of 20 expected"},
		{"before the first", "there are 20", "/item", `{"rater": "x", "item": -1}`, "", "", "secret", 400, "item -1 found"},
		{"another scale", "nobody asked", "/annotate", `{"rater": "x", "annotation": {"Tone": 1}}`, "", "", "secret", 400, "one of the scales expected"},
		{"a preference", "there is one answer", "/annotate", `{"rater": "x", "annotation": {"Preference": "left"}}`, "", "", "secret", 400, "one of the scales expected"},
		{"off the scale", "it ends at 5", "/annotate", `{"rater": "x", "annotation": {"Correctness": 6}}`, "", "", "secret", 400, "a number from 1 to 5 expected"},
		{"between", "labels are whole", "/annotate", `{"rater": "x", "annotation": {"Correctness": 1.5}}`, "", "", "secret", 400, "a number from 1 to 5 expected"},
		{"no JSON", "it cannot be read", "/annotate", `{`, "", "", "secret", 400, "cannot be read"},
		{"too long", "a comment is not", "/annotate", `{"rater": "x", "comment": "` + strings.Repeat("x", maxBody) + `"}`, "", "", "secret", 400, "cannot be read"},
	} {
		status, reply := asked(t, h, c.path, c.body, func(r *http.Request) {
			if c.host != "" {
				r.Host = c.host
			}
			if c.site != "" {
				r.Header.Set("Sec-Fetch-Site", c.site)
			}
			r.Header.Set("Authorization", "Bearer "+c.key)
		})
		if status != c.status || !strings.Contains(reply, c.want) {
			t.Errorf("%s: %d %s; %d with %q expected, since %s", c.name, status, reply, c.status, c.want, c.why)
		}
	}
	if kept > 0 {
		t.Errorf("%d judgements kept", kept)
	}
}

// What a rater gets of a pair does not say which run is which; what is kept does, on
// whichever side it stood, and the rater finds it there again.
func TestPairsAreBlind(t *testing.T) {
	var kept []human.Annotation
	h := New(Options{Items: items(t, true), Seed: 1, Keep: func(a human.Annotation) error { kept = append(kept, a); return nil }}).handler()
	sides := map[string]int{}
	for i := range 20 {
		_, reply := asked(t, h, "/item", fmt.Sprintf(`{"rater": "ann", "item": %d}`, i), nil)
		var got struct{ Answers []struct{ Text string } }
		if err := json.Unmarshal([]byte(reply), &got); err != nil || len(got.Answers) != 2 {
			t.Fatal(reply, err)
		}
		for _, word := range []string{"secret", "f1", "first", "second", "row"} {
			if strings.Contains(reply, word) {
				t.Errorf("the page gets %q: %s", word, reply)
			}
		}
		sides[got.Answers[0].Text]++
		side := map[bool]string{true: left, false: right}[got.Answers[0].Text == "said by two"]
		if status, reply := asked(t, h, "/annotate", fmt.Sprintf(`{"rater": "ann", "item": %d, "annotation": {"Preference": %q}}`, i, side), nil); status != 200 {
			t.Fatal(reply)
		}
		if _, reply := asked(t, h, "/item", fmt.Sprintf(`{"rater": "ann", "item": %d}`, i), nil); !strings.Contains(reply, fmt.Sprintf(`"annotation":{"Preference":%q}`, side)) {
			t.Errorf("%d: %s; %s expected again", i, reply, side)
		}
	}
	if sides["said by one"] < 4 || sides["said by two"] < 4 {
		t.Errorf("on the left: %v; each run now and then expected", sides)
	}
	for i, a := range kept {
		if a.Judged[human.Preference] != human.Second {
			t.Errorf("%d: %+v; the second run's answer was chosen", i, a.Judged)
		}
	}
	if _, reply := asked(t, h, "/state", `{"rater": "bob"}`, nil); strings.TrimSpace(reply) != `{"items":20,"rated":[]}` {
		t.Errorf("another rater: %s", reply)
	}
}

// An answer is rated once nothing is left to judge, and a judgement that could not be kept
// does not count.
func TestRated(t *testing.T) {
	full := false
	h := New(Options{Items: items(t, false), Scales: human.DefaultScales()[:2], Keep: func(human.Annotation) error {
		if full {
			return errors.New("no space left on device")
		}
		return nil
	}}).handler()
	for _, c := range []struct {
		name, annotation, want string
		full                   bool
	}{
		{"a part", `{"Correctness": 2}`, `{"rated":[]}`, false},
		{"a full disk", `{"Correctness": 2, "Faithfulness": 1}`, `{"error":"the judgement could not be kept: no space left on device"}`, true},
		{"all", `{"Correctness": 2, "Faithfulness": 1}`, `{"rated":[3]}`, false},
	} {
		full = c.full
		_, reply := asked(t, h, "/annotate", `{"rater": "ann", "item": 3, "annotation": `+c.annotation+`}`, nil)
		if diff := cmp.Diff(c.want, strings.TrimSpace(reply)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// The page comes with a policy that lets nothing else in, and the server ends when told.
func TestServe(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- New(Options{Items: items(t, false), Scales: []human.Scale{{Name: "</script>", Labels: []string{"a", "b"}}}}).Serve(ctx, l)
	}()
	response, err := http.Get("http://" + l.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if policy := response.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; connect-src 'self'; ") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %s", policy)
	}
	if n := strings.Count(string(page), "</script>"); n != 2 {
		t.Errorf("%d scripts end; 2 expected, whatever a scale is called", n)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it does not end")
	}
}
