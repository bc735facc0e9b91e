package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"gorqa/text/evaluate/human"
)

// toReview writes the predictions of two runs, whose texts have markup.
func toReview(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, run := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(dir, run), 0o755); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for i, question := range []string{rogue, "Second?", "Third?", "Fourth?"} {
			passage := map[string]any{"page_content": "A quick brown fox jumps. " + rogue, "metadata": map[string]string{"title": "Foxes " + rogue}, "id": "p"}
			err := json.NewEncoder(&out).Encode(map[string]any{
				"row": i, "context": "retrieved", "question": question, "chat_history": []any{map[string]string{"speaker": "user", "message": rogue}}, "gold_answer": "gold " + rogue,
				"generated_answer": "It says: a quick brown fox jumps, " + run + " " + rogue, "gold_docs": []any{passage}, "retrieved_docs": []any{passage}, "scores": map[string]float64{"f1_ans": 0.25},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, run, "test-predictions.jsonl"), []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const questionNow = `document.getElementById("question").textContent`

// enterAs begins as a rater.
func enterAs(name string) action {
	return chromedp.Steps(chromedp.WaitReady(chromedp.CSS("#rater")), chromedp.SendKeys(chromedp.CSS("#rater"), name), enter())
}

// TestReviewPage rates answers in a real browser, alone and in pairs.
func TestReviewPage(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	chromium(t)
	dir := toReview(t)
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	ctx := browse(t)
	for _, part := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"answers are rated", func(t *testing.T) { reviewRates(t, ctx, listening(t, "review", one), one) }},
		{"a rater goes on where one stopped", func(t *testing.T) { reviewResumes(t, ctx, listening(t, "review", one)) }},
		{"pairs are blind", func(t *testing.T) { reviewPairs(t, ctx, listening(t, "review", one, two), one) }},
		{"what came of it", func(t *testing.T) { reviewSummary(t, one, two) }},
	} {
		if !t.Run(part.name, part.test) {
			return // the next ones go on where this one ended
		}
	}
}

// reviewRates: by the keyboard alone, each click being on the disk before the page says so.
func reviewRates(t *testing.T, ctx context.Context, s *served, run string) {
	do(t, ctx, chromedp.Navigate(s.url), enterAs("Ann"))
	sees(t, ctx, "the first answer is shown", questionNow+` === `+quoted(rogue))
	if text := seen(t, ctx, `document.querySelector(".answer > p").textContent`); text != quoted("It says: a quick brown fox jumps, one "+rogue) {
		t.Errorf("the answer stands there as %s", text)
	}
	if marks := seen(t, ctx, `[...document.querySelectorAll(".answer mark")].map((m) => m.textContent)[0]`); !strings.HasPrefix(marks, `"A quick brown fox jumps`) {
		t.Errorf("marked: %s", marks)
	}
	if open := seen(t, ctx, `document.getElementById("gold").open`); open != "false" {
		t.Error("the gold answer is not folded away")
	}
	do(t, ctx, chromedp.KeyEvent("g"), chromedp.KeyEvent("4"), chromedp.KeyEvent("5"))
	sees(t, ctx, "it is saved", `document.getElementById("saved").textContent === "Saved." && document.getElementById("gold").open`)
	if progress := seen(t, ctx, `document.getElementById("count").textContent`); progress != `"0 of 4 rated"` {
		t.Errorf("%s while a scale is left", progress)
	}
	all := annotationsIn(t, run)
	if last := all[len(all)-1]; last.Judged["Correctness"] != 4. || last.Judged["Faithfulness"] != 5. || last.Metadata.Rater != "Ann" || last.Metadata.Context != "retrieved" {
		t.Errorf("%+v", last)
	}
	do(t, ctx, chromedp.KeyEvent("2"))
	sees(t, ctx, "the answer is rated", `document.getElementById("count").textContent === "1 of 4 rated"`)
	do(t, ctx, chromedp.SendKeys(chromedp.CSS("#comment"), "n5 <b>"))
	if at := seen(t, ctx, questionNow); at != quoted(rogue) {
		t.Errorf("letters of a comment are keys: %s", at)
	}
	do(t, ctx, script(`document.getElementById("question").focus()`), chromedp.KeyEvent("n"))
	sees(t, ctx, "the next is shown", questionNow+` === "Second?" && document.querySelectorAll(":checked").length === 0`)
	do(t, ctx, script(`["p", "3"].forEach((key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })))`)) // the 3 comes too early
	sees(t, ctx, "what was said is there again", questionNow+` === `+quoted(rogue)+` && document.querySelectorAll(":checked").length === 3 && document.getElementById("comment").value === "n5 <b>"`)
	if n := len(annotationsIn(t, run)); n != len(all)+2 {
		t.Errorf("%d annotations; %d expected: one of a scale, one of a comment, none of the key that came while the answer was on its way", n, len(all)+2)
	}
	do(t, ctx, script(`(document.activeElement.blur(), document.getElementById("scale0-0").focus())`), chromedp.KeyEvent(" "))
	sees(t, ctx, "another click counts", `document.getElementById("saved").textContent === "Saved." && document.getElementById("scale0-0").checked`)
	all = annotationsIn(t, run)
	if last := all[len(all)-1]; last.Judged["Correctness"] != 1. || last.Metadata.Comment != "n5 <b>" {
		t.Errorf("%+v", last)
	}
	if taken := seen(t, ctx, `[window.taken ?? 0, document.querySelectorAll("main img, main script, main b, main i").length]`); taken != "[0,0]" {
		t.Errorf("markup was taken as HTML: %s", taken)
	}
	do(t, ctx, script(`document.querySelectorAll(".answer details, #gold, #gold details").forEach((d) => d.open = true)`))
	axe(t, ctx, "the review page")
	ends(t, s)
}

