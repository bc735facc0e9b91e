"""Beam search under other settings, and the shares of passages in an answer, on the tiny T5 models.

Writes ../tensor/arch/t5/testdata/NAME/search.json beside what make_models.py made, from its inputs:

* for each of several (early_stopping, length_penalty, num_beams), transformers' answers to the
  inputs of generate.json; inputs where float64 answers otherwise are left out;
* for the rows of fid.json, the cross-attention scores before softmax, averaged over layers, heads,
  answer tokens and the tokens of each passage, and their softmax over the passages.
"""
import copy
import json
import os

import torch
from safetensors.torch import load_file
from transformers import T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

import golden

HERE = os.path.dirname(os.path.abspath(__file__))
MAKER = "parity/make_t5_search.py"
SETTINGS = [
    {"early_stopping": True, "length_penalty": 1.0, "num_beams": 4},
    {"early_stopping": "never", "length_penalty": 1.0, "num_beams": 4},
    {"early_stopping": False, "length_penalty": 0.0, "num_beams": 4},
    {"early_stopping": False, "length_penalty": -0.7, "num_beams": 4},
    {"early_stopping": "never", "length_penalty": 2.5, "num_beams": 4},
    {"early_stopping": True, "length_penalty": 2.5, "num_beams": 3},
]


@torch.no_grad()
def search(model, ids, settings, end, new_tokens):
    out = model.generate(
        input_ids=torch.tensor([ids]),
        max_new_tokens=new_tokens,
        do_sample=False,
        decoder_start_token_id=0,
        eos_token_id=end,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
        **settings,
    )
    tokens = out.sequences[0, 1:].tolist()
    if end in tokens:
        tokens = tokens[: tokens.index(end) + 1]
    return tokens, round(float(out.sequences_scores[0]), 6)


@torch.no_grad()
def shares(model, passages, labels):
    """Mean score of each passage, before softmax, and the softmax over passages."""
    kept, hooks = [], []
    for block in model.decoder.block:
        attention = block.layer[1].EncDecAttention
        for part in (attention.q, attention.k):
            hooks.append(part.register_forward_hook(lambda module, inputs, output: kept.append(output[0])))
    states = torch.cat([model.encoder(input_ids=p[None]).last_hidden_state for p in passages], dim=1)
    model(encoder_outputs=BaseModelOutput(states), labels=labels[None])
    for hook in hooks:
        hook.remove()
    heads, total = model.config.num_heads, 0
    for q, k in zip(kept[0::2], kept[1::2]):
        q, k = (x.reshape(len(x), heads, -1).transpose(0, 1) for x in (q, k))
        total = total + (q @ k.transpose(1, 2)).mean(dim=(0, 1)) / model.config.num_decoder_layers
    means = torch.stack([part.mean() for part in total.split([len(p) for p in passages])])
    return means.tolist(), means.softmax(0).tolist()


def make(name):
    folder = os.path.join(HERE, "..", "tensor", "arch", "t5", "testdata", name)
    model = T5ForConditionalGeneration.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    double = copy.deepcopy(model).double()
    with open(os.path.join(folder, "generate.json")) as f:
        head = json.load(f)
    values = head["values"]
    new_tokens = values["settings"]["max_new_tokens"]
    cases = []
    for settings in SETTINGS:
        answers = []
        for row, inputs in enumerate(values["rows"]):
            tokens, score = search(model, inputs["ids"], settings, values["eos"], new_tokens)
            if tokens == search(double, inputs["ids"], settings, values["eos"], new_tokens)[0]:
                answers.append({"row": row, "beam": tokens, "score": score})
        differ = sum(a["beam"] != values["rows"][a["row"]]["beam"] for a in answers)
        print(f"{name}: {settings}: {len(answers)} answers, {differ} unlike those of generate.json")
        settings = dict(settings, early_stopping=str(settings["early_stopping"]).lower())
        cases.append({"settings": settings, "answers": answers})
    fid = load_file(os.path.join(folder, "fid.safetensors"))
    rows = []
    for i in range(2):
        passages = [fid[f"ids.{i}.{j}"].long() for j in range(4) if f"ids.{i}.{j}" in fid]
        means, part = shares(model, passages, fid[f"labels.{i}"].long())
        exact, _ = shares(double, passages, fid[f"labels.{i}"].long())
        if max(abs(a - b) for a, b in zip(means, exact)) > 1e-5:
            raise SystemExit("float32 is too far from float64")
        print(name, "means", means, "shares", part)
        rows.append({"means": means, "shares": part})
    tolerance = {"score": [1e-4, 1e-4], "shares": [1e-5, 1e-4]}
    head = golden.header(MAKER, head["seed"], tolerance, {"max_new_tokens": new_tokens, "searches": cases, "shares": rows})
    with open(os.path.join(folder, "search.json"), "w") as f:
        json.dump(head, f, separators=(",", ":"))
        f.write("\n")


def main():
    torch.set_num_threads(1)
    for name in ("t5", "t5v11"):
        make(name)


if __name__ == "__main__":
    main()
