"""The calls of cuDNN's attention that jax makes for one causal row: ../tensor/nn/testdata/causal.json.

Lowered for CUDA on a machine without it, so jax's look at cuDNN and the GPU is skipped.
"""
import json
import os
import re

import jax
import jax._src.cudnn.fused_attention_stablehlo as cudnn
import jax.numpy as jnp

import golden

HERE = os.path.dirname(os.path.abspath(__file__))
POSITIONS, HEADS, WIDTH = 512, 4, 64

CALL = re.compile(
    r"custom_call @(__cudnn\$\w+)\(.*?\) \{api_version = (\d+) : i32, backend_config = \"(.*?)\", "
    r"operand_layouts = \[(.*?)\], result_layouts = \[(.*?)\]\} : \((.*?)\) -> \((.*?)\)\n"
)


def attention(q, k, v):
    return cudnn.dot_product_attention(q, k, v, scale=WIDTH**-0.5, mask_type=cudnn.MaskType.CAUSAL)


def with_gradients(q, k, v, d):
    o, back = jax.vjp(attention, q, k, v)
    return o, back(d)


def main():
    cudnn.check_cudnn_version = lambda: 91900
    cudnn.check_compute_capability = lambda *_: True
    x = jax.ShapeDtypeStruct((1, POSITIONS, HEADS, WIDTH), jnp.bfloat16)
    text = jax.jit(with_gradients).trace(x, x, x, x).lower(lowering_platforms=("cuda",)).as_text()
    calls = []
    for target, version, config, operands, results, takes, gives in CALL.findall(text):
        calls.append(
            {
                "target": target,
                "version": int(version),
                "config": json.loads(config.replace("\\22", '"')),
                "operand_layouts": operands,
                "result_layouts": results,
                "types": takes + " -> " + gives,
            }
        )
    if len(calls) != 2:
        raise SystemExit(f"{len(calls)} calls in jax's program, expected two:\n{text}")
    head = golden.header("parity/make_causal.py", 0, {"config": [0, 0]}, {"calls": calls}, dtype="bfloat16")
    head["versions"]["jax"] = jax.__version__
    golden.write_json(os.path.join(HERE, "..", "tensor", "nn", "testdata", "causal.json"), head)


if __name__ == "__main__":
    main()
