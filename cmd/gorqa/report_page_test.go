package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// predicted writes the files of a run with so many rows, whose texts have markup.
func predicted(t *testing.T, dir string, rows int, rate string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(dir, 0o755))
	var before, after, metrics strings.Builder
	write := func(out *strings.Builder, line any) { must(json.NewEncoder(out).Encode(line)) }
	for i := range rows {
		question := fmt.Sprintf("Question %d?", i)
		if i == 0 {
			question = rogue
		}
		passages := []any{}
		for k := range 4 { // each of a kilobyte, none twice
			passages = append(passages, map[string]any{"page_content": fmt.Sprintf("Passage %d of row %d %s\n", k, i, rogue) + strings.Repeat(fmt.Sprintf("word%d ", i*k), 120), "metadata": map[string]any{"title": fmt.Sprintf("Passage %d of row %d %s", k, i, rogue)}, "id": fmt.Sprint(k)})
		}
		row := map[string]any{
			"row": i, "context": "retrieved", "question": question, "gold_answer": fmt.Sprint("gold ", i), "gold_docs": passages[:1], "retrieved_docs": passages,
			"generated_answer": rogue, "scores": map[string]float64{"f1_ans": float64(i%7) / 10}, "chat_history": []any{map[string]string{"speaker": "user", "message": rogue}},
		}
		write(&before, row)
		row["generated_answer"], row["scores"] = fmt.Sprintf("answer %d", i), map[string]float64{"f1_ans": float64(i%5) / 5, "gpt4eval_acc": 1}
		row["judged"] = map[string]string{"verdict": "correct", "reason": rogue}
		write(&after, row)
	}
	for i := range 40 {
		write(&metrics, map[string]float64{"step": float64(i + 1), "loss": 3 / float64(i+1), "learning_rate": 1e-4, "grad_norm": 2, "memory_gb": 1})
	}
	write(&metrics, map[string]float64{"step": 20, "eval_loss": 2})
	write(&metrics, map[string]float64{"step": 40, "eval_loss": 1})
	for name, text := range map[string]string{
		"test-predictions-before.jsonl": before.String(), "test-predictions.jsonl": after.String(), "metrics.jsonl": metrics.String(),
		"all_args.json": `{"do_train": true, "learning_rate": ` + rate + `, "user_prefix": "` + strings.ReplaceAll(rogue, `"`, `\"`) + `"}`,
		"run.json":      `{"command": "train sft", "seconds": 61, "ended": "2026-01-02T03:04:05Z", "model": {"name": "small", "parameters": 1500000, "trained_parameters": 1500000, "dtype": "float32"}, "data": [{"setting": "train_file", "path": "train.jsonl", "rows": 7, "skipped": 2, "sha256": "0123456789abcdef"}], "machine": {"processor": "a processor", "isa": "avx2", "threads": 2}}`,
	} {
		must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
}

// gorqa runs a command, which must do.
func gorqa(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("gorqa", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", args, err, out)
	}
	return string(out)
}

// TestReportPage looks at the page of a run, and at that of two, in a real browser.
func TestReportPage(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	chromium(t)
	dir := t.TempDir()
	predicted(t, filepath.Join(dir, "one"), 1000, "0.1")
	predicted(t, filepath.Join(dir, "two"), 30, "0.2")
	gorqa(t, "report", filepath.Join(dir, "one"))
	gorqa(t, "report", filepath.Join(dir, "one"), filepath.Join(dir, "two"), "--output", filepath.Join(dir, "both.html"))
	page := filepath.Join(dir, "one", "report.html")
	if info, err := os.Stat(page); err != nil || info.Size() > 3_000_000 {
		t.Errorf("%d bytes for 1000 rows, %v; at most 3 MB expected", info.Size(), err)
	}
	ctx := browse(t)
	open := func(path string) {
		do(t, ctx, chromedp.Navigate("file://"+path), chromedp.WaitReady(chromedp.CSS("main")))
		sees(t, ctx, "the page is drawn", `document.body.dataset.ready === "true"`)
	}
	open(page)
	t.Run("facts and scores", func(t *testing.T) { reportFacts(t, ctx) })
	t.Run("rows", func(t *testing.T) { reportRows(t, ctx) })
	t.Run("curves", func(t *testing.T) { reportCurves(t, ctx) })
	t.Run("markup is text", func(t *testing.T) {
		if taken := seen(t, ctx, `[window.taken ?? 0, document.querySelectorAll("main img, main script, main tbody b, main p b").length]`); taken != "[0,0]" {
			t.Errorf("markup was taken as HTML: %s", taken)
		}
	})
	t.Run("axe", func(t *testing.T) { axe(t, ctx, "the report") })
	open(filepath.Join(dir, "both.html"))
	t.Run("two runs", func(t *testing.T) {
		text := seen(t, ctx, `document.querySelector("main").innerText`)
		for _, want := range []string{"Settings that differ", `learning_rate\t0.1\t0.2`, "one evaluation", "two train", "No answer"} {
			if want == "No answer" { // row 40 of the first has no partner in the second
				do(t, ctx, script(`(document.getElementById("search").value = "Question 40?", document.getElementById("search").dispatchEvent(new Event("input")), document.querySelector("#rows .open").click())`))
				text = seen(t, ctx, `document.querySelector("#rows .full").innerText`)
			}
			if !strings.Contains(text, want) {
				t.Errorf("%s is not in %.3000s", want, text)
			}
		}
	})
	t.Run("axe of two", func(t *testing.T) { axe(t, ctx, "the report of two runs") })
}

