package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/postgrestest"
	"gorqa/text/dataset"
	"gorqa/text/retrieve"
	"gorqa/text/retrieve/postgres"
)

// fake embeds a text by its hash, in few different numbers, so that many scores are equal.
type fake struct {
	name  string
	width int
	texts int                     // passages embedded
	at    map[int]func(texts int) // called before a number of passages is embedded
}

func (f *fake) Name() string { return f.name }
func (f *fake) Width() int   { return f.width }

func (f *fake) Embed(_ context.Context, texts []string, kind retrieve.Kind) ([][]float32, error) {
	if kind == retrieve.Passage {
		if do := f.at[f.texts]; do != nil {
			do(f.texts)
		}
		f.texts += len(texts)
	}
	out := make([][]float32, len(texts))
	for i, text := range texts {
		h := fnv.New64a()
		h.Write([]byte(text))
		random := rand.New(rand.NewPCG(h.Sum64()%97, 1))
		v := make([]float32, f.width)
		for j := range v {
			v[j] = float32(random.NormFloat64())
		}
		if h.Sum64()%50 == 0 {
			clear(v)
		}
		out[i] = v
	}
	return out, nil
}

var odd = []string{"", "' \" \\ ; DROP TABLE x; --", "\x00 NUL", "tab\tnew\nline", "退货免费 🦀", `{"json": [1, 2]}`, "$1 %s ::vector", strings.Repeat("long ", 5000)}

func documents(n int) []dataset.Document {
	docs := make([]dataset.Document, n)
	for i := range docs {
		k := i % (n - n/10) // some stand twice
		text := fmt.Sprintf("document %d %s", k, odd[k%len(odd)])
		docs[i] = dataset.Document{Content: text, Formatted: text, Metadata: map[string]any{"source": odd[(i+1)%len(odd)], "n": fmt.Sprint(i)}}
	}
	return docs
}

func options(s *postgrestest.Server, metric retrieve.Metric) postgres.Options {
	o := postgres.DefaultOptions()
	o.Address, o.Index.Metric, o.Index.ChunkTexts = s.Address(), metric, 64
	o.Index.ChunkBytes = 1 << 30
	o.Timeout = 20 * time.Second
	return o
}

func open(t *testing.T, docs []dataset.Document, e *fake, o postgres.Options) *postgres.Index {
	t.Helper()
	x, err := postgres.Open(t.Context(), docs, e, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	return x
}

func wantError(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; one with %q expected", want)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), postgrestest.Password) {
		t.Errorf("error %q shows the password", err)
	}
}

// TestDatabase has one server for all, since one takes a second to begin.
func TestDatabase(t *testing.T) {
	s := postgrestest.Start(t)
	t.Run("exact", func(t *testing.T) { testExact(t, s) })
	t.Run("changes", func(t *testing.T) { testChanges(t, s) })
	t.Run("neighbours", func(t *testing.T) { testNeighbours(t, s) })
	t.Run("refused", func(t *testing.T) { testRefused(t, s) })
	t.Run("killed", func(t *testing.T) { testKilled(t, s) })
}

// Hits and scores are those of an index in memory, to the last bit.
func testExact(t *testing.T, s *postgrestest.Server) {
	docs := documents(400)
	queries := []string{"one", "two", "'; --", "four"}
	for _, metric := range []retrieve.Metric{retrieve.Cosine, retrieve.Dot, retrieve.Euclidean, retrieve.Manhattan} {
		e := &fake{name: "m", width: 33}
		o := options(s, metric)
		o.Table = `odd "name"; --`
		x := open(t, docs, e, o)
		plain, err := retrieve.Build(t.Context(), "", docs, e, o.Index)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []int{1, 7, len(docs)} {
			want, err := plain.TopK(t.Context(), queries, k)
			if err != nil {
				t.Fatal(err)
			}
			got, err := x.TopK(t.Context(), queries, k)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v, the best %d (-in memory +in the database)\n%s", metric, k, diff)
			}
		}
		read, err := retrieve.ReadAll(t.Context(), x.Documents())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(docs, []dataset.Document(read)); diff != "" {
			t.Errorf("documents (-given +read)\n%s", diff)
		}
	}
}

func testChanges(t *testing.T, s *postgrestest.Server) {
	docs := documents(100)
	o := options(s, retrieve.Cosine)
	o.Table = "public.changes"
	changed := slices.Clone(docs[:50])
	changed[3].Formatted = "another text"
	changed[4].Metadata = map[string]any{"source": "elsewhere"}
	for _, step := range []struct {
		name, why string
		docs      []dataset.Document
		want      retrieve.BuildStats
	}{
		{"first", "all are new", docs[:50], retrieve.BuildStats{Embedded: 50}},
		{"again", "nothing is embedded twice", docs[:50], retrieve.BuildStats{Cached: 50}},
		{"appended", "new ones alone; ten stand twice", docs, retrieve.BuildStats{Cached: 50, Embedded: 40}},
		{"removed and changed", "vectors of no text go", changed, retrieve.BuildStats{Cached: 49, Embedded: 1, Dropped: 41}},
	} {
		e := &fake{name: "m", width: 3}
		x := open(t, step.docs, e, o)
		if diff := cmp.Diff(step.want, x.Stats()); diff != "" {
			t.Errorf("%s: %s (-want +got)\n%s", step.name, step.why, diff)
		}
		if e.texts != step.want.Embedded {
			t.Errorf("%s: %d texts were embedded", step.name, e.texts)
		}
		opened := open(t, nil, e, o)
		read, err := retrieve.ReadAll(t.Context(), opened.Documents())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.docs, []dataset.Document(read)); diff != "" {
			t.Errorf("%s (-given +read)\n%s", step.name, diff)
		}
	}
}

