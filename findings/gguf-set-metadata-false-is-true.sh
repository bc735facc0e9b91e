#!/usr/bin/env bash
# gguf 0.19.0 (the Python package of llama.cpp): gguf-set-metadata takes any value of a boolean for true. With "false" it sets
# true where false was, or leaves true as it is, and says "Field changed. Successful completion." or "already set to requested
# value" and exits with 0. Expected was false, or an error, as a number that doesn't fit gives one.
#
# The value is a string, and numpy.bool_ of a string is true unless it is empty; so only "" sets false, which no help text says.
# add_bos_token and add_eos_token, booleans of most models, are what one comes to change: where the chat template writes a BOS
# too, true makes it two. llama.cpp's own --override-kv takes tokenizer.ggml.add_bos_token=bool:false.
#
# Seen on Python 3.11, numpy 2.4.6; before: bos_token_id 1, add_bos_token True, add_eos_token False:
#   add_bos_token false: exit 0, already set to requested value True; now True
#   add_bos_token False: exit 0, already set to requested value True; now True
#   add_bos_token 0: exit 0, already set to requested value True; now True
#   add_eos_token false: exit 0, Field changed. Successful completion.; now True
#   add_eos_token "": exit 0, Field changed. Successful completion.; now False
#   bos_token_id 7: exit 0, Field changed. Successful completion.; now 7
#   bos_token_id -1: exit 1, Python integer -1 out of bounds for uint32; now 7
set -euo pipefail
script=$(realpath "$0")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check gguf==0.19.0 numpy==2.4.6
cat > ask.py <<'P'
import os, subprocess, sys, numpy
from gguf import GGUFReader, GGUFWriter
writer = GGUFWriter("model.gguf", "llama")
writer.add_bos_token_id(1)
writer.add_add_bos_token(True)
writer.add_add_eos_token(False)
writer.add_tensor("weight", numpy.zeros(4, dtype=numpy.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
tool = os.path.join(os.path.dirname(sys.executable), "gguf-set-metadata")
for key, value in (
    ("add_bos_token", "false"), ("add_bos_token", "False"), ("add_bos_token", "0"),
    ("add_eos_token", "false"), ("add_eos_token", ""), ("bos_token_id", "7"), ("bos_token_id", "-1"),
):
    name = f"tokenizer.ggml.{key}"
    ran = subprocess.run([tool, "model.gguf", name, value, "--force"], capture_output=True, text=True)
    said = ran.stderr.splitlines()[-1].split(f"'{name}' ")[-1].split("* ")[-1].split("Error: ")[-1]
    now = GGUFReader("model.gguf").get_field(name).contents()
    print(f"{key} {value or chr(34) * 2}: exit {ran.returncode}, {said}; now {now}")
P
v/bin/python ask.py | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
