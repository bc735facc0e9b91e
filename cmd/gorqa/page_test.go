package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gorqa/text/demodata"
)

// rogue is a passage and a question that do something where they are taken as HTML.
const rogue = `Quokkas <img src=x onerror="window.taken=1"><script>window.taken=1</script> & <b>wombats</b>`

// scripted lets the page's next answer be one of the test's own, with its passages.
const scripted = `(window.plain ??= window.fetch, window.fetch = (path, o) => path !== "/v1/chat/completions" ? window.plain(path, o) :
	(window.fetch = window.plain, Promise.resolve(new Response(%s, { headers: { "Content-Type": "text/event-stream" } }))))`

// chromium is the browser's path. Without one, the test says so and is skipped.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	fmt.Fprintf(os.Stderr, "%s: the page is NOT tested: no chromium found; install it (Debian: apt install chromium)\n", t.Name())
	t.Skip("no chromium found")
	return ""
}

// browse opens a window of a browser. What the page says to its console is a failure,
// but for the replies with an error status that a test asks for.
func browse(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-dev-shm-usage", true))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page threw %+v", e.ExceptionDetails)
		case *runtime.EventConsoleAPICalled:
			t.Errorf("the page wrote %s: %+v", e.Type, e.Args)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// action is one that gives nothing.
type action = chromedp.Action[chromedp.Void]

// do runs actions in the browser.
func do(t *testing.T, ctx context.Context, actions ...action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// script runs an expression in the page, whatever it gives.
func script(expression string) action {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Evaluate[bool]("("+expression+", true)")(ctx, target)
		return chromedp.Void{}, err
	}
}

// seen is what an expression gives in the page, as JSON.
func seen(t *testing.T, ctx context.Context, expression string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("(async () => JSON.stringify(await "+expression+"))()", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// sees waits until an expression holds in the page.
func sees(t *testing.T, ctx context.Context, why, expression string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); seen(t, ctx, "Boolean("+expression+")") != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s does not come to hold; the page says\n%s", why, expression, seen(t, ctx, "document.body.innerText"))
		}
	}
}

const (
	answers = `[...document.querySelectorAll("#turns .assistant > p:first-child")].map((p) => p.textContent)`
	settled = `!document.querySelector("[aria-busy]") && !document.getElementById("send").hidden`
)

// send types a question and sends it with the Enter key.
func send(question string) action {
	return chromedp.Steps(chromedp.SendKeys(chromedp.CSS("#question"), question), enter())
}

