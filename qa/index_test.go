package qa

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// randomly embeds every text as another random vector, in no time.
type randomly struct{ random *rand.Rand }

func (randomly) Name() string { return "random" }
func (randomly) Width() int   { return 384 }

func (r randomly) Embed(_ context.Context, texts []string, _ retrieve.Kind) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i := range out {
		v := make([]float32, 384)
		for j := range v {
			v[j] = float32(r.random.NormFloat64())
		}
		out[i] = v
	}
	return out, nil
}

// BenchmarkIndex makes, opens and searches indexes of 10,000 to 1,000,000 documents (fewer with
// -short): seconds to make it, milliseconds to open it, to search it for the first time, and for
// one and 256 questions, and the memory that the process then has beside what it began with, over
// that of the vectors.
func BenchmarkIndex(b *testing.B) {
	for _, n := range []int{10_000, 30_000, 100_000, 300_000, 1_000_000} {
		if testing.Short() && n > 30_000 {
			break
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir, e := b.TempDir(), randomly{rand.New(rand.NewPCG(1, 2))}
			opt := retrieve.DefaultOptions()
			opt.Products, opt.ChunkTexts = newProducts, 4096
			docs := make([]dataset.Document, n)
			for i := range docs {
				docs[i].Content = fmt.Sprint("document ", i)
			}
			milliseconds := func(name string, do func() error) {
				started := time.Now()
				if err := do(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(time.Since(started).Microseconds())/1e3, name)
			}
			milliseconds("make-ms", func() error {
				_, err := retrieve.Build(b.Context(), dir, docs, e, opt)
				return err
			})
			docs = nil
			debug.FreeOSMemory()
			before := resident(b)
			var x *retrieve.Index
			for b.Loop() {
				milliseconds("open-ms", func() (err error) {
					x, err = retrieve.Open(b.Context(), dir, e, opt)
					return err
				})
			}
			questions := make([]string, 256)
			search := func(n int) func() error {
				return func() error {
					_, err := x.TopK(b.Context(), questions[:n], 4)
					return err
				}
			}
			milliseconds("first-ms", search(1))
			milliseconds("one-ms", search(1))
			milliseconds("256-ms", search(256))
			b.ReportMetric((resident(b)-before)/float64(n*384*4), "memory/vectors")
		})
	}
}

// resident is the process's memory in bytes, what is mapped included.
func resident(b *testing.B) float64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return 1024 * kib
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
