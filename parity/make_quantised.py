"""Goldens of package weights: weights in eight bits and their scales as FP8 releases and compressed-tensors have them,
and what they stand for, computed by torch in float32.

  files/weights/testdata/quantised/*.safetensors
  files/weights/testdata/quantised/golden.json    quantization_config, and SHA-256 of each weight

Run: python parity/make_quantised.py
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parent.parent / "files" / "weights" / "testdata" / "quantised"


def spread(scale, shape, block=None):
    if scale.numel() == 1:
        return scale.reshape(1, 1).expand(shape)
    if scale.ndim == 1:
        scale = scale[:, None]
    rows, columns = block or (shape[0] // scale.shape[0], shape[1] // scale.shape[1])
    return scale.repeat_interleave(rows, 0).repeat_interleave(columns, 1)[: shape[0], : shape[1]]


def main():
    OUT.mkdir(exist_ok=True)
    torch.manual_seed(20)
    fp8 = lambda *shape: (torch.randn(shape) * 50).to(torch.float8_e4m3fn)
    groups = lambda **weights: {"group_0": {"targets": ["Linear"], "weights": weights}}
    every = torch.arange(256, dtype=torch.uint8)
    every = every[(every & 0x7F) != 0x7F].view(torch.float8_e4m3fn).reshape(2, 127)
    cases = [
        # name, quantization_config, suffix of the scale, weight, scale, zero point, block
        ("fp8-block", {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [32, 16]}, "_scale_inv", fp8(72, 40), torch.rand(3, 3), None, (32, 16)),
        ("fp8-tensor", {"quant_method": "fp8", "activation_scheme": "static"}, "_scale_inv", every, torch.tensor(0.37), None, None),
        ("fbgemm", {"quant_method": "fbgemm_fp8"}, "_scale", fp8(8, 6), torch.rand(8, 1), None, None),
        ("modelopt", {"quant_method": "modelopt", "quant_algo": "FP8"}, "_scale", fp8(8, 6), torch.rand(1), None, None),
        ("ct-channel", {"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": groups(num_bits=8, type="float", strategy="channel"), "sparsity_config": {}}, "_scale", fp8(8, 6), torch.rand(8, 1).bfloat16(), None, None),
        ("ct-block", {"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": groups(num_bits=8, type="float", strategy="block", block_structure=[4, 4])}, "_scale", fp8(8, 6), torch.rand(2, 2), None, (4, 4)),
        ("ct-group", {"quant_method": "compressed-tensors", "format": "int-quantized", "config_groups": groups(num_bits=8, type="int", strategy="group", group_size=4)}, "_scale", torch.randint(-128, 128, (8, 12), dtype=torch.int8), torch.rand(8, 3), None, None),
        ("ct-asymmetric", {"quant_method": "compressed-tensors", "format": "naive-quantized", "config_groups": groups(num_bits=8, type="int", strategy="channel", symmetric=False)}, "_scale", torch.randint(-128, 128, (8, 12), dtype=torch.int8), torch.rand(8, 1), torch.randint(-9, 9, (8, 1), dtype=torch.int8), None),
    ]  # fmt: skip
    golden = []
    for name, config, suffix, weight, scale, zero, block in cases:
        tensors = {"a.weight": weight, "a.weight" + suffix: scale, "a.input_scale": torch.tensor(1.0), "plain.weight": torch.randn(3).bfloat16()}
        if zero is not None:
            tensors["a.weight_zero_point"] = zero
        save_file(tensors, OUT / f"{name}.safetensors")
        values = weight.float()
        if zero is not None:
            values = values - spread(zero.float(), weight.shape)
        values = (values * spread(scale.float(), weight.shape, block)).contiguous()
        golden.append({"name": name, "config": config, "shape": list(weight.shape), "sha256": hashlib.sha256(values.numpy().tobytes()).hexdigest()})
    (OUT / "golden.json").write_text(json.dumps({"maker": "parity/make_quantised.py", "versions": {"torch": torch.__version__}, "seed": 20, "dtype": "float32", "tolerance": {"all": [0, 0]}, "cases": golden}, indent=1) + "\n")


if __name__ == "__main__":
    main()
