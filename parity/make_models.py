"""Tiny random models of every architecture and their parity goldens.

    python make_models.py [NAME ...]

Writes ../tensor/arch/{llama,bert,t5}/testdata/NAME: a Hugging Face folder (config.json,
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
from transformers import (
    BertConfig,
    BertModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Ministral3Config,
    Ministral3ForCausalLM,
    MinistralConfig,
    MinistralForCausalLM,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    MistralConfig,
    MistralForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    Olmo3Config,
    Olmo3ForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutput

import golden

ARCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tensor", "arch")
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
                p.copy_(("Gemma" not in type(model).__name__) + 0.3 * r)  # whose norms scale by 1 + weight
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


class Part:
    """A model with those parameters alone that `named` gives of it, under the names that it gives them."""

    def __init__(self, model, named):
        self.model, self.named = model, named

    def __call__(self, **kw):
        return self.model(**kw)

    def named_parameters(self):
        return self.named(self.model)

    def parameters(self):
        return [p for _, p in self.named_parameters()]

    def zero_grad(self):
        self.model.zero_grad()

    def double(self):
        return Part(copy.deepcopy(self.model).double(), self.named)


def text_parameters(model):
    """Those of the text model of one for text and pictures, under the names that they have alone."""
    named = [(n.replace("model.language_model.", "model."), p) for n, p in model.named_parameters()]
    return [(n, p) for n, p in named if n.startswith(("model.embed_tokens.", "model.layers.", "model.norm.", "lm_head."))]


def decoder(name, model, seed, old_rope=False):
    folder = os.path.join(ARCH, "llama", "testdata", name)
    randomise(model, seed)
    model.eval()
    save(model, folder)
    if old_rope:
        write_old_rope(folder)
    model = type(model).from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    if hasattr(model.config, "vision_config"):
        model = Part(model, text_parameters)
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


# Smaller, as there are many of them, but for phi3, whose configuration takes no head_dim; a window is shorter than the rows.
SMALL = dict(DECODER, hidden_size=16, intermediate_size=24, head_dim=8, rms_norm_eps=1e-6)
DEFAULT = {"rope_type": "default", "rope_theta": 1e4}


def gemma():
    decoder("gemma", GemmaForCausalLM(GemmaConfig(**SMALL, tie_word_embeddings=True)), 110)


def gemma2():
    config = Gemma2Config(
        **SMALL,
        tie_word_embeddings=True,
        sliding_window=8,
        query_pre_attn_scalar=12,
        attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0,
    )
    decoder("gemma2", Gemma2ForCausalLM(config), 120)


GEMMA3 = dict(
    SMALL,
    num_hidden_layers=3,
    tie_word_embeddings=True,
    sliding_window=8,
    layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    query_pre_attn_scalar=12,
    rope_parameters={
        "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e5},
        "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
    },
)


def gemma3_text():
    decoder("gemma3_text", Gemma3ForCausalLM(Gemma3TextConfig(**GEMMA3)), 130)


def smollm3():
    config = SmolLM3Config(
        **SMALL,
        tie_word_embeddings=True,
        no_rope_layers=[1, 0],
        use_sliding_window=True,
        sliding_window=8,
        rope_parameters=DEFAULT,
    )
    decoder("smollm3", SmolLM3ForCausalLM(config), 140)


def olmo2():
    decoder("olmo2", Olmo2ForCausalLM(Olmo2Config(**SMALL, tie_word_embeddings=False, rope_parameters=DEFAULT)), 150)


def olmo3():
    yarn = {"rope_type": "yarn", "rope_theta": 5e5, "factor": 8.0, "original_max_position_embeddings": 16}
    config = Olmo3Config(
        **SMALL,
        tie_word_embeddings=False,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters={"full_attention": yarn, "sliding_attention": {"rope_type": "default", "rope_theta": 5e5}},
    )
    decoder("olmo3", Olmo3ForCausalLM(config), 160)


def granite():
    config = GraniteConfig(
        **SMALL,
        tie_word_embeddings=True,
        rope_parameters=DEFAULT,
        embedding_multiplier=6.0,
        logits_scaling=3.0,
        residual_multiplier=0.4,
        attention_multiplier=0.2,
    )
    decoder("granite", GraniteForCausalLM(config), 170)


def phi3():
    long = {
        "rope_type": "longrope",
        "rope_theta": 1e4,
        "partial_rotary_factor": 0.75,
        "short_factor": [1.0, 1.3, 2.0],
        "long_factor": [2.0, 3.0, 5.0],
    }
    config = Phi3Config(
        **dict({k: v for k, v in SMALL.items() if k != "head_dim"}, hidden_size=32),
        tie_word_embeddings=False,
        sliding_window=20,
        original_max_position_embeddings=64,
        rope_parameters=long,
    )
    decoder("phi3", Phi3ForCausalLM(config), 180)


def ministral():
    config = MinistralConfig(
        **SMALL,
        tie_word_embeddings=False,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters=DEFAULT,
    )
    decoder("ministral", MinistralForCausalLM(config), 190)


YARN3 = {
    "rope_type": "yarn",
    "rope_theta": 1e4,
    "factor": 4.0,
    "original_max_position_embeddings": 64,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.1,
}


def ministral3():
    config = Ministral3Config(**SMALL, tie_word_embeddings=False, rope_parameters=YARN3)
    decoder("ministral3", Ministral3ForCausalLM(config), 200)


# What models for text and pictures look with; nothing is shown to them.
VISION = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4)
PIXTRAL = dict(VISION, model_type="pixtral", head_dim=4)
SIGLIP = dict(VISION, model_type="siglip_vision_model")


def gemma3():
    text = dict(GEMMA3, model_type="gemma3_text")
    config = Gemma3Config(text_config=text, vision_config=SIGLIP, mm_tokens_per_image=1)
    decoder("gemma3", Gemma3ForConditionalGeneration(config), 210)


def mistral3():
    """Tied, as Mistral3Config says where nobody else does; the text's own configuration says otherwise."""
    text = dict(SMALL, model_type="mistral", sliding_window=None, rope_parameters=DEFAULT)
    decoder("mistral3", Mistral3ForConditionalGeneration(Mistral3Config(text_config=text, vision_config=PIXTRAL)), 220)


