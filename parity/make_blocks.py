"""Rows of Block-Attention (arXiv 2409.15355) on the tiny random models of make_models.py.

    python make_blocks.py

Writes ../tensor/arch/llama/testdata/MODEL/blocks.{json,safetensors} with transformers in
float32, checked in float64. A row is a prefix, passages and a last block. What gorqa
computes once and turns is written out here: each passage but the first has a prefix of
its own before it, with positions so that the passage stands at its place in the row, and
a mask says that a passage sees its prefix and itself, the last block the first prefix,
the passages and itself. Rotary positions are relative, so a prefix and a passage that are
moved together stay as they are.
"""
import copy
import os

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

import golden
from make_models import ARCH, DECODER_TOLERANCE, VOCAB, check, gradients

MAKER = "parity/make_blocks.py"
TOLERANCE = {kind: DECODER_TOLERANCE[kind] for kind in ("logits", "loss", "grad")}
# Plain layers; windows and rotary positions by layer; layers without rotary positions; a
# window in all, angles that are scaled, heads that turn in part.
MODELS = ["llama", "gemma3_text", "smollm3", "phi3"]


def rows(seed):
    """(blocks, answer): two rows on the same passages in one order, others that share some."""
    g = torch.Generator().manual_seed(seed)

    def some(n):
        return torch.randint(3, VOCAB, (n,), generator=g)

    prefix, a, b, c = some(5), some(9), some(12), some(7)
    return [
        ([prefix, a, b, some(9)], 4),
        ([prefix, a, b, some(6)], 3),
        ([prefix, b, c, a, some(8)], 5),
        ([prefix, c, some(7)], 3),
    ]


def written_out(blocks):
    """ids, positions, who sees whom, and where the row's own tokens stand."""
    prefix, passages, last = blocks[0], blocks[1:-1], blocks[-1]
    ids, positions, group = [], [], []
    place = len(prefix)
    for i, passage in enumerate(passages):
        ids += [prefix, passage]
        positions.append(torch.arange(place - len(prefix), place + len(passage)))
        group += [2 * i] * len(prefix) + [2 * i + 1] * len(passage)
        place += len(passage)
    ids.append(last)
    positions.append(torch.arange(place, place + len(last)))
    group += [-1] * len(last)
    group = torch.tensor(group)
    n = len(group)
    query, key = group[:, None], group[None, :]
    shown = (key == 0) | (key % 2 == 1)  # the first prefix, passages and the last block
    sees = torch.where(query == -1, shown | (key == -1), (query // 2 == key // 2) & (key >= 0))
    sees &= torch.tril(torch.ones(n, n, dtype=torch.bool))
    own = (group == 0) | (group % 2 == 1) | (group == -1)
    return torch.cat(ids), torch.cat(positions), sees, own.nonzero()[:, 0]


def masks(config, sees, positions, dtype):
    """The mask of each kind of layer, or the one of all."""
    def added(ok):
        return torch.zeros(ok.shape, dtype=dtype).masked_fill(~ok, torch.finfo(dtype).min)[None, None]

    window = getattr(config, "sliding_window", None)
    near = sees & (positions[:, None] - positions[None, :] < window) if window else sees
    kinds = set(getattr(config, "layer_types", None) or [])
    if "sliding_attention" in kinds and config.model_type not in ("mistral", "phi3"):
        return {"full_attention": added(sees), "sliding_attention": added(near)}
    return added(near)


def arrays_of(model, data):
    arrays, total, count = {}, 0, 0
    dtype = next(model.parameters()).dtype
    for r, (blocks, answer) in enumerate(data):
        ids, positions, sees, own = written_out(blocks)
        mask = masks(model.config, sees, positions, dtype)
        logits = model(input_ids=ids[None], position_ids=positions[None], attention_mask=mask, use_cache=False).logits[0][own]
        row = torch.cat(blocks)
        assert torch.equal(row, ids[own])
        total = total + F.cross_entropy(logits[-answer - 1 : -1], row[-answer:], reduction="sum")
        count += answer
        arrays[f"ids.{r}"] = row
        arrays[f"blocks.{r}"] = torch.tensor([len(x) for x in blocks[:-1]]).cumsum(0)
        arrays[f"answer.{r}"] = torch.tensor([answer])
        arrays[f"logits.{r}"] = logits
    arrays["loss"] = total / count
    arrays.update(gradients(model, arrays["loss"]))
    return arrays, count


def main():
    torch.set_num_threads(1)
    for i, name in enumerate(MODELS):
        folder = os.path.join(ARCH, "llama", "testdata", name)
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
        data = rows(500 + i)
        arrays, count = arrays_of(model, data)
        double, _ = arrays_of(copy.deepcopy(model).double(), data)
        check(name, arrays, double, TOLERANCE)
        head = golden.header(MAKER, 500 + i, TOLERANCE, {"loss": arrays["loss"].item(), "label_tokens": count})
        golden.write(folder, "blocks", head, arrays)


if __name__ == "__main__":
    main()
