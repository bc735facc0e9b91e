package train

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorqa/files/weights"
	"gorqa/tensor/train/schedule"

	"github.com/google/go-cmp/cmp"
)

// checkpoint makes a small folder that has what Verify looks at.
func checkpoint(t *testing.T, dir string, s State) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"config.json": "{}", "model.safetensors": strings.Repeat("weights ", 1000), "name with spaces": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeState(filepath.Join(dir, stateFile), s); err != nil {
		t.Fatal(err)
	}
	if s.Made == nil {
		return
	}
	if err := seal(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
}

func state(step, best int) State {
	return State{Step: step, BestStep: best, BestScore: 0.5, Rows: []int{3, 1}, Schedule: schedule.Schedule{Kind: "linear", Peak: 1, Steps: 9}, Made: &Origin{}}
}

func TestRotate(t *testing.T) {
	for _, test := range []struct {
		name, why   string
		there       []string
		limit, best int
		want        []string
	}{
		{"all", "0 keeps all", []string{"checkpoint-1", "checkpoint-2"}, 0, 1, []string{"checkpoint-1", "checkpoint-2"}},
		{"last", "the one of the last step stays", []string{"checkpoint-1", "checkpoint-2"}, 1, 0, []string{"checkpoint-2"}},
		{"best besides", "it does not count", []string{"checkpoint-2", "checkpoint-4", "checkpoint-6", "checkpoint-8"}, 1, 2, []string{"checkpoint-2", "checkpoint-8"}},
		{"best and two", "the newest two, and the best", []string{"checkpoint-2", "checkpoint-4", "checkpoint-6", "checkpoint-8"}, 2, 2, []string{"checkpoint-2", "checkpoint-6", "checkpoint-8"}},
		{"best is new", "it is among the newest", []string{"checkpoint-2", "checkpoint-4", "checkpoint-6"}, 2, 6, []string{"checkpoint-4", "checkpoint-6"}},
		{"by number", "10 comes after 9", []string{"checkpoint-9", "checkpoint-10"}, 1, 0, []string{"checkpoint-10"}},
		{"not ours", "only checkpoints are removed", []string{"checkpoint-1", "checkpoint-2", "checkpoint-02", "checkpoint-x", "data"}, 1, 0, []string{"checkpoint-02", "checkpoint-2", "checkpoint-x", "data"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range test.there {
				if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			l := Loop{Saves: Saves{Dir: dir, Limit: test.limit}, state: State{BestStep: test.best}}
			if err := l.rotate(); err != nil {
				t.Fatal(err)
			}
			var got []string
			left, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range left {
				got = append(got, e.Name())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, diff)
			}
		})
	}
}

// A link to a checkpoint elsewhere is one; rotation removes the link alone.
func TestRotationRemovesALinkAlone(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "kept")
	for _, path := range []string{elsewhere, filepath.Join(dir, "checkpoint-2")} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, "checkpoint-1")); err != nil {
		t.Fatal(err)
	}
	l := Loop{Saves: Saves{Dir: dir, Limit: 1}}
	if all, err := Checkpoints(dir); err != nil || len(all) != 2 {
		t.Errorf("%v %v: two checkpoints expected", all, err)
	}
	if err := l.rotate(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(elsewhere); err != nil {
		t.Errorf("what the link led to is gone: %v", err)
	}
	if all, err := Checkpoints(dir); err != nil || len(all) != 1 {
		t.Errorf("%v %v: one checkpoint expected", all, err)
	}
}

