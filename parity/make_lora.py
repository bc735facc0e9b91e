"""The goldens of low-rank adapters (peft) on the tiny random models of make_models.py.

    python make_lora.py [MODEL ...]

Writes ../tensor/arch/llama/testdata/MODEL/lora (plain, rank 4, every linear layer) of every family with layers of its own and llama/rslora
(rsLoRA, rank 2, three kinds of layers): the adapter as peft saves it (adapter_config.json,
adapter_model.safetensors) and golden.json + golden.safetensors with logits, loss, the gradient
of every A and B, ten AdamW steps, and the merged weights. A and B start as random values, so
that both have gradients from the first step.
"""
import copy
import json
import os
import sys

import peft
import torch
import transformers

import golden
from make_models import ARCH, DECODER_TOLERANCE, OPTIMISER, Part, arrays_decoder, check, rows

MAKER = "parity/make_lora.py"
TOLERANCE = {**DECODER_TOLERANCE, "merged": [1e-5, 1e-5]}
TESTDATA = os.path.join(ARCH, "llama", "testdata")


def plain(name):
    """A parameter's name as gorqa has it: the base model's, or its text model's."""
    return name.replace("base_model.model.", "").replace(".default.", ".").replace("model.language_model.", "model.")


def trained(model):
    """The trained parameters of a peft model, under the base model's names."""
    return [(plain(n), p) for n, p in model.named_parameters() if p.requires_grad]


def make(model_name, name, seed, **config):
    source = os.path.join(TESTDATA, model_name)
    folder = os.path.join(source, name)
    with open(os.path.join(source, "config.json"), encoding="utf-8") as f:
        kind = getattr(transformers, json.load(f)["architectures"][0])
    base = kind.from_pretrained(source, attn_implementation="eager", dtype=torch.float32)
    model = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **config)).eval()
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, p in sorted(trained(model)):
            p.copy_(torch.randn(p.shape, generator=g) / p.shape[1] ** 0.5 / 2)
    written = model.peft_config["default"]
    targets = written.target_modules
    written.base_model_name_or_path, written.target_modules = "tiny", targets if isinstance(targets, str) else sorted(targets)
    model.save_pretrained(folder, save_embedding_layers=False)
    readme = os.path.join(folder, "README.md")
    if os.path.exists(readme):
        os.remove(readme)

    data = rows(seed + 1)
    adapter = Part(model, trained)
    arrays, count = arrays_decoder(adapter, data)
    double, _ = arrays_decoder(adapter.double(), data)
    for out, m in ((arrays, model), (double, copy.deepcopy(model).double())):
        merged = copy.deepcopy(m).merge_and_unload()
        names = {n.rsplit(".lora_", 1)[0] + ".weight" for n, _ in adapter.named_parameters()}
        out.update({"merged." + plain(n): p.detach() for n, p in merged.named_parameters() if plain(n) in names})
    check(f"{model_name}/{name}", arrays, double, TOLERANCE)
    values = {"loss": arrays["loss"].item(), "label_tokens": count, "optimiser": OPTIMISER}
    header = golden.header(MAKER, seed, TOLERANCE, values)
    header["versions"]["peft"] = peft.__version__
    golden.write(folder, "golden", header, arrays)


PLAIN = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}
TEXT = dict(PLAIN, target_modules=r"model\.language_model\..*_proj")
ADAPTERS = {
    "llama": [
        ("lora", 70, PLAIN),
        ("rslora", 80, {"r": 2, "lora_alpha": 3, "use_rslora": True, "target_modules": ["q_proj", "v_proj", "down_proj"]}),
    ],
    "gemma3_text": [("lora", 90, PLAIN)],
    "phi3": [("lora", 100, PLAIN)],
    "gemma": [("lora", 110, PLAIN)],
    "gemma2": [("lora", 120, PLAIN)],
    "olmo2": [("lora", 130, PLAIN)],
    "olmo3": [("lora", 140, PLAIN)],
    "granite": [("lora", 150, PLAIN)],
    "smollm3": [("lora", 160, PLAIN)],
    "ministral3": [("lora", 170, PLAIN)],
    "qwen2": [("lora", 180, PLAIN)],
    "qwen3": [("lora", 190, PLAIN)],
    "gemma3": [("lora", 200, TEXT)],
    "mistral3": [("lora", 210, TEXT)],
    "mistral3-ministral3": [("lora", 220, TEXT)],
}


if __name__ == "__main__":
    for model_name in sys.argv[1:] or ADAPTERS:
        for name, seed, config in ADAPTERS[model_name]:
            make(model_name, name, seed, **config)
