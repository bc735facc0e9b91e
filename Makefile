# make help lists what there is to do. Nothing here needs more than Go, make and
# git; to fetch the engine and the models, the package index that pip is configured
# with (PIP_INDEX_URL), or Python with pip where none is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
CONFIG ?= examples/sft-demo.yaml
# The Go code is built by the go command, which knows itself what is stale.
GORQA := bin/gorqa

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s%s\n", $$1, $$2 }' Makefile

.PHONY: build
build: ## build bin/gorqa
	go build -o $(GORQA) ./cmd/gorqa

MPICC ?= mpicc
.PHONY: build-mpi
build-mpi: ## build bin/gorqa for several processes, with the MPI of MPICC (mpicc unless given)
	MPICC=$(MPICC) .ci/mpi-flags bin/mpi
	go build -tags mpi -overlay bin/mpi/overlay.json -o $(GORQA) ./cmd/gorqa

.PHONY: fetch
fetch: build ## bring the engine and the two small models into the cache
	$(GORQA) fetch engine --python $(PYTHON)
	$(GORQA) fetch model SmolLM2-135M-Instruct --python $(PYTHON)
	$(GORQA) fetch model all-MiniLM-L6-v2 --python $(PYTHON)

.PHONY: data
data: build ## make the demo's data set from the Go library's documentation
	$(GORQA) data godoc --output_dir runs/godoc --overwrite_output_dir

.PHONY: demo
demo: fetch data ## evaluate, train and evaluate a small model, with a table of before and after
	$(GORQA) train sft --config examples/sft-demo.yaml --overwrite_output_dir
	@printf '%s\n' '' \
	  'Saved in runs/demo:' \
	  '  config.json, *.safetensors, tokenizer*      the model, as transformers and vLLM load it' \
	  '  score.json                                  the scores of the test set' \
	  '  test-predictions*.jsonl                     its answers, before and after' \
	  '  metrics.jsonl, train.log, report.html       the run: numbers, words, curves' \
	  '  all_args.json                               every setting, to run it again' \
	  'The data set is in runs/godoc, the index of its documents in runs/godoc-index.' \
	  'Ask the trained model about these documents.'
	@RUN=runs/demo GORQA=$(GORQA) examples/ask.sh
	@RUN=runs/demo GORQA=$(GORQA) examples/chat.sh

.PHONY: demo-chat
demo-chat: build ## open the chat page of make demo's model, until Ctrl-C
	@RUN=runs/demo GORQA=$(GORQA) examples/chat.sh serve

.PHONY: demo-swr
demo-swr: fetch data ## the same with retrieved passages beside the gold ones, held against runs/demo if that is there
	$(GORQA) train swr --config examples/sft-demo.yaml --embedding_model all-MiniLM-L6-v2 --embedding_max_num_to_retrieve 2 \
	  --shuffle_passages true --output_dir runs/demo-swr --overwrite_output_dir
	@if [ -e runs/demo/test-predictions.jsonl ]; then $(GORQA) compare runs/demo runs/demo-swr; fi

.PHONY: demo-fid
demo-fid: fetch ## train a small encoder-decoder from random weights on passages, at most 20 minutes
	$(GORQA) data godoc --output_dir runs/godoc-fid --overwrite_output_dir --train_rows 4600 --eval_rows 40 --test_rows 60 --documents 5000
	$(GORQA) train fid --config examples/fid-godoc.yaml --overwrite_output_dir
	@printf '%s\n' '' \
	  'Saved in runs/fid: the model as transformers loads it (T5ForConditionalGeneration), fid.json, and the files of make demo.' \
	  'If it answers from its passages, the column gold stands well above the column shuffled, which has those of another row.' \
	  'Ask it about these documents.'
	@RUN=runs/fid GORQA=$(GORQA) examples/ask.sh

# Go's own documents, and the longer ones of its compiler and runtime.
.PHONY: demo-docs
demo-docs: fetch ## from documents alone to a chat: passages, questions, training, evaluation, server
	mkdir -p runs/docs
	rm -f runs/docs/documents.jsonl
	root=$$(go env GOROOT); $(GORQA) data docs "$$root/doc" $$(find "$$root/src" -name '*.md' -size +8k -not -path '*/testdata/*' -not -path '*/vendor/*') \
	  --output runs/docs/documents.jsonl --embedding_model all-MiniLM-L6-v2 --chunk_size 160 --chunk_overlap 0
	$(GORQA) data qa runs/docs/documents.jsonl --config examples/qa-docs.yaml --overwrite_output_dir
	$(GORQA) train swr --config examples/swr-docs.yaml --overwrite_output_dir
	@printf '%s\n' '' \
	  'The passages are in runs/docs/documents.jsonl, the questions in runs/docs-qa (dropped.jsonl says why which were' \
	  'not kept), the trained model with its scores and report.html in runs/docs-swr. Ask it.'
	@RUN=runs/docs-swr GORQA=$(GORQA) examples/ask.sh
	@RUN=runs/docs-swr GORQA=$(GORQA) examples/serve.sh --full_dataset_file_path runs/docs/documents.jsonl

# At most two packages at a time: those that train keep every core busy and
# hold gigabytes, so more at once would only be slower.
.PHONY: test
test: fetch ## run every test, and the device's as on a GPU
	go test -p 2 -timeout 15m ./...
	GORQA_TEST_ENGINE=standin go test -p 2 -timeout 15m ./tensor/nn ./tensor/arch/... ./tensor/generate ./tensor/embed

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, and whether go.mod is tidy
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not gofmt'ed; run gofmt -w on:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff
	$(MAKE) lint-c

# Warnings of the C code are errors, and no function may want 16 KB of stack.
C_FLAGS := -O3 -Wall -Wextra -Werror -Wframe-larger-than=16384 -c -o /dev/null
.PHONY: lint-c
lint-c: ## compile the C code with every warning, with CC
	@for file in engine/*/*.c; do $(CC) $(C_FLAGS) $$file || exit 1; done

.PHONY: nocgo
nocgo: ## build without cgo, for this machine and arm64, and run what needs no engine
	.ci/nocgo

# Go's own -asan also surrounds what Go hands to C. A fault ends the test.
.PHONY: sanitize
sanitize: ## run every kernel with checks of addresses and of undefined behaviour
	CGO_CFLAGS="-g1 -O1 -fsanitize=undefined -fno-sanitize-recover=all" CGO_LDFLAGS="-fsanitize=undefined" \
	  go test -asan -timeout 20m ./engine/cpu

FUZZTIME ?= 20s
.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME, or those that TARGETS matches
	FUZZTIME=$(FUZZTIME) .ci/fuzz $(TARGETS)

.PHONY: bench
bench: fetch data ## run gorqa beside its Python peers and write BENCHMARKS.md
	PYTHON=$(PYTHON) bench/setup.sh
	go build -o bin/peer ./bench/peer
	bench/.venv/bin/python bench/run.py

.PHONY: parity
parity: fetch ## make the golden files of the tests again, with Python
	PYTHON=$(PYTHON) parity/make_all.sh

.PHONY: doctor
doctor: fetch data ## check engine, memory, model and data for CONFIG, the demo's if not given
	$(GORQA) doctor --config $(CONFIG)

.PHONY: release
release: ## make archives, a Debian package and a Containerfile in dist, and check them
	packaging/release.sh dist
	packaging/check.sh dist

.PHONY: clean
clean: ## remove what was built; runs and caches stay
	rm -rf bin dist bench/work
