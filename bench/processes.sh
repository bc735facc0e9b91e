#!/usr/bin/env bash
# Two processes of one thread against one of two: SmolLM2-135M on Faire, 20 steps in bf16,
# then as many with ZeRO 1 and 2, and their memory beside the formula, then six steps on
# four processes, two to a core, for the model of communication, then ten in f32 with
# clipping, stages 0, 1 and 2, in as many micro-batches as rows pack into. A run that has
# ended is not done again: it begins anew with an empty folder.
#
#   make build-mpi && bench/processes.sh [folder, runs/processes unless given]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/processes}
mkdir -p "$out"
train() { # name, processes, arguments
	local name=$1 n=$2
	shift 2
	[ ! -e "$out/$name.done" ] || return 0
	rm -rf "${out:?}/$name"
	local start=(taskset -c 0,1)
	[ "$n" = 1 ] || start=(mpirun -n "$n" --bind-to core)
	[ "$n" != 4 ] || start=(taskset -c 0,1 mpirun -n 4 --oversubscribe --bind-to none)
	if [ "$n" != 1 ] && [ "$(id -u)" = 0 ]; then start+=(--allow-run-as-root); fi
	"${start[@]}" bin/gorqa train sft --config examples/sft-faire.yaml --do_eval false --test_on_start false --test_file "" \
		--save_strategy no --on_overflow skip --report_to none --logging_steps 1 --log_all_ranks true --output_dir "$out/$name" "$@" >"$out/$name.log" 2>&1 ||
		{ tail -5 "$out/$name.log"; return 1; }
	touch "$out/$name.done"
}
train one 1 --max_steps 20 --max_seq_length 256 --per_device_train_batch_size 4
train two 2 --max_steps 20 --max_seq_length 256 --per_device_train_batch_size 2
for stage in 1 2; do
	train "zero-$stage" 2 --max_steps 20 --max_seq_length 256 --per_device_train_batch_size 2 --zero_stage "$stage"
done
train one-short 1 --max_steps 6 --max_seq_length 256 --per_device_train_batch_size 4
train four 4 --max_steps 6 --max_seq_length 256 --per_device_train_batch_size 1
for stage in 0 1 2; do
	train "f32-$stage" 2 --max_steps 10 --max_seq_length 256 --per_device_train_batch_size 1 --gradient_accumulation_steps 4 \
		--bf16 false --max_grad_norm 0.5 --zero_stage "$stage"
done
python3 - "$out" <<'END'
import json, struct, sys
out = sys.argv[1]
def steps(name):
    with open(f"{out}/{name}/metrics.jsonl") as f:
        return [s for s in map(json.loads, f) if "loss" in s]
one, two = steps("one"), steps("two")
rate = lambda run: 1 / (sum(1 / s["tokens_per_second"] for s in run[2:]) / len(run[2:]))
for name in ["two", "zero-1", "zero-2"]:
    print(f"{name}: losses differ by {100 * max(abs(a['loss'] / b['loss'] - 1) for a, b in zip(steps(name), one)):.3f} % at most (0.5 allowed)")
    print(f"{name}: {rate(steps(name)):.0f} against {rate(one):.0f} tokens a second: {rate(steps(name)) / rate(one):.3f} (0.95 at least)")
for name in ["two", "zero-1", "zero-2"]:
    run = steps(name)[1:]
    mean = lambda key: sum(s[key] for s in run) / len(run)
    print(f"{name}: {mean('comm_sent_gb'):.4f} GB sent a step, sums {mean('comm_seconds'):.3f} s, waited for {mean('comm_wait_seconds'):.3f} s: {100 * (1 - mean('comm_wait_seconds') / mean('comm_seconds')):.0f} % hidden")
# Alpha and the wait for others are left out: what is sent over what two processes reach.
mean = lambda run, key: sum(s[key] for s in run[1:]) / len(run[1:])
four, speed = steps("four"), mean(two, "comm_sent_gb") / mean(two, "comm_seconds")
sent, took = mean(four, "comm_sent_gb"), mean(four, "comm_seconds")
print(f"four: {sent:.4f} GB sent a step, formula {8 * 0.134515008 * 3 / 4:.4f}; sums {took:.3f} s, model {sent / speed:.3f} s at the {speed:.2f} GB/s of two, "
      f"{100 * (1 - mean(four, 'comm_wait_seconds') / took):.0f} % hidden; losses differ from one process by {100 * max(abs(a['loss'] / b['loss'] - 1) for a, b in zip(four, steps('one-short'))):.3f} % at most")
for stage, each in [(1, 11), (2, 9)]:
    formula, peak = 0.1345 * each + 0.45 + 0.04, [s[-1]["memory_gb"] for s in (steps(f"zero-{stage}"), steps(f"zero-{stage}/rank-1"))]
    print(f"ZeRO {stage}: " + ", ".join(f"{p:.2f} GB ({100 * (p / formula - 1):+.0f} %)" for p in peak) + f"; formula {formula:.2f} (15 % allowed)")
def tensors(name):
    import array
    with open(f"{out}/{name}/model.safetensors", "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head = json.loads(f.read(n))
        for key, t in sorted(head.items()):
            if key != "__metadata__":
                f.seek(8 + n + t["data_offsets"][0])
                yield array.array("f", f.read(t["data_offsets"][1] - t["data_offsets"][0]))
for stage in [1, 2]:
    # Of each weight, the largest difference beside its largest value.
    worst = max(max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, a)) for a, b in zip(tensors("f32-0"), tensors(f"f32-{stage}")))
    loss = max(abs(a["loss"] / b["loss"] - 1) for a, b in zip(steps("f32-0"), steps(f"f32-{stage}")))
    sent = lambda s: sum(x["comm_sent_gb"] for x in steps(f"f32-{s}"))
    print(f"f32, clipped, {2 * sent(2) / sent(0) - 1:.1f} micro-batches: stage {stage} differs from 0 by {worst:.1e} in weights, {loss:.1e} in losses")
END
