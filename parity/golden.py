"""Writes golden folders: golden.json (what made it) beside golden.safetensors (arrays)."""
import json
import os

import numpy as np
import safetensors
import safetensors.numpy
import tokenizers
import torch
import transformers


def versions():
    return {
        "python_torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "safetensors": safetensors.__version__,
        "numpy": np.__version__,
    }


def header(maker, seed, tolerance, values, dtype="float32"):
    """tolerance: {prefix of array names: [absolute, relative]}; values: free-form facts."""
    return {
        "maker": maker,
        "versions": versions(),
        "seed": seed,
        "dtype": dtype,
        "tolerance": tolerance,
        "values": values,
    }


def array(x):
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().numpy()
    x = np.asarray(x)
    if x.dtype == np.float64:
        x = x.astype(np.float32)
    if x.dtype == np.int64:
        x = x.astype(np.int32)
    return np.ascontiguousarray(x)


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1, ensure_ascii=False)
        f.write("\n")


def write(folder, name, head, arrays):
    """Writes folder/name.json and folder/name.safetensors."""
    os.makedirs(folder, exist_ok=True)
    safetensors.numpy.save_file({k: array(v) for k, v in arrays.items()}, os.path.join(folder, name + ".safetensors"))
    write_json(os.path.join(folder, name + ".json"), head)
