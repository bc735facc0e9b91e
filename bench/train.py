"""Full fine-tuning with transformers.

    python train.py '{"model": PATH, "rows": "rows.json", "micro_batch": 1}'

rows.json holds [{"ids": [...], "labels": [0 or 1 a token]}, ...]. "micro_batch": N pads to the
longest of N. The original's recipe is {"pad_to": 2048, "loss_on": "all"}.
"""
import torch

import peer

args = peer.arguments(model=None, rows=None)
peer.train(peer.load_model(args["model"], torch.float32), peer.load_json(args["rows"]), args)
