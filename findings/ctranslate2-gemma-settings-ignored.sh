#!/usr/bin/env bash
# CTranslate2 4.8.5 converts Gemma 2 and Gemma 3 and leaves out part of what their config.json says, without a word: the model
# runs and answers otherwise than transformers. Expected was the same model, or the error that its converter raises for
# what it cannot do elsewhere (rope scaling of Llama).
#
# Left out are Gemma 2's caps of attention scores (50 in every Gemma 2) and of logits (30), its scaling of queries where that
# is not the heads' width (144 for 128 in the 27B), and Gemma 3's linear scaling of rotary positions in global layers (8 in
# the 4B, 12B and 27B). What is compared is one forward pass in f32. The README lists "Gemma"; the pull request that
# brought Gemma 2 (#1772) is called "support minimum gemma 2"; neither says what is missing.
#
# Seen on Python 3.11, ctranslate2 4.8.5, transformers 5.23.0, torch 2.11.0; random models of six layers with the real values:
#   gemma2 without caps: same next token at 60 of 60, log-probabilities differ by 0.00
#   gemma2 attention cap 50: same next token at 40 of 60, log-probabilities differ by 0.73
#   gemma2 queries scaled as for 9/8 of the width: same next token at 49 of 60, log-probabilities differ by 0.57
#   gemma3 unscaled: same next token at 60 of 60, log-probabilities differ by 0.00
#   gemma3 linear 8: same next token at 56 of 60, log-probabilities differ by 0.22
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check torch==2.11.0 transformers==5.23.0 ctranslate2==4.8.5
v/bin/python - 2>errors <<'P' | tee seen || { cat errors; exit 1; }
import ctranslate2
import numpy
import torch
from tokenizers import Tokenizer, models
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

SHAPE = dict(
    vocab_size=96, hidden_size=64, intermediate_size=96, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
    max_position_embeddings=512, query_pre_attn_scalar=16, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"t{i}": i for i in range(3, 96)}}
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>")), unk_token="<unk>", bos_token="<s>", eos_token="</s>")
ids = torch.randint(3, 96, (1, 60), generator=torch.Generator().manual_seed(1))


def ask(name, kind, **more):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**SHAPE, **more}), attn_implementation="eager").eval()
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.ndim > 1:
                p.normal_(0, 0.05 if "embed" in n else 0.4)
        want = model(ids).logits[0].log_softmax(-1)
    model.save_pretrained("model")
    tokenizer.save_pretrained("model")
    ctranslate2.converters.TransformersConverter("model").convert("converted", force=True)
    generator = ctranslate2.Generator("converted", device="cpu", intra_threads=1)
    got = torch.tensor(numpy.array(generator.forward_batch([[f"t{i}" for i in ids[0].tolist()]])))[0].log_softmax(-1)
    same = (want.argmax(-1) == got.argmax(-1)).sum().item()
    print(f"{name}: same next token at {same} of 60, log-probabilities differ by {(want - got).abs().max().item():.2f}", flush=True)


plain = dict(attn_logit_softcapping=None, final_logit_softcapping=None)
ask("gemma2 without caps", "gemma2", **plain)
ask("gemma2 attention cap 50", "gemma2", **dict(plain, attn_logit_softcapping=50.0))
ask("gemma2 queries scaled as for 9/8 of the width", "gemma2", **dict(plain, query_pre_attn_scalar=18))
ask("gemma3 unscaled", "gemma3_text")
scaled = {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
ask("gemma3 linear 8", "gemma3_text", rope_parameters=scaled)
P
test "$(grep -c "at 60 of 60, log-probabilities differ by 0.00" seen)" = 2
grep -Eq "^gemma2 attention cap 50: .* differ by 0\.[5-9]" seen
grep -Eq "^gemma2 queries .* differ by 0\.[3-9]" seen
grep -Eq "^gemma3 linear 8: .* differ by 0\.[1-9]" seen
