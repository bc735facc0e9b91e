#!/bin/sh
# Makes every golden again: parity/make_all.sh [METRICS]
#
# METRICS is a folder with the three scorers that make_metrics.py names; without it
# metrics.json stays as it is. The two real models are taken from gorqa's cache.
set -eu
cd "$(dirname "$0")/.."
cache=${GORQA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gorqa}/models
smollm2=$cache/SmolLM2-135M-Instruct.gguf
minilm=$cache/all-MiniLM-L6-v2
for path in "$smollm2" "$minilm"; do
	[ -e "$path" ] || { echo "parity/make_all.sh: no $path; fetch it with gorqa fetch model" >&2; exit 1; }
done

[ -x parity/.venv/bin/python ] || "${PYTHON:-python3}" -m venv parity/.venv
python=parity/.venv/bin/python
# The list is complete, so nothing is left to resolve.
$python -m pip install --quiet --no-deps --requirement parity/requirements.txt

$python parity/make_models.py
$python parity/make_lora.py
$python parity/make_blocks.py
$python parity/make_t5_buckets.py
$python parity/make_causal.py
$python parity/make_t5_search.py
$python parity/make_generate.py --gguf "$smollm2" --minilm "$minilm"
$python parity/make_gguf.py "$smollm2"
$python parity/make_torch.py
$python parity/make_quantised.py
$python -m pip install --quiet --no-deps bitsandbytes==0.50.2
$python parity/make_adamw8.py
$python parity/make_bm25.py
$python parity/make_jinja.py
$python parity/make_chat.py
$python parity/make_thinking.py
$python parity/make_events.py
$python parity/make_agreement.py
$python parity/make_training_arguments.py > config/testdata/training_arguments.json.new
mv config/testdata/training_arguments.json.new config/testdata/training_arguments.json
$python parity/make_localrqa_args.py
$python parity/make_early_stopping.py > tensor/train/testdata/early_stopping.json.new
mv tensor/train/testdata/early_stopping.json.new tensor/train/testdata/early_stopping.json
$python parity/make_schedules.py > tensor/train/schedule/testdata/schedules.json.new
mv tensor/train/schedule/testdata/schedules.json.new tensor/train/schedule/testdata/schedules.json
$python parity/make_tokenizer_unicode.py
$python parity/make_tokenizer_files.py "$smollm2" "$minilm/tokenizer.json"
$python parity/make_tokenizer.py
$python parity/make_tokenizer_parts.py
$python parity/make_sentencepiece.py
$python parity/make_offsets.py
$python parity/make_rows.py
$python parity/make_embedders.py
$python parity/make_encoders.py
$python parity/make_rerankers.py
if [ -e "$cache/all-mpnet-base-v2" ]; then
	$python parity/make_mpnet.py "$cache/all-mpnet-base-v2"
fi
gemma3=$cache/gemma-3-270m.gguf
if [ -e "$gemma3" ]; then
	go run ./cmd/gorqa convert "$gemma3" parity/.gemma3 --dtype F32
	$python parity/make_generate.py --gemma parity/.gemma3
	rm -r parity/.gemma3
	$python -m pip install --quiet xllamacpp==2026.10.11549
	$python parity/make_gguf_tokens.py "$gemma3"
fi
$python parity/make_parquet.py

# These want LangChain, whose list does not fit beside the other one.
[ -x parity/.venv-localrqa/bin/python ] || "${PYTHON:-python3}" -m venv parity/.venv-localrqa
langchain=parity/.venv-localrqa/bin/python
$langchain -m pip install --quiet --requirement parity/requirements-localrqa.txt
$langchain -m pip install --quiet reportlab==5.1.0 python-docx==1.2.0
$langchain parity/make_documents.py
$langchain parity/make_faiss.py
$langchain parity/make_pickles.py > text/dataset/testdata/pickles.json.new
mv text/dataset/testdata/pickles.json.new text/dataset/testdata/pickles.json

if [ $# -gt 0 ]; then
	$python parity/make_metrics.py "$1"
fi
