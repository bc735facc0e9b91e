"""Checks that peft loads an adapter that gorqa saved, and that it computes what gorqa's merged model does.

    python check_adapter.py ADAPTER MERGED

ADAPTER is an output_dir of gorqa train with --use_peft true over a Hugging Face folder, MERGED
what gorqa merge made of it. Exits 1 where logits of peft's model, of peft's own merge and of
MERGED differ by more than 1e-4 + 1e-4 * |logit|, or where the adapter changes nothing.
"""
import sys

import peft
import torch
from transformers import AutoModelForCausalLM


def main():
    adapter, merged = sys.argv[1:]
    config = peft.PeftConfig.from_pretrained(adapter)
    load = lambda path: AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    base = load(config.base_model_name_or_path)
    g = torch.Generator().manual_seed(1)
    ids = torch.randint(3, base.config.vocab_size, (2, 40), generator=g)
    with torch.no_grad():
        plain = base(input_ids=ids).logits
        model = peft.PeftModel.from_pretrained(base, adapter).eval()
        with_adapter = model(input_ids=ids).logits
        ours = load(merged)(input_ids=ids).logits
        theirs = model.merge_and_unload()(input_ids=ids).logits
    changed = (with_adapter - plain).abs().max().item()
    tolerance = 1e-4 + 1e-4 * with_adapter.abs()
    worst = max(((with_adapter - x).abs() / tolerance).max().item() for x in (ours, theirs))
    print(f"peft {peft.__version__}: rank {config.r}, the adapter moves logits by {changed:.3g}; models use {worst:.3g} of the tolerance")
    if changed < 1e-3 or worst > 1:
        raise SystemExit("expected at least 1e-3, and at most 1")


if __name__ == "__main__":
    main()
