"""Tiny random models of every architecture and their parity goldens.

    python make_models.py [NAME ...]

Writes ../arch/{llama,bert,t5}/testdata/NAME: a Hugging Face folder (config.json,
model.safetensors) and golden.json + golden.safetensors made with transformers in
float32. Every number is made a second time in float64, and the tolerances in the
header are checked against the distance between the two, so that a tolerance is
never tighter than float32 itself can keep.
"""
import copy
import json
import os
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutput

import golden

ARCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "arch")
MAKER = "parity/make_models.py"
VOCAB = 96
LENGTHS = [21, 13, 34]
ANSWERS = [6, 4, 11]
STEPS = 10
OPTIMISER = {
    "name": "AdamW",
    "lr": 1e-2,
    "betas": [0.9, 0.999],
    "eps": 1e-8,
    "weight_decay": 0.01,
    "decayed": "parameters with two dimensions or more, embeddings included",
    "max_grad_norm": 1.0,
    "clip": "gradient * min(1, max_grad_norm / (norm + 1e-6)); grad_norms are before clipping",
    "steps": STEPS,
}
DECODER_TOLERANCE = {
    "logits": [1e-4, 1e-4],
    "loss": [1e-5, 1e-5],
    "grad": [1e-5, 1e-3],
    "losses": [1e-4, 1e-4],
    "grad_norms": [1e-3, 1e-3],
    "final": [1e-3, 1e-3],
}


def randomise(model, seed):
    """Random values everywhere, norm scales and biases too, so that a forgotten one shows."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            r = torch.randn(p.shape, generator=g)
            if p.ndim == 1 and name.endswith("bias"):
                p.copy_(0.2 * r)
            elif p.ndim == 1:
                p.copy_(1 + 0.3 * r)
            elif "relative_attention_bias" in name:
                p.copy_(0.7 * r)
            elif p.shape[0] == VOCAB:
                p.copy_(0.5 * r)
            else:
                p.copy_(r / p.shape[1] ** 0.5)


def save(model, folder):
    """config.json and model.safetensors; nothing else of save_pretrained's."""
    os.makedirs(folder, exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.dtype = "float32"
    model.save_pretrained(folder)
    for extra in ("generation_config.json",):
        path = os.path.join(folder, extra)
        if os.path.exists(path):
            os.remove(path)


def rows(seed):
    g = torch.Generator().manual_seed(seed)
    out = []
    for length, answer in zip(LENGTHS, ANSWERS):
        ids = torch.randint(3, VOCAB, (length,), generator=g)
        labels = ids.clone()
        labels[: length - answer] = -100
        out.append((ids, labels))
    return out


def decoder_loss(model, data):
    """Every row alone, no padding: summed NLL over label tokens / all label tokens."""
    total, count, logits = 0, 0, []
    for ids, labels in data:
        out = model(input_ids=ids[None]).logits[0]
        logits.append(out)
        total = total + F.cross_entropy(out[:-1], labels[1:], ignore_index=-100, reduction="sum")
        count += int((labels[1:] != -100).sum())
    return total / count, count, logits


def optimiser(model):
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": OPTIMISER["weight_decay"]}, {"params": vectors, "weight_decay": 0.0}],
        lr=OPTIMISER["lr"],
        betas=OPTIMISER["betas"],
        eps=OPTIMISER["eps"],
    )


def ten_steps(model, loss_of):
    """Trains model in place. Gives the losses (before each step) and gradient norms."""
    opt = optimiser(model)
    losses, norms = [], []
    for _ in range(STEPS):
        opt.zero_grad()
        loss = loss_of(model)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIMISER["max_grad_norm"])))
        opt.step()
        losses.append(loss.item())
    return losses, norms


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {"grad." + n: p.grad.clone() for n, p in model.named_parameters()}


