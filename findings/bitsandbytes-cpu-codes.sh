#!/usr/bin/env bash
# bitsandbytes 0.50.2, quantize_blockwise on the CPU: codes of values far smaller than their block's largest are not those of
# the nearest values of the map. Expected were the nearest, as the paper (arXiv 2110.02861) says, and as comparing with every
# value of create_dynamic_map gives.
#
# Unsigned, as for AdamW8bit's second moment, 1e-9 of the block's largest becomes 1.56e-05 of it (code 7) in the place of 0,
# fifteen thousand times as much; signed, 1.8e-6 becomes 2.1e-05 (code 131) in the place of 5.5e-07 (code 128). So AdamW8bit on the CPU
# divides small means by other roots than one that rounds to the nearest.
#
# Seen on Python 3.11, bitsandbytes 0.50.2, torch 2.11.0 (CPU):
#   unsigned 1e-09: code 7, 1.56e-05; nearest: code 0, 0.00e+00
#   signed 1.8e-06: code 131, 2.12e-05; nearest: code 128, 5.50e-07
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check torch==2.11.0 numpy==2.4.6 bitsandbytes==0.50.2
v/bin/python - 2>/dev/null <<'P' | tee seen
import torch, bitsandbytes
for name, small in (("unsigned", 1e-9), ("signed", 1.8e-6)):
    values = bitsandbytes.functional.create_dynamic_map(name == "signed")
    block = torch.full((256,), small)
    block[0] = 1
    codes, _ = torch.ops.bitsandbytes.quantize_blockwise(block, values, 256)
    code, nearest = codes[1].item(), (values - small).abs().argmin().item()
    print(f"{name} {small:.2g}: code {code}, {values[code]:.2e}; nearest: code {nearest}, {values[nearest]:.2e}")
P
diff seen - <<'P'
unsigned 1e-09: code 7, 1.56e-05; nearest: code 0, 0.00e+00
signed 1.8e-06: code 131, 2.12e-05; nearest: code 128, 5.50e-07
P
