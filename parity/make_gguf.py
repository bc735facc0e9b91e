"""Goldens of package weights: what the Python packages gguf and transformers
read out of GGUF files.

  files/weights/testdata/blocks.json.gz  random quantised blocks and their float32 values (gguf.dequantize), and
                                         random float32 values and their Q8_0 blocks (gguf.quantize)
  files/weights/testdata/tiny-*.gguf     random models of every architecture, written with gguf.GGUFWriter
  files/weights/testdata/tiny.json       SHA-256 of each tensor and the config as transformers loads them
  files/weights/testdata/smollm2.json    the same of SmolLM2-135M-Instruct (only with its file in the cache)

Run: python parity/make_gguf.py [path of SmolLM2-135M-Instruct.gguf]
"""

import base64
import gzip
import hashlib
import json
import math
import os
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Q
from transformers import AutoModelForCausalLM

SEED = 20
OUT = Path(__file__).resolve().parent.parent / "files" / "weights" / "testdata"
TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K", "Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS", "MXFP4"]
# Byte offsets of the half-precision scales in a block.
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
          "Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0]}  # fmt: skip


def header(**more):
    return {
        "maker": "parity/make_gguf.py",
        "versions": {"gguf": version("gguf"), "numpy": np.__version__, "torch": torch.__version__, "transformers": transformers.__version__},
        "seed": SEED,
        "dtype": "float32",
        "tolerance": {"all": [0, 0]},
        **more,
    }


def version(package):
    from importlib.metadata import version as v

    return v(package)


def b64(array):
    return base64.b64encode(array.tobytes()).decode()


def blocks():
    rng = np.random.default_rng(SEED)
    cases = []
    for name in TYPES:
        size, width = gguf.GGML_QUANT_SIZES[Q[name]]
        n = 6 if size > 1 else 256
        raw = rng.integers(0, 256, (n, width), dtype=np.uint8)
        for at in SCALES.get(name, []):  # finite scales: what NaN times a number is, is not defined to the bit
            raw[:, at : at + 2] = rng.normal(0, 0.3, n).astype(np.float16).view(np.uint8).reshape(n, 2)
        if name in SCALES:
            raw[0, SCALES[name][0] : SCALES[name][0] + 2] = np.array([3], np.uint16).view(np.uint8)  # a subnormal
        values = gguf.dequantize(raw.reshape(-1), Q[name]).astype(np.float32)
        if size == 1:  # no NaN among the plain ones either
            keep = np.isfinite(values)
            raw, values = raw[keep], values[keep]
        if name == "MXFP4":  # each kind of exponent
            raw[:, 0] = [0, 1, 2, 3, 127, 254]
            values = gguf.dequantize(raw.reshape(-1), Q[name])
        cases.append({"type": name, "number": int(Q[name].value), "block": size, "bytes": width, "raw": b64(raw), "values": b64(values)})
    with gzip.GzipFile(OUT / "blocks.json.gz", "wb", mtime=0) as f:
        f.write(json.dumps(header(cases=cases, quantised=quantised(rng)), indent=1).encode())


def quantised(rng):
    """Values of all sizes, ties, zeros and signs, and their Q8_0 blocks."""
    values = rng.normal(0, 1, (40, 32)).astype(np.float32) * np.logspace(-9, 4, 40, dtype=np.float32)[:, None]
    values[1] = 0
    values[2] = np.arange(-16, 16) * np.float32(0.5)
    values[2, 0] = 127  # steps of 1: halves are ties
    values[3, 1:] = 0
    values[4] = -np.abs(values[4])
    values[5] = np.float32(3e-44)  # a scale that is none
    return {"values": b64(values), "raw": b64(gguf.quantize(values.reshape(-1), Q.Q8_0))}


