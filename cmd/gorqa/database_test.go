package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/postgrestest"
	"gorqa/text/demodata"
)

// Documents that live in PostgreSQL give the passages that those in a folder give: in contexts,
// ask, eval and training, whose settings hold no password and are taken again.
func TestDocumentsInADatabase(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a database and processes")
	}
	s := postgrestest.Start(t)
	dir, _ := toServe(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	gorqa := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(self, args...)
		cmd.Args[0], cmd.Dir, cmd.Stdin = "gorqa", work, strings.NewReader("What does Println do?\n")
		var shown, said strings.Builder
		cmd.Stdout, cmd.Stderr = &shown, &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("gorqa %s: %v\n%s", strings.Join(args, " "), err, said.String())
		}
		if strings.Contains(said.String()+shown.String(), postgrestest.Password) {
			t.Errorf("gorqa %s shows the password", args[0])
		}
		return shown.String()
	}
	secret := strings.Replace(s.Address(), "gorqa@", "gorqa:"+postgrestest.Password+"@", 1)
	documents, folder := filepath.Join(dir, demodata.DocumentsFile), filepath.Join(dir, "index")
	rows := filepath.Join(dir, demodata.TrainFile)
	for _, path := range []string{folder, secret} {
		if out := gorqa("index", "--full_dataset_file_path", documents, "--full_dataset_index_path", path, "--eval_embedding_model", "all-MiniLM-L6-v2", "--bf16", "false"); !strings.Contains(out, " embedded, 0 dropped") {
			t.Errorf("%s", out)
		}
	}
	contexts := func(path string) string {
		return gorqa("contexts", "--train_file", rows, "--full_dataset_index_path", path, "--embedding_model", "all-MiniLM-L6-v2", "--bf16", "false")
	}
	if diff := cmp.Diff(contexts(folder), contexts(secret)); diff != "" {
		t.Errorf("contexts (-folder +database)\n%s", diff)
	}
	model := func(path string) []string {
		return []string{"--model_name_or_path", filepath.Join(dir, "model"), "--sep_sys", "<|im_end|>", "--full_dataset_index_path", path, "--eval_embedding_model", "all-MiniLM-L6-v2", "--eval_max_new_tokens", "4", "--bf16", "false", "--eval_k", "2"}
	}
	ask := func(path string) string {
		return gorqa(append([]string{"ask"}, model(path)...)...)
	}
	if diff := cmp.Diff(ask(folder), ask(secret)); diff != "" {
		t.Errorf("ask (-folder +database)\n%s", diff)
	}
	run := filepath.Join(dir, "eval")
	gorqa(append([]string{"eval", "--test_file", filepath.Join(dir, demodata.TestFile), "--eval_contexts", "retrieved", "--output_dir", run, "--index_type", "hnsw"}, model(secret)...)...)
	data, err := os.ReadFile(filepath.Join(run, "score.json"))
	if err != nil {
		t.Fatal(err)
	}
	var scores map[string]float64
	if err := json.Unmarshal(data, &scores); err != nil {
		t.Fatal(err)
	}
	if recall := scores["test_retr/index/recall_of_exact"]; !(recall > 0.5 && recall <= 1) {
		t.Errorf("recall of HNSW %v in %s", recall, data)
	}
	settings, err := os.ReadFile(filepath.Join(run, "all_args.json"))
	if err != nil || strings.Contains(string(settings), postgrestest.Password) || !strings.Contains(string(settings), "postgres://***@127.0.0.1") {
		t.Errorf("settings %v: %s", err, settings)
	}
	// With the settings that were kept: name and password come from the environment.
	t.Setenv("PGUSER", "gorqa")
	gorqa("eval", "--config", filepath.Join(run, "all_args.json"), "--output_dir", filepath.Join(dir, "again"))
}
