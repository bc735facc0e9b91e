"""Buckets of relative positions as transformers' T5 computes them: ../tensor/nn/testdata/t5_buckets.json.

Every distance (key position - query position) from -5000 to 5000, for the settings of the hub's
models and odd ones, as float32 arithmetic decides the borders: [first distance, bucket] of each run.
"""
import os

import torch
from transformers.models.t5.modeling_t5 import T5Attention

import golden

HERE = os.path.dirname(os.path.abspath(__file__))
MAKER = "parity/make_t5_buckets.py"
LAST = 5000


def main():
    distances = range(-LAST, LAST + 1)
    cases = []
    for buckets, limit in [(32, 128), (8, 16), (32, 200), (10, 57)]:
        for causal in (False, True):
            got = T5Attention._relative_position_bucket(
                torch.tensor(list(distances)), bidirectional=not causal, num_buckets=buckets, max_distance=limit
            )
            runs = []
            for distance, bucket in zip(distances, got.tolist()):
                if not runs or runs[-1][1] != bucket:
                    runs.append([distance, bucket])
            cases.append({"buckets": buckets, "limit": limit, "causal": causal, "runs": runs})
    values = {"last": LAST, "cases": cases}
    folder = os.path.join(HERE, "..", "tensor", "nn", "testdata")
    os.makedirs(folder, exist_ok=True)
    golden.write_json(os.path.join(folder, "t5_buckets.json"), golden.header(MAKER, 0, {"bucket": [0, 0]}, values))


if __name__ == "__main__":
    main()