def permute(weights, heads):
    # What llama.cpp's converter does to q and k (convert_hf_to_gguf.py, LlamaModel.permute).
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def tiny(arch, quant, bias=False, norms=False, tied=True, rope_factor=0.0):
    """Writes a random model and returns its file's name."""
    rng = np.random.default_rng(SEED)
    hidden, ffn, heads, kv, width, vocab, layers = 64, 96, 4, 2, 16, 40, 2
    if quant in ("Q4_K", "Q6_K"):
        hidden, ffn, width, layers = 256, 256, 64, 1
    if arch == "qwen3":
        width = 128  # transformers does not read key_length: this is its default
    name = f"tiny-{arch}-{quant.lower()}.gguf"
    w = gguf.GGUFWriter(str(OUT / name), arch)
    w.add_block_count(layers)
    w.add_context_length(128)
    w.add_embedding_length(hidden)
    w.add_feed_forward_length(ffn)
    w.add_head_count(heads)
    w.add_head_count_kv(kv)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_freq_base(500000.0)
    w.add_vocab_size(vocab)
    if arch in ("gemma2", "gemma3"):
        w.add_sliding_window(8)
    if arch == "llama":
        w.add_rope_dimension_count(width)
    else:
        w.add_key_length(width)
        w.add_value_length(width)
    tokens = ["<unk>", "<s>", "</s>"] + [chr(c) for c in range(ord("A"), ord("A") + vocab - 5)] + ["AB", "ABC"]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([2, 3, 3] + [1] * (vocab - 3))
    w.add_token_merges(["A B", "AB C"])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_unk_token_id(0)
    w.add_add_bos_token(True)
    w.add_chat_template("{{ messages[0].content }}")

    def random(*shape):
        return rng.normal(0, 0.05, shape).astype(np.float32)

    def add(name, values, rotary=0):
        if arch == "llama" and rotary:
            values = permute(values, rotary)
        if values.ndim == 1:
            w.add_tensor(name, values)
            return
        raw = values
        if quant in ("Q4_K", "Q6_K"):  # the Python package reads them but does not write them: random blocks
            size, block = gguf.GGML_QUANT_SIZES[Q[quant]]
            raw = rng.integers(0, 256, (values.shape[0], values.shape[1] // size, block), dtype=np.uint8)
            for at in SCALES[quant]:
                raw[:, :, at : at + 2] = rng.normal(0, 0.001, raw.shape[:2]).astype(np.float16).view(np.uint8).reshape(*raw.shape[:2], 2)
            raw = raw.reshape(values.shape[0], -1)
        elif quant != "F32":
            raw = gguf.quantize(values, Q[quant])
        w.add_tensor(name, raw, raw_dtype=Q[quant])

    if rope_factor:
        factors = []
        for i in range(width // 2):
            wave = 2 * math.pi * 500000.0 ** (i / (width // 2))
            if wave < 8192 / 4:
                factors.append(1)
            elif wave > 8192:
                factors.append(rope_factor)
            else:
                smooth = (8192 / wave - 1) / 3
                factors.append(1 / ((1 - smooth) / rope_factor + smooth))
        w.add_tensor("rope_freqs.weight", np.array(factors, np.float32))
    add("token_embd.weight", random(vocab, hidden))
    for i in range(layers):
        b = f"blk.{i}."
        add(b + "attn_norm.weight", random(hidden))
        add(b + "attn_q.weight", random(heads * width, hidden), heads)
        add(b + "attn_k.weight", random(kv * width, hidden), kv)
        add(b + "attn_v.weight", random(kv * width, hidden))
        if bias:
            add(b + "attn_q.bias", random(heads * width))
            add(b + "attn_k.bias", random(kv * width))
            add(b + "attn_v.bias", random(kv * width))
        if norms:
            add(b + "attn_q_norm.weight", random(width))
            add(b + "attn_k_norm.weight", random(width))
        add(b + "attn_output.weight", random(hidden, heads * width))
        add(b + "ffn_norm.weight", random(hidden))
        if arch in ("gemma2", "gemma3"):
            add(b + "post_attention_norm.weight", random(hidden))
            add(b + "post_ffw_norm.weight", random(hidden))
        add(b + "ffn_gate.weight", random(ffn, hidden))
        add(b + "ffn_up.weight", random(ffn, hidden))
        add(b + "ffn_down.weight", random(hidden, ffn))
    add("output_norm.weight", random(hidden))
    if not tied:
        add("output.weight", random(vocab, hidden))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return name


CONFIG = ["model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
          "rms_norm_eps", "vocab_size", "max_position_embeddings", "tie_word_embeddings", "bos_token_id", "eos_token_id"]  # fmt: skip


def loaded(path):
    """What transformers makes of a GGUF file."""
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    config = {k: getattr(model.config, k) for k in CONFIG}
    config["rms_norm_eps"] = float(f"{config['rms_norm_eps']:.6g}")
    config["rope_theta"] = model.config.rope_parameters.get("full_attention", model.config.rope_parameters)["rope_theta"]
    tensors = {}
    for name, t in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        t = t.contiguous().numpy()
        tensors[name] = {"shape": list(t.shape), "sha256": hashlib.sha256(t.tobytes()).hexdigest()}
    return {"file": path.name, "config": config, "tensors": tensors}


def main():
    OUT.mkdir(exist_ok=True)
    blocks()
    models = [
        tiny("llama", "F32", tied=False),
        tiny("llama", "Q4_1", rope_factor=32.0),
        tiny("llama", "Q6_K"),
        tiny("qwen2", "F16", bias=True),
        tiny("qwen3", "Q8_0", norms=True, tied=False),
        tiny("gemma2", "F32"),
        tiny("gemma3", "Q8_0", norms=True),
    ]
    (OUT / "tiny.json").write_text(json.dumps(header(models=[loaded(OUT / m) for m in models]), indent=1) + "\n")
    smol = Path(sys.argv[1] if len(sys.argv) > 1 else os.path.expanduser("~/.cache/gorqa/models/SmolLM2-135M-Instruct.gguf"))
    if smol.exists():
        (OUT / "smollm2.json").write_text(json.dumps(header(models=[loaded(smol)]), indent=1) + "\n")


if __name__ == "__main__":
    main()
