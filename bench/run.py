"""Runs gorqa and its Python peers in turn and writes the table of BENCHMARKS.md.

    python run.py [--rounds 3] [--only train,embed] [--out ../BENCHMARKS.md]

Needs bench/.venv (setup.sh), bin/gorqa and bin/peer (go build -o bin/ ./cmd/gorqa ./bench/peer), the two models in
gorqa's cache, the demo's data (make data) and the Faire data. Each round runs both sides of a pair, the one that goes first
changing from round to round. Ratios are medians over the rounds, taken within each round.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PYTHON = os.path.join(HERE, ".venv", "bin", "python")
PEER = os.path.join(ROOT, "bin", "peer")
GORQA = os.path.join(ROOT, "bin", "gorqa")
CACHE = os.environ.get("GORQA_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "gorqa"
)
SMOLLM2 = os.path.join(CACHE, "models", "SmolLM2-135M-Instruct.gguf")
MINILM = os.path.join(CACHE, "models", "all-MiniLM-L6-v2")
FAIRE = os.path.join(ROOT, "..", "shared", "data", "faire")
DOCUMENTS = os.path.join(FAIRE, "documents.jsonl")
WORK = os.path.join(HERE, "work")
NAMES = "rows.json rows-grouped.json rows-swr.json texts.json test.json vectors.npy adapter"
INPUTS = ROWS, GROUPED, SWR, TEXTS, TEST, VECTORS, ADAPTER = [os.path.join(WORK, n) for n in NAMES.split()]
SEARCH = os.path.join(WORK, "search.f32")
INDEX = os.path.join(WORK, "index")
BF16 = os.path.join(WORK, "SmolLM2-135M-Instruct-bf16.gguf")
DEMO = os.path.join(ROOT, "examples", "sft-demo.yaml")  # on what make data makes

# name: (what it is, gorqa's program and arguments, the peer's program and arguments)
PAIRS = {
    "train": (
        "SFT, 8 rows a step; transformers, no padding, batch 1",
        ("train", {"model": SMOLLM2, "rows": ROWS}),
        ("train.py", {"model": SMOLLM2, "rows": ROWS, "micro_batch": 1}),
    ),
    "grouped": (
        "SFT, 8 rows a step, those of one passage together (--group_by_passage); transformers in the same order, no padding, batch 1",
        # The packs' sizes differ more from step to step, and each new one is compiled.
        ("train", {"model": SMOLLM2, "rows": GROUPED, "steps": 6, "untimed_steps": 4}),
        ("train.py", {"model": SMOLLM2, "rows": GROUPED, "steps": 6, "untimed_steps": 4, "micro_batch": 1}),
    ),
    "lora": (
        "LoRA of rank 16 on every linear layer, 8 rows a step; peft, no padding, batch 1",
        ("lora", {"model": SMOLLM2, "rows": ROWS, "adapter": ADAPTER}),
        ("lora.py", {"model": SMOLLM2, "rows": ROWS, "adapter": ADAPTER, "micro_batch": 1}),
    ),
    "swr": (
        "SwR, rows of four passages, 4 a step; transformers, no padding, batch 1",
        ("train", {"model": SMOLLM2, "rows": SWR, "rows_per_step": 4, "steps": 2, "untimed_steps": 1}),
        ("train.py", {"model": SMOLLM2, "rows": SWR, "rows_per_step": 4, "steps": 2, "untimed_steps": 1, "micro_batch": 1}),
    ),
    "attention": (
        "training on one sequence of 2,048 tokens",
        ("attention", {"model": SMOLLM2, "steps": 3}),
        ("attention.py", {"model": SMOLLM2}),
    ),
    **{
        f"attention{n}": (
            f"the same of {n:,} tokens",
            ("attention", {"model": SMOLLM2, "tokens": n, "steps": 2, "untimed_steps": 1}),
            ("attention.py", {"model": SMOLLM2, "tokens": n, "steps": 2, "untimed_steps": 1}),
        )
        for n in (4096, 8192)
    },
    "evaluate": (
        "end-to-end evaluation of 75 questions, each with four of the 1,758 documents, at most 128 tokens; sentence-transformers, then transformers generate, batches of 8 by length",
        (
            "evaluate",
            {"model": SMOLLM2, "embedder": MINILM, "test": TEST, "documents": DOCUMENTS, "index": INDEX, "output": os.path.join(WORK, "evaluate"), "limit": 75},
        ),
        ("evaluate.py", {"model": SMOLLM2, "embedder": MINILM, "test": TEST, "texts": TEXTS, "vectors": VECTORS, "limit": 75}),
    ),
    "original": (
        "SFT; the original's recipe, every row padded to 2,048, loss on all, batch 1",
        ("train", {"model": SMOLLM2, "rows": ROWS}),
        (
            "train.py",
            {"model": SMOLLM2, "rows": ROWS, "pad_to": 2048, "loss_on": "all", "rows_per_step": 2, "steps": 2, "untimed_steps": 1},
        ),
    ),
    "embed": (
        "1,758 documents by MiniLM; sentence-transformers",
        ("embed", {"model": MINILM, "texts": TEXTS}),
        ("embed.py", {"model": MINILM, "texts": TEXTS}),
    ),
    "embed16": (
        "1,758 documents by MiniLM, both in bf16 throughout; sentence-transformers",
        ("embed", {"model": MINILM, "texts": TEXTS, "bf16_encoder": True}),
        ("embed.py", {"model": MINILM, "texts": TEXTS, "bf16_encoder": True}),
    ),
    "search": (
        "exact search of 400,000 vectors of 384, 256 queries at a time, the best 4 (rows are queries); faiss-cpu IndexFlatIP",
        ("search", {"vectors": SEARCH, "queries": 256}),
        ("search.py", {"vectors": SEARCH, "queries": 256}),
    ),
    "search1": (
        "the same, one query at a time",
        ("search", {"vectors": SEARCH, "queries": 1}),
        ("search.py", {"vectors": SEARCH, "queries": 1}),
    ),
    "train8bit": (
        "SFT, 8 rows a step, ours with --optim adamw_8bit, the peer with torch's AdamW: look at the peak memory",
        ("train", {"model": SMOLLM2, "rows": ROWS, "eight_bit": True}),
        ("train.py", {"model": SMOLLM2, "rows": ROWS, "micro_batch": 1}),
    ),
    "train4": (
        "SFT, 8 rows a step; transformers, batch 4 padded to the longest",
        ("train", {"model": SMOLLM2, "rows": ROWS}),
        ("train.py", {"model": SMOLLM2, "rows": ROWS, "micro_batch": 4}),
    ),
}


def served(what, model, slots, flags=(), **asked):
    """A pair of servers of one model, and what they are asked."""
    asked = {"documents": DOCUMENTS, "test": os.path.join(FAIRE, "test_w_qa.jsonl"), **asked}
    ours = [GORQA, "serve", "--model_name_or_path", model, "--port", "0", "--max_seq_length", "1280", *flags]
    peer = [PYTHON, os.path.join(HERE, "llamacpp.py"), model, str(slots), "1280"]
    return what, ("serve.py", {**asked, "command": ours}), ("serve.py", {**asked, "command": peer})


for clients, requests in ((1, 3), (8, 16)):
    PAIRS[f"serve{clients}"] = served(
        f"serving to {clients} client{'s' if clients > 1 else ''}, prompts of about 960 tokens, at most 64 new; llama.cpp's server with the same GGUF, 8 slots",
        SMOLLM2, 8, clients=clients, requests=requests,
    )
for name, model, of in ("decode", SMOLLM2, "the same GGUF"), ("decode16", BF16, "the same weights in bf16, a GGUF both"):
    PAIRS[name] = served(
        f"decoding alone, one sequence, without drafts (rows are tokens); llama.cpp's server with {of}",
        model, 1, ["--prompt_lookup_num_tokens", "0"], decoding=True, characters=300, max_new_tokens=128,
    )

# Pairs that need none of INPUTS.
SERVING = {name for name, (_, (program, _), _) in PAIRS.items() if program == "serve.py"}

# Pairs whose peer makes the inputs, where they are not there.
PEER_FIRST = {"search", "search1"}

# Pairs whose sides see the same rows at each step, and sum the loss over the same tokens.
ONE_LOSS = {"train", "train4", "grouped", "swr", "lora"}


def call(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} {command[1]} exited {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(name, rounds, bf16):
    _, (program, args), (script, peer_args) = PAIRS[name]
    if name not in SERVING:
        peer_args = {**peer_args, "bf16": bf16}
    commands = {
        "gorqa": [PYTHON, os.path.join(HERE, program), json.dumps(args)] if name in SERVING else [PEER, program, json.dumps(args)],
        "peer": [PYTHON, os.path.join(HERE, script), json.dumps(peer_args)],
    }
    results = []
    for i in range(rounds):
        order = ["gorqa", "peer"] if i % 2 == (name in PEER_FIRST) else ["peer", "gorqa"]
        results.append({side: call(commands[side]) for side in order})
        print(name, i + 1, json.dumps(results[-1]), file=sys.stderr, flush=True)
    return results


def first_step():
    """Seconds from the command to the end of the demo's first step, in the runs after one that compiles."""
    command = [GORQA, "train", "sft", "--config", DEMO, "--output_dir", os.path.join(WORK, "first"), "--overwrite_output_dir"]
    took = []
    for _ in range(4):
        started = time.perf_counter()
        with subprocess.Popen([*command, "--test_on_start", "false", "--logging_steps", "1"], cwd=ROOT, stderr=subprocess.PIPE, text=True) as run:
            first = next((line for line in run.stderr if line.startswith("step 1/")), None)
            took.append(time.perf_counter() - started)
            run.kill()
        if not first:
            raise SystemExit("gorqa train sft ended before its first step")
    return f"From the command to the end of the demo's first step: {', '.join(f'{t:.1f}' for t in took[1:])} s, the first time {took[0]:.1f} s."