def mistral3_ministral3():
    text = dict(SMALL, model_type="ministral3", rope_parameters=YARN3)
    config = Mistral3Config(text_config=text, vision_config=PIXTRAL, tie_word_embeddings=False)
    decoder("mistral3-ministral3", Mistral3ForConditionalGeneration(config), 230)


def bert():
    name, seed = "bert", 60
    folder = os.path.join(ARCH, "bert", "testdata", name)
    config = BertConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        type_vocab_size=2,
        layer_norm_eps=1e-12,
        attn_implementation="eager",
    )
    model = BertModel(config)
    randomise(model, seed)
    save(model, folder)
    model = BertModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    data = [ids for ids, _ in rows(seed + 1)]
    arrays, double = bert_arrays(model, data), bert_arrays(copy.deepcopy(model).double(), data)
    tolerance = {"hidden": [1e-4, 1e-4], "mean": [1e-4, 1e-4]}
    check(name, arrays, double, tolerance)
    golden.write(folder, "golden", golden.header(MAKER, seed, tolerance, {"rows": len(data)}), arrays)


@torch.no_grad()
def bert_arrays(model, data):
    """One padded batch with its mask; hidden states without the padding, and their means."""
    longest = max(len(ids) for ids in data)
    batch = torch.stack([F.pad(ids, (0, longest - len(ids))) for ids in data])
    mask = torch.stack([F.pad(torch.ones_like(ids), (0, longest - len(ids))) for ids in data])
    hidden = model(input_ids=batch, attention_mask=mask).last_hidden_state
    arrays = {}
    for i, ids in enumerate(data):
        arrays[f"ids.{i}"] = ids
        arrays[f"hidden.{i}"] = hidden[i, : len(ids)].clone()
        arrays[f"mean.{i}"] = hidden[i, : len(ids)].mean(0)
    return arrays


T5_TOLERANCE = dict(DECODER_TOLERANCE, encoder=[1e-4, 1e-4], fid=DECODER_TOLERANCE["grad"])
T5_EOS = 1
PASSAGES = [[17, 9, 23], [12, 30]]
NEW_TOKENS = 16
BEAMS = 4