func testNeighbours(t *testing.T, s *postgrestest.Server) {
	docs := documents(300)
	o := options(s, retrieve.Cosine)
	o.Table, o.Kind = "near", postgres.HNSW
	x := open(t, docs, &fake{name: "m", width: 8}, o)
	recall, err := x.Recall(t.Context(), []string{"one", "two", "three"}, 5)
	if err != nil {
		t.Fatal(err)
	}
	if !(recall > 0.5 && recall <= 1) {
		t.Errorf("recall %v of an index of 300 vectors", recall)
	}
}

func testRefused(t *testing.T, s *postgrestest.Server) {
	docs := documents(20)
	refused := options(s, retrieve.Cosine)
	refused.Table = "refused"
	open(t, docs, &fake{name: "m", width: 3}, refused).Close()
	for _, tt := range []struct {
		name, why string
		e         *fake
		docs      []dataset.Document
		change    func(*postgres.Options)
		want      []string
	}{
		{"embedder", "its vectors are others", &fake{name: "n", width: 3}, docs, func(*postgres.Options) {}, []string{`embedder "m"; expected "n"`, "index_table"}},
		{"width", "the model was changed under its name", &fake{name: "m", width: 4}, docs, func(*postgres.Options) {}, []string{"3 numbers; expected 4"}},
		{"unknown width", "known only once a text is embedded", &fake{name: "m", width: 0}, documents(30), func(*postgres.Options) {}, []string{"numbers"}},
		{"nothing there", "no documents given, none kept", &fake{name: "m", width: 3}, nil, func(o *postgres.Options) { o.Table = "nowhere" }, []string{"no documents found", "full_dataset_file_path"}},
		{"long name", "the server would cut it off", &fake{name: "m", width: 3}, docs, func(o *postgres.Options) { o.Table = strings.Repeat("t", 60) }, []string{"1 to 48 bytes"}},
		{"password in the query", "messages would show it", &fake{name: "m", width: 3}, docs, func(o *postgres.Options) { o.Address += "&password=" + postgrestest.Password }, []string{"PGPASSWORD"}},
		{"wrong password", "the server says no", &fake{name: "m", width: 3}, docs, func(o *postgres.Options) {
			o.Address = strings.Replace(o.Address, "gorqa@", "gorqa:wrong-"+postgrestest.Password+"@", 1)
		}, []string{"password authentication failed"}},
		{"no server", "nobody listens", &fake{name: "m", width: 3}, docs, func(o *postgres.Options) { o.Address = "postgres://u:" + postgrestest.Password + "@127.0.0.1:1/x" }, []string{"postgres://127.0.0.1:1/x", "is the server there"}},
		{"wide for HNSW", "pgvector's limit", &fake{name: "wide", width: 2001}, docs[:2], func(o *postgres.Options) { o.Table, o.Kind = "wide", postgres.HNSW }, []string{"2001 numbers; at most 2000", "index_type exact"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := refused
			tt.change(&o)
			x, err := postgres.Open(t.Context(), tt.docs, tt.e, o)
			if err == nil {
				x.Close()
			}
			wantError(t, err, tt.want...)
		})
	}
	x := open(t, nil, &fake{name: "m", width: 3}, refused)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.TopK(ctx, []string{"one"}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after cancelling; that of the context expected", err)
	}
	for _, k := range []int{0, 21} {
		_, err := x.TopK(t.Context(), []string{"one"}, k)
		wantError(t, err, fmt.Sprint("k is ", k))
	}
}

// A server that is killed and comes back loses nothing, one that stays away is said.
func testKilled(t *testing.T, s *postgrestest.Server) {
	docs := documents(200)
	o := options(s, retrieve.Cosine)
	o.Table = "killed"
	e := &fake{name: "m", width: 3}
	e.at = map[int]func(int){64: func(int) { s.Kill(); s.Restart(); s.Ready() }, 128: func(int) { s.Kill() }}
	_, err := postgres.Open(t.Context(), docs, e, o)
	wantError(t, err, "adding vectors", "is the server there")
	s.Restart()
	e = &fake{name: "m", width: 3}
	s.Ready()
	x := open(t, docs, e, o)
	if e.texts != 180-128 {
		t.Errorf("%d texts were embedded after the server was killed twice; 52 expected", e.texts)
	}
	s.Kill()
	if _, err := x.TopK(t.Context(), []string{"one"}, 3); err == nil {
		t.Error("a search of a server that was killed: no error")
	} else {
		wantError(t, err, "searching", "is the server there")
	}
	s.Restart()
	s.Ready()
	if _, err := x.TopK(t.Context(), []string{"one"}, 3); err != nil {
		t.Errorf("a search once the server is back: %v", err)
	}
}
