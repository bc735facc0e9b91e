package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every bad file stands beside its messages: testdata/bad/NAME.{yaml,json}
// and NAME.want.
func TestBadFiles(t *testing.T) {
	t.Chdir("testdata/bad")
	files, err := filepath.Glob("*.want")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d bad files: %v", len(files), err)
	}
	for _, wanted := range files {
		stem := strings.TrimSuffix(wanted, ".want")
		file := stem + ".yaml"
		if _, err := os.Stat(file); err != nil {
			file = stem + ".json"
		}
		t.Run(stem, func(t *testing.T) {
			want, err := os.ReadFile(wanted)
			if err != nil {
				t.Fatal(err)
			}
			c := originalTrain()
			_, err = Parse(&c, []string{"--config", file})
			got := ""
			if err != nil {
				got = err.Error() + "\n"
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFlagsWinOverTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.json")
	content := `{"seed": 3, "learning_rate": 1e-3, "sep_user": "\ud83d\ude00\/", "eval_contexts": ["gold", "retrieved"], "save_total_limit": null, "bf16": false}`
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"before", "after"} {
		args := append([]string{"--config", file}, original...)
		if where == "after" {
			args = append(slices.Clone(original), "--config="+file)
		}
		got := DefaultTrain("sft")
		if _, err := Parse(&got, append(args, "--seed", "4", "--eval_contexts", "gold")); err != nil {
			t.Fatal(err)
		}
		want := originalTrain()
		want.Seed, want.SepUser, want.EvalContexts = 4, new(" "), []string{"gold"}
		want.BF16 = true // the original's command line says so
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("--config %s the flags: %s", where, diff)
		}
	}
}

// What is written of the settings has no password of an address.
func TestWrittenWithoutPasswords(t *testing.T) {
	c := DefaultTrain(SwR)
	c.EmbeddingModel = "https://me:hunter2@host/model"
	if written, err := Resolved(&c); err != nil || strings.Contains(string(written), "hunter2") || !strings.Contains(string(written), `"https://***@host/model"`) {
		t.Errorf("%v %s", err, written)
	}
}

// The words of YAML mean what they mean on the command line.
func TestYAMLWords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.yaml")
	content := "eval_strategy: no\nload-best-model-at-end: false\nbf16: yes\nsep_user: \" \"\nsep_sys: 5\nsave_steps: ~\nlearning_rate: 5e-6 # small\nreport_to:\n- tensorboard\n"
	if err := os.WriteFile(file, []byte("\ufeff"+content), 0o644); err != nil {
		t.Fatal(err)
	}
	got := originalTrain()
	if _, err := Parse(&got, []string{file}); err != nil {
		t.Fatal(err)
	}
	want := originalTrain()
	want.EvalStrategy, want.LoadBestModelAtEnd, want.SepUser, want.SepSys, want.ReportTo = No, new(false), new(" "), new("5"), []string{"tensorboard"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsOfAnotherCommand(t *testing.T) {
	dir := t.TempDir()
	train := originalTrain()
	if err := Write(filepath.Join(dir, "all_args.json"), &train); err != nil {
		t.Fatal(err)
	}
	c := DefaultEval()
	notices, err := Parse(&c, []string{"--config", filepath.Join(dir, "all_args.json"), "--model_name_or_path", "trained"})
	if err != nil || notices != nil {
		t.Errorf("notices %q, error %v", notices, err)
	}
	if c.ModelNameOrPath != "trained" || *c.SepSys != "</s>" || *c.UserPrefix != "<s>[INST]" || c.TestFile != "test_w_qa.jsonl" {
		t.Errorf("%+v", c)
	}
	_, err = Parse(&c, []string{"--weight_decay", "3"})
	matchProblems(t, err, []string{"--weight_decay: a setting of another command"})
}

func TestWriteGivesTheSameBack(t *testing.T) {
	no, seed := false, int64(-1<<63)
	tests := []struct {
		name, why string
		change    func(*Train)
	}{
		{"defaults", "nils and empty strings come back", func(c *Train) {}},
		{"everything odd", "text, lists and numbers come back exactly", func(c *Train) {
			c.SepSys, c.UserPrefix, c.AssistantPrefix, c.SepUser = new("\n\t\"\\ "), new("🙂\u2028<&>"), new("true"), new("")
			c.EvalContexts, c.ReportTo = []string{Retrieved, Gold}, nil
			c.GreaterIsBetter, c.DataSeed, c.AdamEpsilon, c.LearningRate = &no, &seed, 1e-30, 0.1+0.2
		}},
		{"secret", "a token is never written", func(c *Train) { c.Token = "hf_secret" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := originalTrain()
			test.change(&want)
			dir := filepath.Join(t.TempDir(), "made")
			if err := Write(filepath.Join(dir, "all_args.json"), &want); err != nil {
				t.Fatal(err)
			}
			written, err := os.ReadFile(filepath.Join(dir, "all_args.json"))
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(written) || strings.Contains(string(written), "hf_secret") {
				t.Errorf("%s", written)
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 1 {
				t.Errorf("%d files left, error %v", len(entries), err)
			}
			got := DefaultTrain("sft")
			if _, err := Parse(&got, []string{filepath.Join(dir, "all_args.json")}); err != nil {
				t.Fatal(err)
			}
			want.Token = ""
			if want.ReportTo == nil {
				want.ReportTo = []string{"none"} // null leaves the default, which says the same
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", test.why, diff)
			}
		})
	}
}

func FuzzReadYAML(f *testing.F) {
	for _, seed := range []string{"", "a: 1", "a: [1, x]\nb: ~", "- 1", "&a *a", "a: {b: 1}", "\xff", "a: &x [*x]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkRead(t, data, readYAML) })
}

func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{"", `{"a": 1}`, `{"a": [1, "x", null]}`, `[1]`, `{"a": {}}`, `{"a": 1} x`, `{"a"`, `{1: 2}`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkRead(t, data, readJSON) })
}

// checkRead: whatever a file holds, it is assignments or an error that says
// where.
func checkRead(t *testing.T, data []byte, read func(string, []byte) ([]assignment, error)) {
	given, err := read("run", data)
	if err != nil && !strings.HasPrefix(err.Error(), "run:") {
		t.Errorf("an error without a place: %v", err)
	}
	c := DefaultTrain("sft")
	set := newSet(&c)
	if _, err := set.apply(given); err != nil && !strings.HasPrefix(err.Error(), "run:") {
		t.Errorf("an error without a place: %v", err)
	}
}