def row(name, results):
    median = lambda side, key: statistics.median(r[side][key] for r in results)
    ratios = [r["gorqa"]["rows_per_second"] / r["peer"]["rows_per_second"] for r in results]
    outcome = ""
    if name in ONE_LOSS:
        steps = [pair for r in results for pair in zip(r["gorqa"]["loss"], r["peer"]["loss"], strict=True)]
        outcome = f"losses differ by {max(abs(a / b - 1) for a, b in steps):.1%} at most"
    elif "scores" in results[0]["gorqa"]:
        key, title = ("mean", "mean score found") if name in PEER_FIRST else ("f1", "F1")
        outcome = f"{title} " + " and ".join(f"{results[0][side]['scores'][key]:.3f}" for side in ("gorqa", "peer"))
    elif "answers" in results[0]["gorqa"]:
        outcome = " and ".join(f"{median(side, 'tokens_per_second'):.0f}" for side in ("gorqa", "peer")) + " tokens/s, the first after "
        outcome += " and ".join(f"{median(side, 'seconds_to_first'):.2f}" for side in ("gorqa", "peer")) + " s; "
        both = list(zip(*(results[0][side]["answers"] for side in ("gorqa", "peer"))))
        outcome += f"{sum(a == b for a, b in both)} of {len(both)} answers equal"
    return (
        f"| {PAIRS[name][0]} | {median('gorqa', 'rows_per_second'):.3g} | {median('peer', 'rows_per_second'):.3g} "
        f"| **{statistics.median(ratios):.2f}** ({min(ratios):.2f}-{max(ratios):.2f}) "
        f"| {median('gorqa', 'peak_rss_gb'):.1f} | {median('peer', 'peak_rss_gb'):.1f} | {outcome} |"
    )


