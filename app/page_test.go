package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gorqa/config"
	"gorqa/report"
)

const onePrediction = `{"row": 0, "context": "gold", "question": "q", "gold_answer": "g", "generated_answer": "a", "scores": {"f1_ans": 0.5}}` + "\n"

// runFolder writes a run that began at a time, with answers before and after.
func runFolder(t *testing.T, dir string, began time.Time, c config.Train) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := config.Write(filepath.Join(dir, argsFile), &c); err != nil {
		t.Fatal(err)
	}
	about, err := json.Marshal(record{Command: "train sft", Began: began, Seconds: 60})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{recordFile: string(about), predictionsName: onePrediction, beforeName: onePrediction} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func tableTitled(tables []report.Table, title string) [][]string {
	for _, t := range tables {
		if t.Title == title {
			return t.Rows
		}
	}
	return nil
}

// Answers that another run left in the folder are not this run's.
func TestPageLeavesOutAnswersOfAnotherRun(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	runFolder(t, dir, now, config.DefaultTrain(config.SFT))
	old := now.Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, beforeName), old, old); err != nil {
		t.Fatal(err)
	}
	page, err := pageOf([]string{dir})
	if diff := cmp.Diff([]string{"after"}, page.Rows.Answers); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	runFolder(t, dir, now, config.DefaultTrain(config.SFT))
	page, err = pageOf([]string{dir})
	if diff := cmp.Diff([]string{"before", "after"}, page.Rows.Answers); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if rows := tableTitled(page.Scores, "Test set, passages: gold"); len(rows) != 1 || rows[0][4] != "+0.000 (+0.000 to +0.000)" {
		t.Errorf("scores %q", rows)
	}
}

// What is damaged in a run's folder is told of, not left out of the page.
func TestPageIsNotMadeOfDamagedFiles(t *testing.T) {
	for name, want := range map[string]string{
		recordFile:         "run.json:1: invalid character",
		argsFile:           "all_args.json:1: invalid character",
		report.MetricsFile: "metrics.jsonl:1: invalid character",
		beforeName:         "test-predictions-before.jsonl:1: invalid character",
		predictionsName:    "test-predictions.jsonl:1: invalid character",
		annotationsName:    "annotations.jsonl:1: invalid character",
	} {
		dir := t.TempDir()
		runFolder(t, dir, time.Now(), config.DefaultTrain(config.SFT))
		if err := os.WriteFile(filepath.Join(dir, name), []byte("garbage\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := pageOf([]string{dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; expected %s", name, err, want)
		}
	}
}

// Of one run the settings that are not the defaults are shown, of several those that
// differ; runs of one name are told apart.
func TestPageShowsTheSettingsThatMatter(t *testing.T) {
	dir := t.TempDir()
	c := config.DefaultTrain(config.SFT)
	c.LearningRate, c.Seed = 0.25, 7
	one, other := filepath.Join(dir, "a", "run"), filepath.Join(dir, "b", "run")
	runFolder(t, one, time.Now(), c)
	c.Seed = 8
	c.OutputDir = "elsewhere"
	runFolder(t, other, time.Now(), c)
	page, err := pageOf([]string{one})
	if diff := cmp.Diff([][]string{{"learning_rate", "0.25"}, {"seed", "7"}}, tableTitled(page.Facts, "Settings that are not the defaults")); err != nil || diff != "" || page.Title != "run" {
		t.Errorf("%s: %v (-want +got):\n%s", page.Title, err, diff)
	}
	page, err = pageOf([]string{one, other})
	if diff := cmp.Diff([][]string{{"seed", "7", "8"}}, tableTitled(page.Facts, "Settings that differ")); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{one, other}, page.Rows.Answers); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// A record does not tell where the user's folders lie.
func TestEngineNameHasNoFolders(t *testing.T) {
	for described, want := range map[string]string{
		"xla:/home/me/.cache/gorqa/engine/cpu-0.11.2/pjrt_c_api_cpu_plugin.so - PJRT plugin (/home/me/…) v0.115": "xla, plugin cpu-0.11.2",
		"xla:cpu": "xla:cpu",
	} {
		if got := engineName(described); got != want {
			t.Errorf("%s: %q; %q expected", described, got, want)
		}
	}
}