func annotationsIn(t *testing.T, run string) []human.Annotation {
	t.Helper()
	all, err := human.Read(filepath.Join(run, "annotations.jsonl"))
	if err != nil || len(all) == 0 {
		t.Fatalf("%d annotations, %v", len(all), err)
	}
	return all
}

// ends tells the server to end, as a system does.
func ends(t *testing.T, s *served) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if logs := <-s.logs; strings.Contains(logs, "panic") {
		t.Errorf("it wrote %s", logs)
	}
	_ = s.cmd.Wait() // its code is that of the signal
}

// reviewResumes: of a rater who comes again, the first answer that is not rated.
func reviewResumes(t *testing.T, ctx context.Context, s *served) {
	do(t, ctx, chromedp.Navigate(s.url), enterAs(" Ann "))
	sees(t, ctx, "the second answer is shown", questionNow+` === "Second?" && document.getElementById("count").textContent === "1 of 4 rated"`)
	do(t, ctx, chromedp.Click(chromedp.CSS("#leave")))
	do(t, ctx, enterAs("Bob"))
	sees(t, ctx, "another rater begins", questionNow+` === `+quoted(rogue)+` && document.getElementById("who").textContent === "Bob"`)
	do(t, ctx, chromedp.KeyEvent("2"), chromedp.KeyEvent("5"), chromedp.KeyEvent("2"))
	sees(t, ctx, "it is rated", `document.getElementById("count").textContent === "1 of 4 rated"`)
	do(t, ctx, chromedp.Click(chromedp.CSS("#open")))
	sees(t, ctx, "the next that is not rated", questionNow+` === "Second?"`)
	ends(t, s)
}

// reviewPairs: two answers without a word on where they come from, each on either side;
// what is kept names the run whatever the side.
func reviewPairs(t *testing.T, ctx context.Context, s *served, run string) {
	do(t, ctx, chromedp.Navigate(s.url), enterAs("Ann"))
	lefts := map[string]bool{}
	for i, question := range []string{rogue, "Second?", "Third?", "Fourth?"} {
		sees(t, ctx, "two answers are shown", questionNow+` === `+quoted(question)+` && document.querySelectorAll(".answer").length === 2 && document.getElementById("count").textContent.startsWith("`+string(rune('0'+i))+` of 4")`)
		if i == 0 {
			if page := seen(t, ctx, `fetch("/item", { method: "POST", body: JSON.stringify({ rater: "Ann" }) }).then((r) => r.text()).then((text) => [text, document.documentElement.outerHTML])`); strings.Contains(page, "predictions") || strings.Contains(page, "f1_ans") {
				t.Errorf("the page knows the files: %s", page)
			}
			do(t, ctx, script(`document.querySelectorAll(".answer details, #gold, #gold details").forEach((d) => d.open = true)`))
			axe(t, ctx, "the review page of pairs")
		}
		left := seen(t, ctx, `document.querySelector(".answer > p").textContent`)
		second := strings.Contains(left, "jumps, two")
		lefts[left] = true
		key := "1" // the left one
		if !second {
			key = "3"
		}
		if i == 3 {
			key = "2"
		}
		do(t, ctx, chromedp.KeyEvent(key))
		sees(t, ctx, "it is saved", `document.getElementById("saved").textContent.startsWith("Saved.")`)
		do(t, ctx, chromedp.KeyEvent("n"))
	}
	if len(lefts) != 2 {
		t.Error("each pair has the same run on the left")
	}
	kept := annotationsIn(t, run)
	for i, a := range kept[len(kept)-4:] {
		want := human.Second
		if i == 3 {
			want = human.Tie
		}
		if a.Judged[human.Preference] != want || a.Other == nil || !strings.Contains(a.Other.Dialogue.History[2].Message, "jumps, two") || a.Metadata.Left == "" {
			t.Errorf("%d: %+v; %s expected", i, a, want)
		}
	}
	do(t, ctx, chromedp.Reload())
	sees(t, ctx, "what was said is there again, on the same side", `document.querySelectorAll(":checked").length === 1 && document.getElementById("count").textContent === "4 of 4 rated"`)
	ends(t, s)
}

// reviewSummary: agreement, means and win rates, in summaries, compare and the report.
func reviewSummary(t *testing.T, one, two string) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"review", one, "--summary"}, []string{": 4 items; Ann judged 1; Bob judged 1", "Correctness 1 1.500 1.500 to 1.500 1 0.000 0.000", "Faithfulness 1 5.000 5.000 to 5.000 1 - -"}},
		{[]string{"review", one, two, "--summary"}, []string{"by people 4 0.875 0.396 to 0.987 3 1 0 0 - -"}},
		{[]string{"review", one, two, "--summary", "--json"}, []string{`"win_rate": 0.875`, `"ties": 1`}},
		{[]string{"compare", one, two}, []string{"f1_ans 4 0.2500", "by people 4 0.875 0.396 to 0.987"}},
		{[]string{"compare", one, one, "--json"}, []string{`"metric": "human_Correctness",`, `"this": 1.5,`}},
		{[]string{"report", one}, []string{"report.html"}},
	} {
		out := strings.Join(strings.Fields(gorqa(t, c.args...)), " ")
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("gorqa %q: %s is not in\n%s", c.args, want, out)
			}
		}
	}
	page, err := os.ReadFile(filepath.Join(one, "report.html"))
	if err != nil || !strings.Contains(string(page), "Correctness, by people") {
		t.Errorf("%v; the report lacks what people said", err)
	}
}
