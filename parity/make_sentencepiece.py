"""Trains the SentencePiece models of text/tokenizer/testdata/sentencepiece and writes
golden.json.gz there: what transformers' fast tokenizers make of each, with
different files beside it.

    python parity/make_sentencepiece.py

"folders" holds the ids and texts of the torture set whole, of some of
make_tokenizer.py's fuzzed strings as a hash. Of a folder whose tokens stand
where the sentencepiece package itself has them, "agrees" counts the texts on
which that package gives the same ids; they part where transformers' handling
of spaces does, and at special tokens in text.
"""
import gzip
import io
import json
import os
import shutil
import tempfile
import unicodedata

import sentencepiece
import tokenizers
import transformers
from make_tokenizer import DATA, SEED, TORTURE, fuzzed, hash_ids, hash_texts
from make_tokenizer_files import corpus

OUT = os.path.join(DATA, "sentencepiece")
FUZZED = 5000
TEXTS = TORTURE + [
    "aaaaaaaaaa aaa", "----- -- ---------", "====", "...........", "000000000", "lllllllll", "▁▁▁", "a▁b ▁c", "▁", "<0x0A> <0xE4>", "x</s>y", "</s>", " </s> ", "<s>  a", "a <s> b",
    "<extra_id_0> a <extra_id_99>b", "<extra_id_3><extra_id_2>", "<pad><unk>", "[INST] hi [/INST] [INST]x", "wordtok wordtoken", "a  b    c     d", "{ \"a\": [1, 2] }\n\n\tx", "<mask> a<mask>", "<sep> a <sep>b",
]


def rules(path):
    """A part of nmt_nfkc, whose whole is 240 kB: widths, ligatures, composed accents, white space, controls."""
    m = {}
    for c in [*range(0xA0, 0x180), *range(0xFB00, 0xFB07), *range(0xFF01, 0xFFA0), *range(0x2460, 0x2474), *range(0x2000, 0x2010), 0x3000, 0x2126, 0x212B, 0x2122]:
        m[chr(c)] = m[unicodedata.normalize("NFD", chr(c))] = unicodedata.normalize("NFKC", chr(c))
    m.update({chr(c): "" for c in [*range(1, 9), *range(14, 32), 0x7F, 0xAD]})
    m.update({chr(c): " " for c in (9, 10, 12, 13, 0x200B, 0x200E, 0x2028, 0xFEFF)})
    points = lambda s: " ".join("%X" % ord(c) for c in s)
    with open(path, "w") as f:
        f.writelines(points(a) + "\t" + points(b) + "\n" for a, b in m.items() if a != b)


def train(name, lines, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=model, num_threads=1, minloglevel=2, **options)
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(model.getvalue())
    print(name, len(model.getvalue()))


def train_all():
    lines = [line for text in corpus() for line in text.split("\n") if line.strip() and "\0" not in line]
    with tempfile.TemporaryDirectory() as folder:
        tsv = os.path.join(folder, "rules.tsv")
        rules(tsv)
        train("unigram.model", lines, model_type="unigram", vocab_size=900, character_coverage=0.98, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, normalization_rule_tsv=tsv)
    llama = dict(model_type="bpe", character_coverage=0.98, unk_id=0, bos_id=1, eos_id=2, normalization_rule_name="identity", remove_extra_whitespaces=False)
    train("bpe.model", lines, vocab_size=1000, pad_id=-1, byte_fallback=True, split_digits=True, allow_whitespace_only_pieces=True, **llama)
    # No byte fallback: unknown text is dropped.
    train("symbols.model", lines, vocab_size=700, pad_id=3, user_defined_symbols=["[INST]", "  ", "wordtok"], control_symbols=["<mask>"], **llama)


def token(content, **fields):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, **fields}


def named(content, **fields):
    return {"__type": "AddedToken", **token(content, normalized=True, **fields)}


