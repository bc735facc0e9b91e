#!/usr/bin/env bash
# A config.json written by transformers 5.23.0 is read by transformers 4.46.3 as another model, without a word.
#
# llama: 5.23 writes rope_theta and the scaling into "rope_parameters" and the type into "dtype"; 4.46 looks for
# rope_theta, rope_scaling and torch_dtype, finds none, and takes its defaults. The weights load, the positions are wrong.
# t5: T5Config(tie_word_embeddings=False) of 5.23 is written as tie_word_embeddings true (with scale_decoder_outputs
# false, a key that 4.46 does not have): 4.46 ties the head to the embedding, so the lm_head in the file is dropped.
# Both versions are in use side by side: serving stacks pin the older one.
#
# Seen on Python 3.11, transformers 5.23.0 and 4.46.3 (tokenizers 0.23.3 and 0.20.3), no torch:
#   written by 5.23: rope_theta key False, rope_parameters theta 500000.0, t5 tied True
#   read by 4.46: theta 10000.0, scaling None, dtype None, t5 tied True
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
for v in 5.23.0 4.46.3; do
  python3 -m venv "$v"
  "$v/bin/pip" install --quiet --disable-pip-version-check "transformers==$v"
done
5.23.0/bin/python - 2>/dev/null <<'E' | tee written
import json
from transformers import LlamaConfig, T5Config
LlamaConfig(dtype="bfloat16", rope_parameters=dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0,
            high_freq_factor=4.0, original_max_position_embeddings=8192)).save_pretrained("llama")
T5Config(tie_word_embeddings=False).save_pretrained("t5")
c, t = json.load(open("llama/config.json")), json.load(open("t5/config.json"))
print("written by 5.23: rope_theta key", "rope_theta" in c, "rope_parameters theta", c["rope_parameters"]["rope_theta"], "t5 tied", t["tie_word_embeddings"])
E
4.46.3/bin/python - 2>/dev/null <<'E' | tee read
from transformers import AutoConfig
c, t = AutoConfig.from_pretrained("llama"), AutoConfig.from_pretrained("t5")
print("read by 4.46: theta", c.rope_theta, "scaling", c.rope_scaling, "dtype", c.torch_dtype, "t5 tied", t.tie_word_embeddings)
E
grep -qx 'written by 5.23: rope_theta key False rope_parameters theta 500000.0 t5 tied True' written
grep -qx 'read by 4.46: theta 10000.0 scaling None dtype None t5 tied True' read