// enter presses the Enter key as a keyboard does: what it writes is left out where the
// page takes the key for itself.
func enter() action {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for _, kind := range []input.DispatchKeyEventType{"keyDown", "keyUp"} {
			p := input.DispatchKeyEventParams{Type: kind, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13}
			if kind == "keyDown" {
				p.Text = "\r"
			}
			if _, err := cdp.Call(ctx, target, input.DispatchKeyEvent, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// set gives a field of the settings a value.
func set(id, value string) action {
	return script(fmt.Sprintf(`document.getElementById(%q).value = %q`, id, value))
}

// TestPage talks to a server over its page in a real browser.
func TestPage(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	chromium(t)
	dir, common := toServe(t)
	addDocument(t, filepath.Join(dir, demodata.DocumentsFile), rogue)
	questions := append(questionsOf(t, dir)[:1], rogue)
	want := asked(t, questions, common)
	feedback := filepath.Join(dir, "feedback.jsonl")
	s := startServer(t, append(common, "--api_key", "secret", "--served_model_name", "small", "--feedback_file", feedback)...)

	ctx := browse(t)
	do(t, ctx, chromedp.Navigate(s.url), chromedp.WaitReady(chromedp.CSS("#question")))
	t.Run("a key is asked for", func(t *testing.T) {
		do(t, ctx, send(questions[0]))
		sees(t, ctx, "the error is shown", `document.querySelector("[role=alert]")?.textContent.includes("API key")`)
		sees(t, ctx, "the question can be sent again", `document.getElementById("question").value === `+quoted(questions[0]))
		do(t, ctx, chromedp.Click(chromedp.CSS("#settings summary")), chromedp.SendKeys(chromedp.CSS("#key"), "secret"), chromedp.Click(chromedp.CSS("#new")), set("question", ""))
	})
	for _, part := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"answers", func(t *testing.T) { pageAnswers(t, ctx, questions, want) }},
		{"thumbs", func(t *testing.T) { pageThumbs(t, ctx, feedback, questions[0], want[0]) }},
		{"markup is text", func(t *testing.T) { pageMarkup(t, ctx, want[1]) }},
		{"stop and new chat", func(t *testing.T) { pageStops(t, ctx) }},
		{"keyboard", func(t *testing.T) { pageKeys(t, ctx) }},
		{"axe", func(t *testing.T) { pageAxe(t, ctx) }},
	} {
		if !t.Run(part.name, part.test) {
			return // the next ones go on where this one ended
		}
	}
}

func addDocument(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = json.NewEncoder(f).Encode(map[string]any{"page_content": text, "metadata": map[string]string{"source": "rogue.html", "title": text}})
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// quoted is a text as JSON.stringify writes it.
func quoted(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a text has no error
	return strings.TrimSpace(b.String())
}

// pageAnswers: the answer is that of gorqa ask, with its passages; both are there again
// after the page was loaded anew.
func pageAnswers(t *testing.T, ctx context.Context, questions, want []string) {
	do(t, ctx, send(questions[0]))
	sees(t, ctx, "the answer comes", settled+` && `+answers+`.length === 1`)
	if got := seen(t, ctx, answers+`[0]`); got != quoted(want[0]) {
		t.Errorf("%s found; expected %q", got, want[0])
	}
	passages := `[...document.querySelectorAll("#list li")].map((x) => x.textContent)`
	before := seen(t, ctx, passages)
	if n := seen(t, ctx, passages+`.length`); n != "2" {
		t.Errorf("%s passages; expected 2", n)
	}
	do(t, ctx, chromedp.Reload(), chromedp.WaitReady(chromedp.CSS("#question")))
	sees(t, ctx, "the history stays", answers+`.length === 1 && document.querySelector("#turns .user").textContent === `+quoted(questions[0]))
	if after := seen(t, ctx, passages); after != before {
		t.Errorf("passages after loading anew: %s; expected %s", after, before)
	}
	do(t, ctx, chromedp.Click(chromedp.CSS("#settings summary")), chromedp.SendKeys(chromedp.CSS("#key"), "secret"))
}

// pageThumbs: a press adds a line with all that it is about.
func pageThumbs(t *testing.T, ctx context.Context, file, question, answer string) {
	do(t, ctx, chromedp.Click(chromedp.CSS(`[aria-label="Good answer"]`)))
	sees(t, ctx, "it is pressed", `document.querySelector('[aria-label="Good answer"]').getAttribute("aria-pressed") === "true"`)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var line struct {
		Time     time.Time
		Feedback struct {
			Rating, Question, Answer string
			Documents                []int
		}
	}
	if err := json.Unmarshal(data, &line); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	if f := line.Feedback; f.Rating != "up" || f.Question != question || f.Answer != answer || len(f.Documents) != 2 || time.Since(line.Time) > time.Minute {
		t.Errorf("%+v; expected a thumb up, the question, the answer and two documents", line)
	}
}

// said is an answer as a server streams it, with a passage.
func said(answer string) string {
	var parts strings.Builder
	for _, part := range []any{
		map[string]any{"choices": []any{}, "citations": []any{map[string]any{"document": 0, "score": 0.5, "text": "THE QUICK, <i>brown</i> fox: it jumps. A quick brown fox jumps.", "metadata": map[string]any{}}}},
		map[string]any{"choices": []any{map[string]any{"delta": map[string]string{"content": answer}}}},
	} {
		data, _ := json.Marshal(part) // of texts alone
		fmt.Fprintf(&parts, "data: %s\n\n", data)
	}
	return parts.String() + "data: [DONE]\n\n"
}

// pageMarkup: what looks like HTML is text, in questions, passages and answers, and what
// an answer shares with a passage is marked.
func pageMarkup(t *testing.T, ctx context.Context, want string) {
	do(t, ctx, chromedp.Click(chromedp.CSS("#new")), send(rogue))
	sees(t, ctx, "the answer comes", settled+` && `+answers+`.length === 1`)
	if got := seen(t, ctx, answers+`[0]`); got != quoted(want) {
		t.Errorf("%s found; expected %q", got, want)
	}
	if text := seen(t, ctx, `document.querySelector("#turns .user").textContent`); text != quoted(rogue) {
		t.Errorf("the question stands there as %s", text)
	}
	if text := seen(t, ctx, `document.getElementById("list").textContent`); !strings.Contains(text, strings.Trim(quoted(rogue), `"`)) {
		t.Errorf("the passage is not there: %s", text)
	}
	answer := `He said: <b>the quick brown fox jumps</b> ` + rogue
	do(t, ctx, script(fmt.Sprintf(scripted, quoted(said(answer)))), send("And now?"))
	sees(t, ctx, "the answer comes", settled+` && `+answers+`.length === 2`)
	if got := seen(t, ctx, answers+`[1]`); got != quoted(answer) {
		t.Errorf("the answer stands there as %s", got)
	}
	if marks := seen(t, ctx, `[...document.querySelectorAll("#list mark")].map((m) => m.textContent)`); marks != `["quick brown fox jumps"]` {
		t.Errorf("marked: %s; expected what the answer has word for word", marks)
	}
	if taken := seen(t, ctx, `[window.taken ?? 0, document.querySelectorAll("main img, main script, main b, main i").length]`); taken != "[0,0]" {
		t.Errorf("markup was taken as HTML: %s", taken)
	}
	do(t, ctx, chromedp.Click(chromedp.CSS(".assistant .of")))
	sees(t, ctx, "the passages of the first answer are there again", `document.querySelectorAll("#list li").length === 2 && document.querySelector(".of").getAttribute("aria-pressed") === "true"`)
}

// pageStops: Stop keeps what was said, and New chat forgets an answer that is under way.
func pageStops(t *testing.T, ctx context.Context) {
	do(t, ctx, chromedp.Click(chromedp.CSS("#new")), set("tokens", "1000"), set("temperature", "1.5"), send("A long story"))
	sees(t, ctx, "the answer begins", answers+`[0]?.length > 0`)
	do(t, ctx, chromedp.Click(chromedp.CSS("#stop")))
	sees(t, ctx, "the answer ends", settled)
	if kept := seen(t, ctx, `JSON.parse(localStorage.getItem("gorqa:small")).map((m) => m.role)`); kept != `["user","assistant"]` {
		t.Errorf("%s kept; expected the question and what was said", kept)
	}
	do(t, ctx, send("Another"))
	sees(t, ctx, "the answer begins", answers+`[1]?.length > 0`)
	do(t, ctx, chromedp.Click(chromedp.CSS("#new")), set("tokens", "8"), set("temperature", "0"))
	sees(t, ctx, "the conversation is empty", settled+` && `+answers+`.length === 0 && localStorage.getItem("gorqa:small") === "[]"`)
	do(t, ctx, send("And another"))
	sees(t, ctx, "the next is answered", settled+` && `+answers+`.length === 1 && `+answers+`[0].length > 0`)
}

// pageKeys: with the keyboard alone, a question is written over two lines and sent, and
// the passages, thumbs and settings are reached.
func pageKeys(t *testing.T, ctx context.Context) {
	do(t, ctx, chromedp.Focus(chromedp.CSS("#question")), chromedp.KeyEvent("One"), chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierShift)), chromedp.KeyEvent("two"))
	if text := seen(t, ctx, `document.getElementById("question").value`); text != `"One\ntwo"` {
		t.Errorf("Shift+Enter: %s; expected two lines", text)
	}
	do(t, ctx, enter())
	sees(t, ctx, "the answer comes", settled+` && `+answers+`.length === 2`)
	do(t, ctx, script(`document.activeElement.blur()`))
	reached := map[string]bool{}
	for range 40 {
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
		reached[seen(t, ctx, `document.activeElement.id || document.activeElement.getAttribute("aria-label") || document.activeElement.tagName`)] = true
	}
	for _, name := range []string{`"new"`, `"SUMMARY"`, `"temperature"`, `"question"`, `"send"`, `"Good answer"`, `"Show the passages of this answer"`, `"passages"`, `"turns"`} {
		if !reached[name] {
			t.Errorf("Tab does not reach %s, only %v", name, reached)
		}
	}
}