def fast_bf16():
    """Whether the processor has bf16 products; without them both sides are fastest in f32."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        flags = set(f.read().split())
    return bool(flags & {"avx512_bf16", "amx_bf16"})


def machine():
    model = platform.processor()
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="utf-8") as f:
        memory = int(f.readline().split()[1]) / 2**20
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {platform.release()}"


def page(measured, first, args):
    versions = {}
    for results in measured.values():
        for side in results[0].values():
            versions.update(side["versions"])
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` (`bench/run.py`). Rows a second and peak resident memory (GiB) are medians of "
        f"{args.rounds} rounds in which both sides ran in turn; the ratio is the median of the rounds' ratios, with the "
        "smallest and largest. The first training steps, which pay for what is made once, are not timed; what gorqa "
        "compiles it keeps on disk, so that the first round alone pays for it. " + ("gorqa and the peers computed in bf16 over f32 weights; embedding in f32 where nothing else is said, but for gorqa's in evaluation." if args.bf16 else "gorqa and the peers computed in f32: this processor has no bf16 products."),
        "",
        f"Machine: {machine()}. " + ", ".join(f"{k} {v}" for k, v in sorted(versions.items())) + ". "
        f"Measured on {datetime.date.today().isoformat()}; load average at the end {os.getloadavg()[0]:.1f}.",
        "",
        "| what; against what | gorqa, rows/s | peer, rows/s | ratio | gorqa, GiB | peer, GiB | outcome |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join(lines + [row(name, results) for name, results in measured.items()] + ["", first]) + "\n" + kept(args.out)


def kept(path):
    """The sections of an earlier page, about other machines, as they are."""
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as f:
        return "".join(f.read().partition("\n## ")[1:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PAIRS), help="pairs, separated by commas")
    parser.add_argument("--out", default=os.path.join(ROOT, "BENCHMARKS.md"))
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=fast_bf16(), help="peers in bf16; by default where the processor has bf16 products, as gorqa itself")
    args = parser.parse_args()
    names = args.only.split(",")
    problems = [f"unknown pair {n}; known are {', '.join(PAIRS)}" for n in names if n not in PAIRS]
    problems += [f"no {p}" for p in (PYTHON, PEER, GORQA, SMOLLM2, MINILM) if not os.path.exists(p)]
    if args.rounds < 3:
        problems.append(f"--rounds {args.rounds}; expected 3 or more, for a median")
    if problems:
        raise SystemExit("\n".join(problems))
    if set(names) - SERVING and not all(os.path.exists(p) for p in INPUTS):
        subprocess.run([PYTHON, os.path.join(HERE, "inputs.py"), FAIRE, SMOLLM2, MINILM, WORK], check=True)
    if "decode16" in names and not os.path.exists(BF16):
        os.makedirs(WORK, exist_ok=True)
        subprocess.run([GORQA, "convert", SMOLLM2, BF16], check=True, stdout=sys.stderr)
    if "evaluate" in names:  # as vectors.npy; only what is missing is embedded
        command = ["index", "--full_dataset_file_path", DOCUMENTS, "--full_dataset_index_path", INDEX, "--eval_embedding_model", MINILM]
        subprocess.run([GORQA, *command], check=True, stdout=sys.stderr)
    first, measured = first_step() if "train" in names else "", {}
    for name in names:
        measured[name] = measure(name, args.rounds, args.bf16)
        with open(args.out + ".part", "w", encoding="utf-8") as f:  # whatever becomes of the next pair
            f.write(page(measured, first, args))
        os.replace(f.name, args.out)


if __name__ == "__main__":
    main()