// Every bit of every file counts.
func TestVerifyFindsAFlippedBit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoint-3")
	checkpoint(t, dir, state(3, 2))
	if note, err := Verify(t.Context(), dir); err != nil || note != "" {
		t.Fatalf("%q %v: a whole checkpoint expected", note, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 5 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		step := 1 + len(data)/200
		for at := 0; at < len(data); at += step {
			bit := byte(1) << (at / step % 8)
			data[at] ^= bit
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(t.Context(), dir); err == nil {
				t.Errorf("%s: byte %d, bit %08b: not found", f.Name(), at, bit)
			}
			data[at] ^= bit
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(t.Context(), dir); err == nil {
			t.Errorf("%s is missing: not found", f.Name())
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
	if note, err := Verify(t.Context(), dir); err != nil || note != "" {
		t.Errorf("%q %v: the test left damage", note, err)
	}
}

// A checkpoint that says nothing of what it was made of is an older version's.
func TestCheckpointWithoutAnOriginIsAnOlderVersions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoint-3")
	s := state(3, 0)
	s.Made = nil
	checkpoint(t, dir, s)
	if note, err := Verify(t.Context(), dir); err != nil || !strings.Contains(note, "older gorqa") {
		t.Errorf("%q %v: a note expected", note, err)
	}
	if err := s.Check(dir, Origin{Training: Facts{"seed": {Value: "1"}}}, true); err != nil {
		t.Errorf("%v: an older checkpoint cannot differ", err)
	}
}

func TestResumeIsRefusedWhereTheOriginDiffers(t *testing.T) {
	was := Origin{
		Training: Facts{"seed": {Value: "42"}, "rows": {Value: "3 rows of a", Hash: "1234567890abcdef"}, "gone": {Value: "1"}},
		Scoring:  Facts{"metric": {Value: "loss"}},
	}
	for _, test := range []struct {
		name, why string
		change    func(*Origin)
		best      int
		scores    bool
		want      []string
	}{
		{"same", "goes on", func(*Origin) {}, 2, true, nil},
		{"setting", "decides the outcome", func(o *Origin) { o.Training["seed"] = Fact{Value: "7"} }, 2, true, []string{"seed: was 42, is 7"}},
		{"content moved", "it is the same content", func(o *Origin) { o.Training["rows"] = Fact{Value: "3 rows of b", Hash: "1234567890abcdef"} }, 2, true, nil},
		{"other content", "under the same name", func(o *Origin) { o.Training["rows"] = Fact{Value: "3 rows of a", Hash: "fedcba0987654321"} }, 2, true, []string{"rows: was 3 rows of a (content 1234567890ab), is 3 rows of a (content fedcba098765)"}},
		{"unknown", "a setting that one of the two versions does not have", func(o *Origin) { delete(o.Training, "gone"); o.Training["new"] = Fact{Value: "1"} }, 2, true, nil},
		{"metric", "its scores are not compared with the best one", func(o *Origin) { o.Scoring["metric"] = Fact{Value: "f1"} }, 2, true, []string{"metric: was loss, is f1"}},
		{"metric before a score", "there is none to compare with", func(o *Origin) { o.Scoring["metric"] = Fact{Value: "f1"} }, 0, true, nil},
		{"metric without evaluation", "nothing is compared", func(o *Origin) { o.Scoring["metric"] = Fact{Value: "f1"} }, 2, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := Origin{Training: Facts{}, Scoring: Facts{}}
			for name, f := range was.Training {
				now.Training[name] = f
			}
			for name, f := range was.Scoring {
				now.Scoring[name] = f
			}
			test.change(&now)
			s := state(3, test.best)
			s.Made = &was
			var got []string
			var other *OtherRun
			if err := s.Check("checkpoint-3", now, test.scores); errors.As(err, &other) {
				got = other.Differences
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, diff)
			}
		})
	}
}

// A moment has the weight's dimensions, and values that Adam can have made.
func TestMomentsThatAdamCannotHaveMadeAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), momentsFile)
	tensor := func(name string, shape []int, values ...float32) weights.Tensor {
		return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: func() (any, error) { return values, nil }}
	}
	err := weights.WriteSafetensors(t.Context(), path, []weights.Tensor{
		tensor("exp_avg.w", []int{2}, -1, 1), tensor("exp_avg_sq.w", []int{2}, 0, 1),
		tensor("exp_avg.nan", []int{2}, 1, float32(math.NaN())), tensor("exp_avg_sq.inf", []int{2}, float32(math.Inf(1)), 1),
		tensor("exp_avg_sq.negative", []int{2}, 1, -1), tensor("exp_avg.turned", []int{1, 2}, 1, 1),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := weights.ReadSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, want := range map[string]string{
		"exp_avg.w": "", "exp_avg_sq.w": "", "exp_avg.nan": "value 1 is NaN", "exp_avg_sq.inf": "value 0 is +Inf",
		"exp_avg_sq.negative": "value 1 is -1", "exp_avg.turned": "shape [1 2] found; F32 of [2] expected", "exp_avg.missing": "F32 of [2] expected",
	} {
		if _, err := readMoment(f, name, []int{2}); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v; want %q", name, err, want)
		}
	}
}

