"""Writes tensor/train/schedule/testdata/schedules.json: the learning rates of
transformers' schedulers at every step, by kind and arguments.

    /path/to/python parity/make_schedules.py > tensor/train/schedule/testdata/schedules.json
"""

import json
import sys

import torch
import transformers
from transformers import get_scheduler

CASES = [
    # kind, peak, warm-up steps, steps, arguments
    ("linear", 5e-5, 0, 17, {}),
    ("linear", 5e-5, 5, 37, {}),
    ("linear", 1e-3, 8, 8, {}),
    ("cosine", 1e-5, 4, 37, {}),
    ("cosine", 1e-5, 4, 37, {"num_cycles": 1.75}),
    ("cosine", 1e-5, 0, 1, {}),
    ("cosine_with_restarts", 2e-4, 3, 40, {}),
    ("cosine_with_restarts", 2e-4, 3, 40, {"num_cycles": 4}),
    ("polynomial", 1e-4, 6, 41, {}),
    ("polynomial", 1e-4, 0, 41, {"lr_end": 3e-6, "power": 2.5}),
    ("polynomial", 1e-4, 7, 23, {"power": 0.5}),
    ("constant", 3e-5, 5, 11, {}),
    ("constant_with_warmup", 3e-5, 5, 11, {}),
    ("inverse_sqrt", 3e-4, 9, 60, {}),
    ("inverse_sqrt", 3e-4, 0, 60, {}),
    ("inverse_sqrt", 3e-4, 9, 60, {"timescale": 33}),
    ("cosine_with_min_lr", 1e-4, 5, 37, {"min_lr": 1e-5}),
    ("cosine_with_min_lr", 1e-4, 5, 37, {"min_lr_rate": 0.25, "num_cycles": 1.5}),
    ("cosine_warmup_with_min_lr", 1e-4, 6, 37, {"min_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", 1e-4, 6, 37, {"min_lr": 2e-5, "warmup_lr_rate": 0.2}),
    ("cosine_warmup_with_min_lr", 1e-4, 1, 37, {"min_lr_rate": 0.0, "warmup_lr_rate": 0.2, "num_cycles": 2.5}),
    ("warmup_stable_decay", 1e-4, 5, 40, {"num_decay_steps": 12}),
    ("warmup_stable_decay", 1e-4, 5, 40, {"num_decay_steps": 12, "num_stable_steps": 9, "min_lr_ratio": 0.1}),
    ("warmup_stable_decay", 1e-4, 7, 40, {"num_decay_steps": 12, "warmup_type": "cosine", "decay_type": "linear", "min_lr_ratio": 0.05}),
    ("warmup_stable_decay", 1e-4, 7, 40, {"num_decay_steps": 20, "warmup_type": "1-sqrt", "decay_type": "1-sqrt"}),
    ("warmup_stable_decay", 1e-4, 10, 40, {"num_decay_steps": 35, "num_cycles": 1.25}),
]

cases = []
for kind, peak, warmup, steps, arguments in CASES:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler = get_scheduler(kind, optimizer, warmup, steps, scheduler_specific_kwargs=dict(arguments) or None)
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        try:
            scheduler.step()
        except ZeroDivisionError:
            assert len(rates) == steps
    cases.append({"kind": kind, "peak": peak, "warmup": warmup, "steps": steps, "args": arguments, "rates": rates})
json.dump(
    {
        "made_by": "parity/make_schedules.py",
        "versions": {"python": sys.version.split()[0], "torch": torch.__version__, "transformers": transformers.__version__},
        "dtype": "float64",
        "tolerance": 1e-12,
        "cases": cases,
    },
    sys.stdout,
)
print()
