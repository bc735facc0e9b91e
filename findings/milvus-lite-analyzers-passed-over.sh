#!/usr/bin/env bash
# milvus-lite 3.2.2 (what MilvusClient("file.db") runs on) passes over what an analyzer is told, but for the tokenizer and for stop
# words written out in a filter, and TEXT_MATCH passes over those too. Expected were the words that Milvus searches, or an error.
#
# The analyzer that Milvus' pages give for English (lowercase, stemmer, stop words "_english_") neither stems nor knows a stop
# word: "run" does not find "running", and "the" finds whatever has it. Stop words beside {"type": "standard"}, as the page on
# that analyzer has them, are passed over. Where they are heeded, in a filter, BM25 leaves them out and TEXT_MATCH finds them in
# the same field. Without the filter "lowercase" case should count, and does not. A filter that nobody has is taken as well.
# The README of milvus-lite says which tokenizers there are and nothing of filters.
#
# Seen on Python 3.11, milvus-lite 3.2.2, pymilvus 3.0.2; 0 is "She was running along the river", 1 "Run to the park", 2 "The library":
#   English, "run": [1], expected [0, 1]; "the": [0, 1, 2], expected []
#   standard with stop words, "the": [0, 1, 2], expected []
#   stop filter, "the": BM25 [], TEXT_MATCH [0, 1, 2], expected [] and []
#   standard tokenizer without "lowercase", "the": [0, 1, 2], expected [0, 1]
#   filter "no-such-filter": taken, expected an error
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check milvus-lite==3.2.2 pymilvus==3.0.2
cd "$work"
cat > run.py <<'P'
from pymilvus import DataType, Function, FunctionType, MilvusClient
texts = ["She was running along the river", "Run to the park", "The library"]
client, n = MilvusClient("text.db"), 0
def collection(analyzer):
    global n; n += 1
    schema, index = client.create_schema(), client.prepare_index_params()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=99, enable_analyzer=True, enable_match=True, analyzer_params=analyzer)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(Function("bm25", FunctionType.BM25, ["text"], ["words"]))
    index.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    client.create_collection(f"c{n}", schema=schema, index_params=index)
    client.insert(f"c{n}", [{"id": i, "text": text} for i, text in enumerate(texts)])
def found(query):
    return sorted(hit["id"] for hit in client.search(f"c{n}", [query], anns_field="words", limit=9)[0])
english = {"type": "stemmer", "language": "english"}, {"type": "stop", "stop_words": ["_english_"]}
collection({"tokenizer": "standard", "filter": ["lowercase", *english]})
print(f'English, "run": {found("run")}, expected [0, 1]; "the": {found("the")}, expected []')
collection({"type": "standard", "stop_words": ["the"]})
print(f'standard with stop words, "the": {found("the")}, expected []')
collection({"tokenizer": "standard", "filter": ["lowercase", {"type": "stop", "stop_words": ["the"]}]})
matched = sorted(row["id"] for row in client.query(f"c{n}", filter="TEXT_MATCH(text, 'the')", output_fields=["id"]))
print(f'stop filter, "the": BM25 {found("the")}, TEXT_MATCH {matched}, expected [] and []')
collection({"tokenizer": "standard"})
print(f'standard tokenizer without "lowercase", "the": {found("the")}, expected [0, 1]')
print(f'filter "no-such-filter": {collection({"tokenizer": "standard", "filter": ["no-such-filter"]}) or "taken"}, expected an error')
P
v/bin/python run.py 2>log | tee seen
diff seen - <<'E'
English, "run": [1], expected [0, 1]; "the": [0, 1, 2], expected []
standard with stop words, "the": [0, 1, 2], expected []
stop filter, "the": BM25 [], TEXT_MATCH [0, 1, 2], expected [] and []
standard tokenizer without "lowercase", "the": [0, 1, 2], expected [0, 1]
filter "no-such-filter": taken, expected an error
E