func reportFacts(t *testing.T, ctx context.Context) {
	text := seen(t, ctx, `document.querySelector("main").innerText`)
	for _, want := range []string{
		`small`, `1.5 million`, `float32`, `7 rows, 2 skipped, sha256 0123456789ab, train.jsonl`, `a processor`, `avx2`, `1m1s`, `learning_rate\t0.1`,
		`F1\t1000\t0.300 (0.287 to 0.312)\t0.400 (0.383 to 0.417)\t+0.100 (+0.0`, `judge\t1000\t–\t1.000 (1.000 to 1.000)`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %.3000s", want, text)
		}
	}
}

const (
	shownQuestions = `[...document.querySelectorAll("#rows .open")].map((b) => b.textContent)`
	place          = `document.getElementById("place").textContent`
)

// reportRows: rows are searched, sorted, paged and opened, by the keyboard too.
func reportRows(t *testing.T, ctx context.Context) {
	if at := seen(t, ctx, place); at != `"1–25 of 1000"` {
		t.Errorf("%s", at)
	}
	do(t, ctx, chromedp.Click(chromedp.CSS("#after")))
	if first := seen(t, ctx, "["+place+","+shownQuestions+"[0]]"); first != `["26–50 of 1000","Question 25?"]` {
		t.Errorf("the second page is %s", first)
	}
	do(t, ctx, chromedp.SendKeys(chromedp.CSS("#search"), "ANSWER 77"))
	if found := seen(t, ctx, "["+place+","+shownQuestions+"]"); !strings.HasPrefix(found, `["1–11 of 11",["Question 77?","Question 770?"`) {
		t.Errorf("a search finds %s; expected 77 and 770 to 779", found)
	}
	do(t, ctx, script(`[...document.querySelectorAll("#rows thead button")].find((b) => b.textContent.startsWith("Score after")).focus()`), chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Enter))
	if top := seen(t, ctx, `[document.activeElement.textContent, document.activeElement.parentElement.getAttribute("aria-sort"), `+shownQuestions+`[0]]`); top != `["Score after ↓","descending","Question 774?"]` {
		t.Errorf("sorted by score: %s; expected 774 first, downwards", top)
	}
	do(t, ctx, script(`(document.getElementById("search").value = "OF ROW 0 ", document.getElementById("search").dispatchEvent(new Event("input")), document.querySelector("#rows .open").focus())`), chromedp.KeyEvent(kb.Enter))
	full := seen(t, ctx, `document.querySelector("#rows .full").textContent`)
	for _, want := range []string{"Gold answer", "gold 0", "Judge", "correct: Quokkas <img", "F1 0 ", "gold: Passage 0 of row 0 Quokkas <img", "user: Quokkas"} {
		if !strings.Contains(full, want) {
			t.Errorf("%s is not in the row: %.1500s", want, full)
		}
	}
	if open := seen(t, ctx, `document.querySelector("#rows .open").getAttribute("aria-expanded")`); open != `"true"` {
		t.Errorf("aria-expanded %s", open)
	}
}

// reportCurves: losses are in one drawing, smoothing changes it, and arrows read it.
func reportCurves(t *testing.T, ctx context.Context) {
	titles := seen(t, ctx, `[...document.querySelectorAll("#charts figure")].map((f) => f.querySelector("b").textContent + " " + f.querySelectorAll(".line").length)`)
	if want := `["Loss (nats a label token) 2","Learning rate 1","Gradient norm, before clipping 1","Peak memory (GB) 1"]`; titles != want {
		t.Errorf("%s; expected %s", titles, want)
	}
	line := `document.querySelector("#charts .line").getAttribute("points")`
	smooth := seen(t, ctx, line)
	do(t, ctx, script(`(document.getElementById("smoothing").value = 0, document.getElementById("smoothing").dispatchEvent(new Event("input")))`))
	if raw := seen(t, ctx, line); raw == smooth || seen(t, ctx, `document.querySelectorAll("#charts .raw").length`) != "0" {
		t.Error("smoothing changes nothing")
	}
	do(t, ctx, script(`document.querySelector("#charts svg").focus()`), chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft))
	if reading := seen(t, ctx, `document.querySelector("#charts output").textContent`); reading != `"step 39: train 0.07692"` {
		t.Errorf("the arrow keys read %s", reading)
	}
}