def teach(model, seed):
    """A short training (copy the small token ids, then end), so that answers differ in length and beams compete."""
    g = torch.Generator().manual_seed(seed)
    opt = torch.optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(500):
        n = int(torch.randint(2, 24, (1,), generator=g))
        ids = torch.randint(3, VOCAB, (16, n), generator=g)
        ids[:, -1] = T5_EOS
        labels = torch.full((16, NEW_TOKENS), -100)
        for i, row in enumerate(ids):
            small = row[(row < VOCAB // 2) & (row != T5_EOS)][: NEW_TOKENS - 2]
            labels[i, : len(small) + 1] = F.pad(small, (0, 1), value=T5_EOS)
        opt.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        opt.step()


def t5(name, config, seed, embedding_scale, untied=False):
    folder = os.path.join(ARCH, "t5", "testdata", name)
    model = T5ForConditionalGeneration(config)
    if untied:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    randomise(model, seed)
    with torch.no_grad():
        model.shared.weight.mul_(embedding_scale)
    teach(model.eval(), seed + 4)
    save(model, folder)
    if untied:
        write_untied_t5(folder)
    model = T5ForConditionalGeneration.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    if untied == (model.lm_head.weight is model.shared.weight) or untied == model.config.scale_decoder_outputs:
        raise SystemExit(f"{name}: transformers read the head otherwise than it was written")
    double = copy.deepcopy(model).double()
    data, passages = t5_rows(seed + 1), t5_passages(seed + 2)

    arrays, count = t5_arrays(model, data)
    check(name, arrays, t5_arrays(double, data)[0], T5_TOLERANCE)
    values = {
        "loss": arrays["loss"].item(),
        "label_tokens": count,
        "decoder_start_token": 0,
        "dropout": 0,
        "optimiser": OPTIMISER,
    }
    golden.write(folder, "golden", golden.header(MAKER, seed, T5_TOLERANCE, values), arrays)

    arrays, count = fid_arrays(model, passages)
    check(name + " fid", arrays, fid_arrays(double, passages)[0], T5_TOLERANCE)
    values = {"loss": arrays["loss"].item(), "label_tokens": count, "passages": [len(p) for p in PASSAGES]}
    golden.write(folder, "fid", golden.header(MAKER, seed, T5_TOLERANCE, values), arrays)

    head = golden.header(MAKER, seed, {"score": [1e-4, 1e-4]}, t5_generations(model, double, passages, seed + 3))
    golden.write_json(os.path.join(folder, "generate.json"), head)


def t5_rows(seed):
    """(input ids, labels): both end with the end token, as T5's do."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda n: F.pad(torch.randint(3, VOCAB, (n - 1,), generator=g), (0, 1), value=T5_EOS)
    return [(draw(n), draw(a)) for n, a in zip(LENGTHS, ANSWERS)]


def t5_passages(seed):
    """(passages, labels) a row."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda n: F.pad(torch.randint(3, VOCAB, (n - 1,), generator=g), (0, 1), value=T5_EOS)
    return [([draw(n) for n in lengths], draw(a)) for lengths, a in zip(PASSAGES, [7, 5])]


def t5_arrays(model, data):
    arrays = {}

    def loss_of(model, keep=False):
        total, count = 0, 0
        for i, (ids, labels) in enumerate(data):
            out = model(input_ids=ids[None], labels=labels[None])
            total = total + F.cross_entropy(out.logits[0], labels, reduction="sum")
            count += len(labels)
            if keep:
                arrays.update({f"ids.{i}": ids, f"labels.{i}": labels})
                arrays.update({f"encoder.{i}": out.encoder_last_hidden_state[0], f"logits.{i}": out.logits[0]})
        return total / count, count

    loss, count = loss_of(model, keep=True)
    arrays["loss"] = loss
    arrays.update(gradients(model, loss))
    trained = copy.deepcopy(model)
    losses, norms = ten_steps(trained, lambda m: loss_of(m)[0])
    arrays["losses"] = torch.tensor(losses, dtype=torch.float64)
    arrays["grad_norms"] = torch.tensor(norms, dtype=torch.float64)
    arrays.update({"final." + n: p for n, p in trained.named_parameters()})
    return arrays, count


def fuse(model, passages):
    """Fusion-in-Decoder (Izacard and Grave, 2020): every passage encoded alone, states side by side."""
    return torch.cat([model.encoder(input_ids=p[None]).last_hidden_state for p in passages], dim=1)


def fid_arrays(model, data):
    arrays, total, count = {}, 0, 0
    for i, (passages, labels) in enumerate(data):
        logits = model(encoder_outputs=BaseModelOutput(fuse(model, passages)), labels=labels[None]).logits[0]
        padded = fid_padded(model, passages, labels)
        if (padded - logits).abs().max() > 1e-4:
            raise SystemExit("the padded batch of passages does not agree with passages encoded alone")
        total = total + F.cross_entropy(logits, labels, reduction="sum")
        count += len(labels)
        for j, p in enumerate(passages):
            arrays[f"ids.{i}.{j}"] = p
        arrays[f"labels.{i}"] = labels
        arrays[f"logits.{i}"] = logits
    loss = total / count
    arrays["loss"] = loss
    arrays.update(gradients(model, loss))
    return arrays, count


def fid_padded(model, passages, labels):
    """The same with all passages of a row padded to one length, under a mask."""
    longest = max(len(p) for p in passages)
    batch = torch.stack([F.pad(p, (0, longest - len(p))) for p in passages])
    mask = torch.stack([F.pad(torch.ones_like(p), (0, longest - len(p))) for p in passages])
    states = model.encoder(input_ids=batch, attention_mask=mask).last_hidden_state
    states = BaseModelOutput(states.reshape(1, -1, states.shape[-1]))
    return model(encoder_outputs=states, attention_mask=mask.reshape(1, -1), labels=labels[None]).logits[0]


def t5_generations(model, double, passages, seed):
    """Greedy and beam search over 20 inputs and the FiD rows, kept where float64 agrees."""
    g = torch.Generator().manual_seed(seed)
    kept = []
    while len(kept) < 20:
        ids = F.pad(torch.randint(3, VOCAB, (2 + len(kept),), generator=g), (0, 1), value=T5_EOS)
        single, exact = (t5_generate(m, {"input_ids": ids[None]}) for m in (model, double))
        if single["greedy"] == exact["greedy"] and single["beam"] == exact["beam"]:
            kept.append({"ids": ids.tolist(), **single})
    fid = []
    for p, _ in passages:
        single, exact = (t5_generate(m, {"encoder_outputs": BaseModelOutput(fuse(m, p))}) for m in (model, double))
        if single["greedy"] != exact["greedy"] or single["beam"] != exact["beam"]:
            raise SystemExit("float64 generates something else; take another seed")
        fid.append({"passages": [x.tolist() for x in p], **single})
    lengths = [len(k["beam"]) for k in kept]
    print("beam lengths", lengths, "greedy lengths", [len(k["greedy"]) for k in kept])
    if len(set(lengths)) < 3:
        raise SystemExit("beam search ends everywhere alike; take another seed")
    settings = {"num_beams": BEAMS, "max_new_tokens": NEW_TOKENS, "length_penalty": 1.0, "early_stopping": False}
    return {"settings": settings, "eos": T5_EOS, "decoder_start_token": 0, "rows": kept, "fid": fid}


@torch.no_grad()
def t5_generate(model, inputs):
    """New tokens up to and with the end token; score is the sum of log-probabilities / length."""
    common = dict(max_new_tokens=NEW_TOKENS, do_sample=False, decoder_start_token_id=0, eos_token_id=T5_EOS, pad_token_id=0)
    greedy = model.generate(**inputs, **common)[0, 1:].tolist()
    beam = model.generate(
        **inputs,
        **common,
        num_beams=BEAMS,
        length_penalty=1.0,
        early_stopping=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    return {
        "greedy": until_end(greedy),
        "beam": until_end(beam.sequences[0, 1:].tolist()),
        "score": round(float(beam.sequences_scores[0]), 6),
    }


def until_end(ids):
    return ids[: ids.index(T5_EOS) + 1] if T5_EOS in ids else ids


def write_untied_t5(folder):
    """The keys of T5 v1.1 on the hub, where tie_word_embeddings also says that the head is not scaled.

    transformers 5 takes it for just that, sets it to true, and leaves the head untied
    because the file holds one.
    """
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    for key in ("scale_decoder_outputs", "is_gated_act", "dense_act_fn"):
        config.pop(key, None)
    config["tie_word_embeddings"] = False
    golden.write_json(path, config)


T5 = dict(
    vocab_size=VOCAB,
    d_model=24,
    d_kv=4,
    d_ff=32,
    num_layers=2,
    num_decoder_layers=2,
    num_heads=4,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=16,
    decoder_start_token_id=0,
)


def t5_v1_0():
    config = T5Config(**T5, feed_forward_proj="relu")
    t5("t5", config, 70, embedding_scale=4.0)


def t5_v1_1():
    config = T5Config(**T5, feed_forward_proj="gated-gelu")
    t5("t5v11", config, 80, embedding_scale=2.0, untied=True)


DECODERS = {
    "llama": llama,
    "llama3": llama3,
    "mistral": mistral,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "gemma": gemma,
    "gemma2": gemma2,
    "gemma3_text": gemma3_text,
    "smollm3": smollm3,
    "olmo2": olmo2,
    "olmo3": olmo3,
    "granite": granite,
    "phi3": phi3,
    "ministral": ministral,
    "ministral3": ministral3,
    "gemma3": gemma3,
    "mistral3": mistral3,
    "mistral3-ministral3": mistral3_ministral3,
}
MODELS = dict(DECODERS, bert=bert, t5=t5_v1_0, t5v11=t5_v1_1)


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    names = sys.argv[1:] or list(MODELS)
    for name in names:
        MODELS[name]()


if __name__ == "__main__":
    main()