def arrays_decoder(model, data):
    arrays = {}
    for i, (ids, labels) in enumerate(data):
        arrays[f"ids.{i}"] = ids
        arrays[f"labels.{i}"] = labels
    loss, count, logits = decoder_loss(model, data)
    for i, x in enumerate(logits):
        arrays[f"logits.{i}"] = x
    arrays["loss"] = loss
    arrays.update(gradients(model, loss))
    trained = copy.deepcopy(model)
    losses, norms = ten_steps(trained, lambda m: decoder_loss(m, data)[0])
    arrays["losses"] = torch.tensor(losses, dtype=torch.float64)
    arrays["grad_norms"] = torch.tensor(norms, dtype=torch.float64)
    arrays.update({"final." + n: p for n, p in trained.named_parameters()})
    return arrays, count


def check(name, single, double, tolerance):
    """float32 must stay well inside the tolerance around float64."""
    report = {}
    for key, want in double.items():
        if not torch.is_tensor(want) or not want.is_floating_point():
            continue
        got = single[key].detach().double()
        want = want.detach().double()
        kind = key.split(".")[0]
        a, r = tolerance[kind]
        used = ((got - want).abs() / (a + r * want.abs())).max().item()
        if used > report.get(kind, (0, ""))[0]:
            report[kind] = (used, key)
    for kind, (used, key) in report.items():
        print(f"{name}: {kind}: float32 uses {used:.4f} of the tolerance ({key})")
        if used > 0.5:
            raise SystemExit(f"{name}: {kind} is too tight: {key} uses {used:.3f}")


def decoder(name, model, seed, old_rope=False):
    folder = os.path.join(ARCH, "llama", "testdata", name)
    randomise(model, seed)
    model.eval()
    save(model, folder)
    if old_rope:
        write_old_rope(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    data = rows(seed + 1)
    arrays, count = arrays_decoder(model, data)
    double, _ = arrays_decoder(copy.deepcopy(model).double(), data)
    check(name, arrays, double, DECODER_TOLERANCE)
    values = {"loss": arrays["loss"].item(), "label_tokens": count, "optimiser": OPTIMISER}
    golden.write(folder, "golden", golden.header(MAKER, seed, DECODER_TOLERANCE, values), arrays)


def write_old_rope(folder):
    """Rewrites rope_parameters as the two keys that hub files older than transformers 5 have."""
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope
    golden.write_json(path, config)


DECODER = dict(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
    attn_implementation="eager",
)


def llama():
    decoder("llama", LlamaForCausalLM(LlamaConfig(**DECODER, tie_word_embeddings=True, rms_norm_eps=1e-5)), 10)


def llama3():
    rope = {
        "rope_type": "llama3",
        "rope_theta": 500.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    config = LlamaConfig(
        **DECODER, tie_word_embeddings=False, attention_bias=False, rope_parameters=rope, rms_norm_eps=1e-5
    )
    decoder("llama3", LlamaForCausalLM(config), 20, old_rope=True)


def mistral():
    config = MistralConfig(**DECODER, tie_word_embeddings=False, sliding_window=8, rms_norm_eps=1e-5)
    decoder("mistral", MistralForCausalLM(config), 30)


def qwen2():
    config = Qwen2Config(
        **DECODER, tie_word_embeddings=True, rms_norm_eps=1e-6, rope_parameters={"rope_type": "default", "rope_theta": 1e6}
    )
    decoder("qwen2", Qwen2ForCausalLM(config), 40)


def qwen3():
    config = Qwen3Config(
        **DECODER,
        head_dim=16,
        tie_word_embeddings=True,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )
    decoder("qwen3", Qwen3ForCausalLM(config), 50)


DECODERS = {"llama": llama, "llama3": llama3, "mistral": mistral, "qwen2": qwen2, "qwen3": qwen3}
MODELS = dict(DECODERS)


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    names = sys.argv[1:] or list(MODELS)
    for name in names:
        MODELS[name]()


if __name__ == "__main__":
    main()