SENTINELS = ["<extra_id_%d>" % i for i in range(10)]
CONFIG, SPECIAL, ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
FOLDERS = [
    # model, name, why, files beside it
    ("unigram", "t5", "a spiece.model alone", {}),
    ("unigram", "flan", "T5's own files", {
        CONFIG: {"tokenizer_class": "T5Tokenizer", "extra_ids": 10, "additional_special_tokens": SENTINELS, "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "model_max_length": 512, "sp_model_kwargs": {}},
        SPECIAL: {"additional_special_tokens": SENTINELS, "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}}),
    ("unigram", "fastchat", "white space and brackets added", {
        CONFIG: {"tokenizer_class": "T5Tokenizer", "extra_ids": 100, "additional_special_tokens": SENTINELS, "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"},
        SPECIAL: {"eos_token": token("</s>"), "pad_token": token("<pad>"), "unk_token": token("<unk>"), "sep_token": token("<sep>", rstrip=True)},
        ADDED: {"{": 1001, "}": 1000, "\n": 1003, "  ": 1002, "<sep>": 1004, "~": 1005}}),
    ("unigram", "decoder", "added_tokens_decoder rules over older files", {
        CONFIG: {"tokenizer_class": "T5TokenizerFast", "extra_ids": 2, "extra_special_tokens": [named("<extra_id_1>", lstrip=True, special=True)], "unk_token": None,
                 "added_tokens_decoder": {"1": token("</s>", special=True), "910": token("wordtok", single_word=True, special=False), "905": token("É", normalized=True, special=False), "0": token("<pad>", special=True, lstrip=True)}},
        SPECIAL: {"sep_token": "<ignored>"}, ADDED: {"ignored": 2000}}),
    ("unigram", "mt5", "no sentinels", {CONFIG: {"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "additional_special_tokens": None}}),
    ("bpe", "llama", "a tokenizer.model alone", {}),
    ("bpe", "llama2", "Llama 2's own files", {
        CONFIG: {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": False, "bos_token": named("<s>"), "eos_token": named("</s>"), "unk_token": named("<unk>"), "pad_token": None},
        SPECIAL: {"bos_token": token("<s>", normalized=True), "eos_token": token("</s>"), "unk_token": token("<unk>")}}),
    ("bpe", "legacy", "a space before every stretch of text, </s> at the end", {CONFIG: {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": True, "legacy": True}}),
    ("bpe", "vicuna", "tokens of older files", {
        CONFIG: {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": None, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
        SPECIAL: {"bos_token": token("<s>"), "eos_token": token("</s>"), "unk_token": token("<unk>"), "pad_token": "[PAD]"},
        ADDED: {"[PAD]": 1000, "[INST]": 1002, "[/INST]": 1001}}),
    ("bpe", "mistral", "added_tokens_decoder, extra tokens", {
        CONFIG: {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, "add_eos_token": False, "legacy": False, "additional_special_tokens": ["<mask>"], "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
                 "added_tokens_decoder": {str(i): token(t, special=True) for i, t in enumerate(["<unk>", "<s>", "</s>"])} | {"1000": token("[INST]", special=False), "1001": token("[/INST]", special=False, rstrip=True)}}}),
    ("bpe", "bare", "no space before the text, no <s>", {CONFIG: {"tokenizer_class": "LlamaTokenizer", "add_bos_token": False, "add_prefix_space": False}}),
    ("bpe", "other", "another bos token, no eos token", {CONFIG: {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": True, "bos_token": "<bos>", "eos_token": None}}),
    ("symbols", "symbols", "control and user-defined pieces", {}),
    ("symbols", "listed", "the configuration lists other tokens", {CONFIG: {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": False, "additional_special_tokens": ["[/INST]", "<mask>"]}}),
]


def golden(model, name, why, files):
    """Loads a folder with the class of the model. transformers 5 leaves <s> out where add_bos_token is not said;
    version 4 and its own documentation do not, nor does gorqa."""
    t5 = model == "unigram"
    file = "spiece.model" if t5 else "tokenizer.model"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(OUT, model + ".model"), os.path.join(folder, file))
        for path, content in files.items():
            with open(os.path.join(folder, path), "w", encoding="utf-8") as f:
                json.dump(content, f, ensure_ascii=False)
        cls = transformers.T5Tokenizer if t5 else transformers.LlamaTokenizer
        said = t5 or "add_bos_token" in files.get(CONFIG, {})
        loaded = cls.from_pretrained(folder, **({} if said else {"add_bos_token": True}))
    t = loaded.backend_tokenizer
    torture = []
    for s in TEXTS:
        ids = t.encode(s).ids
        torture.append({"ids": ids, "plain": t.encode(s, add_special_tokens=False).ids,
                        "decoded": t.decode(ids, skip_special_tokens=False), "skipped": t.decode(ids)})
    ids = [e.ids for e in t.encode_batch(fuzzed()[:FUZZED])]
    result = {
        "model": model, "file": file, "why": why, "files": {k: json.dumps(v, ensure_ascii=False) for k, v in files.items()},
        "size": max(t.get_vocab(True).values()) + 1,
        "special": [-1 if i is None else i for i in (loaded.bos_token_id, loaded.eos_token_id, loaded.pad_token_id, loaded.unk_token_id)],
        "torture": torture,
        "fuzzed": {"ids": [hash_ids(ids)], "plain": [], "decoded": [hash_texts(t.decode_batch(ids, skip_special_tokens=False))], "skipped": [hash_texts(t.decode_batch(ids, skip_special_tokens=True))]},
    }
    if not files:
        sp = sentencepiece.SentencePieceProcessor(model_file=os.path.join(OUT, model + ".model"))
        result["agrees"] = sum(sp.encode(s) == w["plain"] for s, w in zip(TEXTS, torture))
        # transformers drops a capital letter that the symbols lack, sentencepiece says <unk>.
        plain = ["package json implements encoding and decoding.", "the values of a map"]
        assert all(sp.encode(s) == t.encode(s, add_special_tokens=False).ids for s in plain), name
    return result


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    train_all()
    result = {
        "made_by": "parity/make_sentencepiece.py", "transformers": transformers.__version__, "tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__,
        "seed": SEED, "tolerance": "exact", "strings": FUZZED, "texts": TEXTS, "folders": {},
    }
    for model, name, why, files in FOLDERS:
        g = result["folders"][name] = golden(model, name, why, files)
        print(name, g["size"], "%d of %d as sentencepiece" % (g["agrees"], len(TEXTS)) if "agrees" in g else "", flush=True)
    out = os.path.join(OUT, "golden.json.gz")
    with gzip.GzipFile(out, "wb", mtime=0) as f:
        f.write(json.dumps(result, separators=(",", ":")).encode())
    print(os.path.getsize(out), "bytes")
