#!/usr/bin/env python3
"""Makes tensor/train/testdata/early_stopping.json: after which evaluation transformers' EarlyStoppingCallback
ends a training, for scores, patience, threshold and direction drawn at random. The callback is told as
Trainer tells it: before the best metric takes the new score in.

    python parity/make_early_stopping.py > tensor/train/testdata/early_stopping.json
"""
import json
import random
import types

import transformers

rnd = random.Random(5)
cases = []
for _ in range(60):
    greater = rnd.random() < 0.5
    patience, threshold = rnd.randint(1, 3), rnd.choice([0.0, 0.0, 0.05, 0.2])
    scores = [round(rnd.uniform(0, 1), 2) for _ in range(rnd.randint(3, 12))]
    callback = transformers.EarlyStoppingCallback(patience, threshold)
    args = types.SimpleNamespace(metric_for_best_model="loss", greater_is_better=greater)
    state, control = transformers.TrainerState(), transformers.TrainerControl()
    ended = 0
    for n, score in enumerate(scores, 1):
        callback.on_evaluate(args, state, control, metrics={"eval_loss": score})
        if control.should_training_stop:
            ended = n
            break
        if state.best_metric is None or (score > state.best_metric if greater else score < state.best_metric):
            state.best_metric = score
    cases.append({"greater": greater, "patience": patience, "threshold": threshold, "scores": scores, "ended": ended})
print(json.dumps({"transformers": transformers.__version__, "seed": 5, "cases": cases}))
