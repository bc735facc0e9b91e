#!/usr/bin/env bash
# What a retriever is worth: SFT and SwR on the Faire data, asked with passages found by vectors, by vectors and words
# (hybrid), and with 8 instead of 4 of the latter.
#
#     bench/retrieval.sh [GORQA]        from the root of the repository; GORQA is bin/gorqa where it is not given
#
# Everything goes to OUT (runs/retrieval). What is there is not made again and a training goes on from its last
# checkpoint, so the script may be stopped and started at any time. SEEDS ("42 43 44") and MORE (further flags of each
# training) can be set. SwR is trained once a seed, on passages that hybrid finds, and answers from those of all three;
# OWN=yes trains it for dense passages and for eight (three times as long). BLOCKS=yes trains it by Block-Attention too,
# and asks it with and without. On 2 cores with bf16 products a seed takes about 55 minutes: SFT 12, SwR 35, the
# evaluations 8; on AMX about half of that.
set -euo pipefail
cd "$(dirname "$0")/.."
gorqa=${1:-bin/gorqa}
out=${OUT:-runs/retrieval}
read -ra seeds <<<"${SEEDS:-42 43 44}"
read -ra more <<<"${MORE:-}"
mkdir -p "$out"

# train NAME SEED CONFIG flags… trains where there is no score yet.
train() {
  local run=$out/$1-$2 recipe
  recipe=$(basename "$3" -faire.yaml)
  [ -f "$run/score.json" ] && return
  "$gorqa" train "$recipe" --config "$3" --on_bad_rows skip --seed "$2" --output_dir "$run" --resume_from_checkpoint true \
    --eval_strategy no --load_best_model_at_end false --save_strategy steps --save_steps 12 --save_total_limit 1 \
    --eval_contexts retrieved --full_dataset_index_path "$out/index" "${more[@]}" "${@:4}"
}

# evaluate RUN SEED NAME flags… scores a run with another retriever.
evaluate() {
  local to=$out/$3-$2
  [ -f "$to/score.json" ] && return
  "$gorqa" eval "$out/$1-$2" --output_dir "$to" "${@:4}"
}

for seed in "${seeds[@]}"; do
  train sft-dense "$seed" examples/sft-faire.yaml
  evaluate sft-dense "$seed" sft-hybrid --retriever hybrid
  evaluate sft-dense "$seed" sft-hybrid8 --retriever hybrid --eval_k 8 --max_seq_length 4096
  train swr-hybrid "$seed" examples/swr-faire.yaml --retriever hybrid
  if [ "${OWN:-}" = yes ]; then
    train swr-dense "$seed" examples/swr-faire.yaml
    train swr-hybrid8 "$seed" examples/swr-faire.yaml --retriever hybrid --embedding_max_num_to_retrieve 7 --eval_k 8 --max_seq_length 4096
  else
    evaluate swr-hybrid "$seed" swr-dense --retriever dense
    evaluate swr-hybrid "$seed" swr-hybrid8 --eval_k 8 --max_seq_length 4096
  fi
  if [ "${BLOCKS:-}" = yes ]; then
    train swr-blocks "$seed" examples/swr-faire.yaml --retriever hybrid --block_attention
    evaluate swr-blocks "$seed" swr-blocks-whole --block_attention=false
  fi
done

# group NAME lists the runs of all seeds as compare takes them.
group() {
  local list=
  for seed in "${seeds[@]}"; do list=$list,$out/$1-$seed; done
  echo "${list#,}"
}

echo "| recipe, retriever | recall of 4 | F1 | over SFT with dense, 95% interval |"
echo "| --- | --- | --- | --- |"
names="sft-dense sft-hybrid sft-hybrid8 swr-dense swr-hybrid swr-hybrid8"
[ "${BLOCKS:-}" != yes ] || names="$names swr-blocks swr-blocks-whole"
for name in $names; do
  "$gorqa" compare "$(group sft-dense)" "$(group $name)" --json >"$out/$name.json"
  python3 - "$name" "$out/$name.json" <<'PYTHON'
import json
import sys

name, path = sys.argv[1:]
found = {m["metric"]: m for m in json.load(open(path))["runs"][0]["metrics"] if m["context"] == "retrieved"}
f1, recall = found["f1_ans"], found["recall4"]
print(f"| {name} | {recall['this']:.3f} | {f1['this']:.3f} | {f1['difference']:+.3f} ({f1['low']:+.3f} to {f1['high']:+.3f}) |")
PYTHON
done