// A score that is no number is no best one.
func TestBestOfScores(t *testing.T) {
	for _, test := range []struct {
		name    string
		greater bool
		scores  []float64
		best    int
	}{
		{"loss", false, []float64{3, 1, 2}, 2},
		{"F1", true, []float64{0.1, 0.1, 0.3, 0.3}, 3},
		{"no numbers", false, []float64{math.NaN(), math.Inf(-1), 2, math.NaN()}, 3},
		{"no number at all", true, []float64{math.NaN(), math.Inf(1)}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := Loop{Saves: Saves{Greater: test.greater}}
			for i, score := range test.scores {
				l.Job = scored{score: score}
				if err := l.evaluate(t.Context(), i+1); err != nil {
					t.Fatal(err)
				}
			}
			if step, score, ok := l.Best(); step != test.best || ok != (test.best > 0) || ok && score != test.scores[step-1] {
				t.Errorf("step %d with %v; want step %d", step, score, test.best)
			}
		})
	}
}

// scored is a job with a score.
type scored struct {
	Job
	score float64
}

func (s scored) Evaluate(context.Context, int) (float64, error) { return s.score, nil }

func TestDueCountsStepsAndTheEndOnce(t *testing.T) {
	for _, test := range []struct {
		name, why string
		due       Due
		want      []int // of 7 steps
	}{
		{"never", "the zero value", Due{}, nil},
		{"never, nor at the end", "Last alone is nothing to count", Due{Last: true}, nil},
		{"steps", "every so many, and not the rest", Due{Every: 3}, []int{3, 6}},
		{"epochs", "the last one may be cut short", Due{Every: 3, Last: true}, []int{3, 6, 7}},
		{"long", "longer than the run", Due{Every: 9}, nil},
		{"a whole number", "the end counts once", Due{Every: 7, Last: true}, []int{7}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []int
			for step := 1; step <= 7; step++ {
				if test.due.At(step, 7) {
					got = append(got, step)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, diff)
			}
		})
	}
}

func FuzzState(f *testing.F) {
	whole, err := json.Marshal(state(3, 2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"global_step":3,"schedule":{"Kind":"cosine","Peak":1e-5,"Warmup":2,"Steps":9},"made_of":{"training":{"seed":{"value":"42"}}}}`))
	f.Add([]byte(`{"global_step":-1}`))
	f.Add([]byte(`{"global_step":1e400}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseState(data)
		if err != nil {
			return
		}
		if s.Step < 1 || s.BestStep > s.Step || s.Step > s.Schedule.Steps {
			t.Errorf("taken: %+v", s)
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseState(again); err != nil || !cmp.Equal(s, back) {
			t.Errorf("%v: written and read again: %s", err, cmp.Diff(s, back))
		}
		_ = s.Check("x", Origin{Training: Facts{"seed": {Value: "1"}}}, true)
	})
}

func FuzzMoments(f *testing.F) {
	path := filepath.Join(f.TempDir(), momentsFile)
	values := []float32{1, 2}
	if err := weights.WriteSafetensors(f.Context(), path, []weights.Tensor{{Name: "exp_avg.w", DType: weights.F32, Shape: []int{2}, Data: func() (any, error) { return values, nil }}}, nil); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), momentsFile)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := weights.ReadSafetensors(path)
		if err != nil {
			return
		}
		defer file.Close()
		for _, name := range file.Names() {
			if values, err := readMoment(file, name, []int{2}); err == nil && (len(values) != 2 || !finite(float64(values[0]))) {
				t.Errorf("%s: %v taken", name, values)
			}
		}
	})
}
