#!/usr/bin/env bash
# Seconds from what a user has to the first answer of a model trained on it, by the
# commands that the documentation gives, with bin/gorqa and an empty index:
#
#   bench/first-answer.sh docs               documents alone: make demo-docs
#   bench/first-answer.sh squad TRAIN DEV    files in SQuAD's format
#   bench/first-answer.sh localrqa           LocalRQA's Faire data, as examples/sft-faire.yaml trains on it
#
# GORQA_CACHE=$(mktemp -d) in front also counts the fetching and compiling of a new machine.
set -euo pipefail
cd "$(dirname "$0")/.."
way=${1:?docs, squad or localrqa expected}
shift
began=$SECONDS
stage() { # NAME COMMAND…: runs it, and says how long it took
  local name=$1 from=$SECONDS
  shift
  "$@"
  echo "== $name: $((SECONDS - from)) s, $((SECONDS - began)) s since the start" >&2
}
models() {
  bin/gorqa fetch engine && bin/gorqa fetch model SmolLM2-135M-Instruct && bin/gorqa fetch model all-MiniLM-L6-v2
}
first() { # a question of the data
  sed -nE '1s/.*"question": ?"(([^"\\]|\\.)*)".*/\1/p' "$1"
}
rm -rf runs/first
mkdir -p runs/first
case $way in
docs) stage "documents, questions, training, answer, server" make demo-docs ;;
squad)
  stage fetch models
  stage convert bin/gorqa data convert "$1" "$2" --output runs/first/data
  data=runs/first/data
  stage train bin/gorqa train sft --model_name_or_path SmolLM2-135M-Instruct --num_train_epochs 1 --learning_rate 1e-4 \
    --train_file $data/train_w_qa.jsonl --eval_file $data/eval_w_qa.jsonl \
    --full_dataset_file_path $data/documents.jsonl --eval_embedding_model all-MiniLM-L6-v2 --output_dir runs/first/run
  stage answer bin/gorqa ask runs/first/run "$(first $data/eval_w_qa.jsonl)"
  ;;
localrqa)
  stage fetch models
  stage train bin/gorqa train sft --config examples/sft-faire.yaml --output_dir runs/first/run --full_dataset_index_path runs/first/index
  stage answer bin/gorqa ask runs/first/run "$(first ../shared/data/faire/test_w_qa.jsonl)"
  ;;
*)
  echo "$way found; docs, squad or localrqa expected" >&2
  exit 2
  ;;
esac