// axeVersion is of axe-core, which knows the rules of WCAG.
const axeVersion = "4.14.1"

// pageAxe: the chat with all its parts.
func pageAxe(t *testing.T, ctx context.Context) {
	do(t, ctx, script(fmt.Sprintf(scripted, quoted(said("A quick brown fox jumps.")))), send("Now?"))
	sees(t, ctx, "marks", settled+` && document.querySelector("#list mark")`)
	do(t, ctx, chromedp.Click(chromedp.CSS(`.assistant:last-child [aria-label="Bad answer"]`)), set("key", "another"), send("An error?"))
	sees(t, ctx, "an error", settled+` && document.querySelector("[role=alert]")`)
	axe(t, ctx, "the chat page")
}

// axeScript fetches axe-core, once for all tests.
var axeScript = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gorqa-axe-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	out, err := exec.Command("npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--prefix", dir, "axe-core@"+axeVersion).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w %.200s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	return string(text), err
})

// axe: the page as it is breaks no rule of WCAG A or AA, in light and dark, on a phone
// and a desk, where it is no wider than the window.
func axe(t *testing.T, ctx context.Context, page string) {
	t.Helper()
	rules, err := axeScript()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s is NOT tested for accessibility: axe-core cannot be fetched by npm: %v\n", page, err)
		t.Skip("no axe-core")
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](rules+"; true")); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{390, 1280} {
			t.Run(fmt.Sprint(scheme, width), func(t *testing.T) {
				do(t, ctx, chromedp.EmulateViewport(width, 844), dressed(scheme))
				broken := seen(t, ctx, `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }).then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html + ": " + n.failureSummary)))`)
				if broken != "[]" {
					t.Error(broken)
				}
				if wide := seen(t, ctx, `document.documentElement.scrollWidth - innerWidth`); wide != "0" {
					t.Errorf("the page is %s pixels wider than the window", wide)
				}
			})
		}
	}
}

// dressed makes the page light or dark.
func dressed(scheme string) action {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}
