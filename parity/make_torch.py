"""Goldens of package weights: what torch.save writes of a model, and SHA-256 of each tensor as float32.

  files/weights/testdata/torch/pytorch_model.bin   a table with tied, half-width, sliced and parameter tensors
  files/weights/testdata/torch/golden.json
  files/weights/testdata/torch/strided.bin         a tensor whose rows do not lie one after the other
  files/weights/testdata/torch/legacy.bin          the form before PyTorch 1.6

Run: python parity/make_torch.py
"""

import collections
import hashlib
import json
from pathlib import Path

import torch

OUT = Path(__file__).resolve().parent.parent / "files" / "weights" / "testdata" / "torch"


def main():
    OUT.mkdir(exist_ok=True)
    torch.manual_seed(20)
    whole = torch.randn(6, 5)
    state = collections.OrderedDict(
        [
            ("model.embed_tokens.weight", whole),
            ("lm_head.weight", whole),
            ("rows", whole[2:4]),
            ("half", torch.randn(3, 4).half()),
            ("bf16", torch.randn(3, 4).bfloat16()),
            ("parameter", torch.nn.Parameter(torch.randn(7))),
            ("scalar", torch.tensor(2.5)),
            ("empty", torch.zeros(0, 3)),
            ("position_ids", torch.arange(4).unsqueeze(0)),
        ]
    )
    state._metadata = {"": {"version": 1}}
    torch.save(state, OUT / "pytorch_model.bin")
    tensors = {}
    for name, t in state.items():
        if t.is_floating_point():
            data = t.detach().float().contiguous().numpy()
            tensors[name] = {"shape": list(t.shape), "sha256": hashlib.sha256(data.tobytes()).hexdigest()}
    (OUT / "golden.json").write_text(json.dumps({"maker": "parity/make_torch.py", "versions": {"torch": torch.__version__}, "seed": 20, "dtype": "float32", "tolerance": {"all": [0, 0]}, "tensors": tensors}, indent=1) + "\n")
    torch.save({"t": whole.T}, OUT / "strided.bin")
    torch.save({"t": whole}, OUT / "legacy.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
