"""What the peers share: JSON arguments in, one JSON line out, models, prompts, answers, the training loop.

A training step is the careful transformers user's: bf16 autocast over f32 weights,
loss summed over the label tokens of the step and divided by their number, AdamW with
decay on matrices only, clipping, cosine to 0 after a linear warm-up.
"""
import json
import math
import os
import platform
import resource
import sys
import time

import torch
import transformers
from tokenizers import pre_tokenizers

DEFAULTS = {
    "engine": "cpu",  # as gorqa names them: cuda12 and cuda13 are torch's cuda
    "threads": os.cpu_count(),
    "steps": 4,
    "untimed_steps": 2,  # not in the speed: the first steps pay for what is made once
    "rows_per_step": 8,
    "micro_batch": 1,
    "pad_to": 0,  # 0: to the longest of the micro-batch
    "loss_on": "answer",
    "learning_rate": 1e-4,
    "warmup_steps": 7,
    "total_steps": 71,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "bf16": True,  # False where the processor has no bf16 products: torch is then far slower in bf16 than in f32
}

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "text", "prompt", "default.txt"), encoding="utf-8") as f:
    TEMPLATE = f.read().rstrip("\n")


def arguments(**defaults):
    """The program's one argument: a JSON object, or @FILE that holds one."""
    if len(sys.argv) != 2:
        raise SystemExit(f"{sys.argv[0]}: {len(sys.argv) - 1} arguments; expected one JSON object or @FILE")
    text = sys.argv[1]
    if text.startswith("@"):
        with open(text[1:], encoding="utf-8") as f:
            text = f.read()
    known = {**DEFAULTS, **defaults}
    given = json.loads(text)
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SystemExit(f"{sys.argv[0]}: unknown keys {unknown}; known are {sorted(known)}")
    args = {**known, **given}
    torch.set_num_threads(args["threads"])
    torch.manual_seed(0)
    args["device"] = args["engine"].rstrip("0123456789")
    return args


def load_json(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def where(path):
    """A Hugging Face folder, or a GGUF file."""
    if path.endswith(".gguf"):
        folder, name = os.path.split(os.path.abspath(path))
        return {"pretrained_model_name_or_path": folder, "gguf_file": name}
    return {"pretrained_model_name_or_path": path}


def load_model(path, dtype):
    return transformers.AutoModelForCausalLM.from_pretrained(**where(path), dtype=dtype, attn_implementation="sdpa")


def load_generator(args):
    """A model to answer with, greedily and without settings of its own."""
    model = load_model(args["model"], torch.bfloat16 if args["bf16"] else torch.float32).eval().to(args["device"])
    model.generation_config = type(model.generation_config)()
    return model


def load_tokenizer(path):
    tokenizer = transformers.AutoTokenizer.from_pretrained(**where(path))
    if path.endswith(".gguf"):  # of which transformers forgets SmolLM2's rule that digits stand alone
        split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split)
    return tokenizer


def prompt(passages, question):
    """gorqa's prompt in the reference's wording."""
    return TEMPLATE.replace("{passages}", "\n".join(passages)).replace("{dialogue}", f"USER: {question} ASSISTANT:")


@torch.inference_mode()
def answer(model, batch, max_new_tokens, stop):
    """Greedy answers to prompts, padded on the left, each with the token that ended it."""
    longest = max(len(p) for p in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, p in enumerate(batch):
        ids[i, longest - len(p) :] = torch.tensor(p)
        mask[i, longest - len(p) :] = 1
    out = model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=stop,
        pad_token_id=0,
    )
    answers = []
    for row in out[:, longest:].tolist():
        ends = [row.index(s) + 1 for s in stop if s in row]
        answers.append(row[: min(ends, default=len(row))])
    return answers


def report(**figures):
    """Prints the one line. ru_maxrss is in KiB on Linux and equals VmHWM."""
    figures["peak_rss_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)
    if torch.cuda.is_available():
        figures["peak_device_gb"] = round(torch.cuda.max_memory_allocated() / 2**30, 3)
    figures["versions"] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    print(json.dumps(figures), flush=True)


def collate(rows, pad_to, loss_on):
    """Rows ({"ids": [...], "labels": [0 or 1 a token]}) right-padded, as transformers wants them."""
    length = pad_to or max(len(r["ids"]) for r in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, -100)
    for i, row in enumerate(rows):
        n = min(len(row["ids"]), length)
        ids[i, :n] = torch.tensor(row["ids"][:n])
        mask[i, :n] = 1
        for j in range(n):
            if loss_on == "all" or row["labels"][j]:
                labels[i, j] = row["ids"][j]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def learning_rate(step, args):
    """Of step 0, 1, …, as transformers' cosine schedule with warm-up."""
    if step < args["warmup_steps"]:
        return args["learning_rate"] * step / max(1, args["warmup_steps"])
    done = (step - args["warmup_steps"]) / max(1, args["total_steps"] - args["warmup_steps"])
    return args["learning_rate"] * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def train(model, rows, args):
    """Trains on rows in their order and reports."""
    model.train().to(args["device"])
    model.config.use_cache = False
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": args["weight_decay"]},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=args["learning_rate"],
        betas=(0.9, 0.999),
        eps=1e-8,
    )
    losses, timed_rows, timed_tokens, started = [], 0, 0, time.perf_counter()
    for step in range(args["steps"]):
        if step == args["untimed_steps"]:
            timed_rows, timed_tokens, started = 0, 0, time.perf_counter()
        window = rows[step * args["rows_per_step"] : (step + 1) * args["rows_per_step"]]
        if not window:
            break
        batches = [
            collate(window[i : i + args["micro_batch"]], args["pad_to"], args["loss_on"])
            for i in range(0, len(window), args["micro_batch"])
        ]
        terms = sum(int((b["labels"][:, 1:] != -100).sum()) for b in batches)
        total = 0.0
        for batch in batches:
            batch = {name: values.to(args["device"]) for name, values in batch.items()}
            with torch.autocast(args["device"], dtype=torch.bfloat16, enabled=args["bf16"]):
                loss = model(**batch, num_items_in_batch=terms).loss
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(parameters, args["max_grad_norm"])
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, args)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(round(total, 6))
        timed_rows += len(window)
        timed_tokens += sum(len(r["ids"]) for r in window)
        print(f"step {step + 1}: loss {total:.4f}", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    report(
        rows_per_second=round(timed_rows / seconds, 4),
        tokens_per_second=round(timed_tokens / seconds, 2),
        loss=losses,
    )
