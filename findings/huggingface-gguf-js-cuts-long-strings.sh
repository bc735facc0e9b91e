#!/usr/bin/env bash
# @huggingface/gguf 0.4.6 (GGUF for JavaScript): of a metadata string that goes past what has been read of the file, 2 MB at
# first, it gives the part that was read, without a word. Keys and tensors behind it are right, so nothing tells. Expected was
# the whole string, as the gguf package of Python gives it: strings of up to 10 MB are allowed, and longer ones raise an error.
#
# The GGUF specification has such strings: tokenizer.huggingface.json holds the whole tokenizer.json of a model, which has
# several MB by now. Numbers that are not read yet raise a RangeError and more of the file is read; slice() of a buffer, which
# takes the strings, just ends where the buffer does. buildGgufHeader, which is there to change metadata, then writes the cut
# string into the new file, whose tensors are right too: what was lost stays lost.
#
# Seen with Node 20, the files written and read by gguf 0.19.0 on Python 3.11:
#   python: tokenizer 3227791 bytes, vocabulary of 150000; license apache-2.0; tensor [1.0, 2.0]
#   js: tokenizer 1999885 bytes, ends in 96289, "tok; license apache-2.0; tensor 2 at 3228000
#   js changes the license, python: tokenizer 1999885 bytes, ends in 96289, "tok; license mit; tensor [1.0, 2.0]
set -euo pipefail
script=$(realpath "$0")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . @huggingface/gguf@0.4.6 >/dev/null
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check gguf==0.19.0 numpy==2.4.6
cat > write.py <<'P'
import json, numpy
from gguf import GGUFWriter
writer = GGUFWriter("model.gguf", "llama")
writer.add_string("tokenizer.huggingface.json", json.dumps({"vocab": {f"token{n}": n for n in range(150000)}}))
writer.add_string("general.license", "apache-2.0")
writer.add_tensor("weight", numpy.array([1, 2], dtype=numpy.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
P
cat > read.py <<'P'
import json, sys
from gguf import GGUFReader
reader = GGUFReader(sys.argv[1])
text = reader.get_field("tokenizer.huggingface.json").contents()
try:
    state = f"vocabulary of {len(json.loads(text)['vocab'])}"
except ValueError:
    state = f"ends in {text[-11:]}"
license, tensor = reader.get_field("general.license").contents(), reader.get_tensor(0).data.tolist()
print(f"{sys.argv[2]}: tokenizer {len(text)} bytes, {state}; license {license}; tensor {tensor}")
P
cat > read.mjs <<'J'
import { readFileSync, writeFileSync } from "node:fs";
import { gguf, buildGgufHeader } from "@huggingface/gguf";
const file = await gguf("model.gguf", { allowLocalFile: true, typedMetadata: true });
const { metadata, typedMetadata, tensorInfos, tensorDataOffset } = file, text = metadata["tokenizer.huggingface.json"];
let state = `ends in ${text.slice(-11)}`;
try { state = `vocabulary of ${Object.keys(JSON.parse(text).vocab).length}`; } catch {}
console.log(`js: tokenizer ${text.length} bytes, ${state}; license ${metadata["general.license"]};`,
  `tensor ${tensorInfos[0].shape} at ${tensorDataOffset}`);
typedMetadata["general.license"].value = "mit";
const whole = new Blob([readFileSync("model.gguf")]);
const changed = new Blob([await buildGgufHeader(whole, typedMetadata, file), whole.slice(Number(tensorDataOffset))]);
writeFileSync("changed.gguf", Buffer.from(await changed.arrayBuffer()));
J
v/bin/python write.py
{
  v/bin/python read.py model.gguf python
  node read.mjs
  v/bin/python read.py changed.gguf "js changes the license, python"
} | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
