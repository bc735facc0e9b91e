"""Writes engine/cpu/testdata/adamw8: bitsandbytes' AdamW8bit, on the CPU, over ten steps.

    python -m pip install --no-deps bitsandbytes==0.50.2
    python parity/make_adamw8.py

The step is bitsandbytes' own. Its rounding is not: on the CPU, release 0.50.2 gives
values far smaller than their block's largest another code than that of the nearest value of its map; here it is
the nearest, as the paper (arXiv 2110.02861) has it.

Weights and gradients are exact in f32 and follow from a formula, so that the test makes its own.
"""
import os

import bitsandbytes
import bitsandbytes.backends.cpu.ops
import torch

import golden

N, STEPS = 4133, 10
SETTINGS = {"lr": 1e-3, "weight_decay": 0.01, "steps": STEPS, "n": N}


def numbers(t):
    i = torch.arange(N, dtype=torch.int64)
    hashed = ((i + 1) * 2654435761 + (t + 1) * 40503 * (i + 3)) % 65536
    return ((hashed - 32768).double() / 32768 * 0.5 ** ((i + t) % 9)).float()


def to_nearest(values, code, absmax, out, block):
    blocks = torch.nn.functional.pad(values, (0, -len(values) % block)).view(-1, block)
    absmax.copy_(blocks.abs().amax(1))
    parts = blocks / torch.where(absmax > 0, absmax, 1)[:, None]
    out.copy_((parts[..., None] - code).abs().argmin(-1).flatten()[: len(values)])


bitsandbytes.backends.cpu.ops._quant_blockwise_fp32_direct = to_nearest
weight = torch.nn.Parameter(numbers(0))
optimiser = bitsandbytes.optim.AdamW8bit([weight], lr=SETTINGS["lr"], weight_decay=SETTINGS["weight_decay"])
arrays = {
    "map.signed": bitsandbytes.functional.create_dynamic_map(True),
    "map.unsigned": bitsandbytes.functional.create_dynamic_map(False),
}
for step in range(1, STEPS + 1):
    weight.grad = numbers(step)
    optimiser.step()
    if step in (1, STEPS):
        state = optimiser.state[weight]
        for ours, theirs in (("mean", "1"), ("square", "2")):
            arrays[f"{ours}.{step}"] = state["state" + theirs].int()
            arrays[f"max.{ours}.{step}"] = state["absmax" + theirs].clone()
        arrays[f"weight.{step}"] = weight.detach().clone()
head = golden.header("parity/make_adamw8.py", 0, {"map": [0, 2e-7], "max": [0, 1e-5], "weight": [1e-6, 0]}, SETTINGS)
head["versions"]["bitsandbytes"] = bitsandbytes.__version__
golden.write(os.path.join(os.path.dirname(__file__), "..", "engine", "cpu", "testdata"), "adamw8", head, arrays)
