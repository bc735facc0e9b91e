"""Trains the small tokenizers of text/tokenizer/testdata: each has the exact structure
(normalizer, pre-tokenizer, added tokens, post-processor, decoder) of a model
family, and a small vocabulary learnt from the documentation in GOROOT.

    python parity/make_tokenizer_files.py

The two real ones, smollm2 and minilm, are copies: python parity/make_tokenizer_files.py
SMOLLM2.gguf MINILM/tokenizer.json writes them too.
"""
import base64
import glob
import gzip
import json
import os
import struct
import subprocess
import sys
import unicodedata


def charsmap(mapping):
    """The compiled form of a SentencePiece normalizer: a double-array trie in
    darts-clone's layout (every node's children lie in one block of 256) and the
    NUL-ended replacements."""
    text, offsets = b"", {}
    for key, to in mapping.items():
        offsets[key.encode()] = len(text)
        text += to.encode() + b"\0"
    tree = {}
    for key, at in offsets.items():
        node = tree
        for b in key:
            node = node.setdefault(b, {})
        node[None] = at
    units, free = {}, [1]

    def place(node, pos, label):
        base = 256 * free[0]
        free[0] += 1
        unit = (pos ^ base) << 10 | label
        assert base < 1 << 21
        for b, child in node.items():
            if b is None:
                units[base] = child | 1 << 31
                unit |= 1 << 8
            else:
                place(child, base ^ b, b)
        units[pos] = unit

    place(tree, 0, 0)
    trie = b"".join(struct.pack("<I", units.get(i, 0)) for i in range(256 * free[0]))
    return struct.pack("<I", len(trie)) + trie + text


def small_charsmap():
    """A part of nmt_nfkc: widths, ligatures, composed accents, white space, controls."""
    m = {}
    for c in [*range(0xA0, 0x180), *range(0xFB00, 0xFB07), *range(0xFF01, 0xFFA0), *range(0x2460, 0x2474), *range(0x2000, 0x2010), 0x3000, 0x2126, 0x212B, 0x2122]:
        n = unicodedata.normalize("NFKC", chr(c))
        if n != chr(c):
            m[chr(c)] = n
        d = unicodedata.normalize("NFD", chr(c))
        if d != chr(c):
            m[d] = n
    for base in "かきくけこさしすせそたちつてとはひふへほ":
        m[base + "\u3099"] = unicodedata.normalize("NFC", base + "\u3099")
    m.update({chr(c): "" for c in [*range(1, 9), *range(14, 32), 0x7F, 0xAD]})
    m.update({chr(c): " " for c in (9, 10, 12, 13, 0x200B, 0x200E, 0x2028, 0xFEFF)})
    m["\r\n"] = " "
    return base64.b64encode(charsmap(m)).decode()


def corpus():
    root = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    files = sorted(glob.glob(os.path.join(root, "src", "**", "doc.go"), recursive=True))[:120]
    texts = [open(f, encoding="utf-8", errors="replace").read() for f in files]
    from make_tokenizer import TORTURE, WORDS
    return texts + (TORTURE + WORDS) * 2


def main():
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from tokenizers.pre_tokenizers import ByteLevel, Metaspace

    here = os.path.dirname(os.path.abspath(__file__))
    data = os.path.join(here, "..", "text", "tokenizer", "testdata")
    os.makedirs(data, exist_ok=True)
    texts = corpus()
    GPT2 = ByteLevel(add_prefix_space=False)
    LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    QWEN2 = LLAMA3.replace("{1,3}", "")
    CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

    def train(model, trainer, pre, norm=None):
        t = Tokenizer(model)
        t.pre_tokenizer = pre
        if norm is not None:
            t.normalizer = norm
        t.train_from_iterator(texts, trainer)
        return json.loads(t.to_str())["model"]

    def bpe(pre, norm=None, size=1200, alphabet=(), special=(), **k):
        return train(models.BPE(), trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=list(alphabet), special_tokens=list(special), limit_alphabet=400, **k), pre, norm)

    def byte_bpe(pre, **k):
        return bpe(pre, alphabet=ByteLevel.alphabet(), **k)

    def sp_bpe(pre, norm):
        special = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
        m = bpe(pre, norm, size=1300, special=special)
        m.update(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
        return m

    def added(m, *tokens):
        """Added tokens at their ids in the model, or after it."""
        out, next_id = [], len(m["vocab"])
        for t in tokens:
            t = dict(content=t) if isinstance(t, str) else t
            d = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
            vocab = m["vocab"] if isinstance(m["vocab"], dict) else {w: i for i, (w, _) in enumerate(m["vocab"])}
            i = vocab.get(t["content"])
            if i is None:
                i, next_id = next_id, next_id + 1
            out.append({"id": i, **d, **t})
        return sorted(out, key=lambda t: t["id"])

    def template(ids, before=(), after=()):
        piece = lambda t: {"SpecialToken": {"id": t, "type_id": 0}}
        single = [piece(t) for t in before] + [{"Sequence": {"id": "A", "type_id": 0}}] + [piece(t) for t in after]
        return {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in [*before, *after]}}

    def write(name, model, tokens, normalizer=None, pre=None, post=None, decoder=None):
        ids = {t["content"]: t["id"] for t in tokens}
        if callable(post):
            post = post(ids)
        f = dict(version="1.0", truncation=None, padding=None, added_tokens=tokens, normalizer=normalizer, pre_tokenizer=pre,
                 post_processor=post, decoder=decoder, model=model)
        Tokenizer.from_str(json.dumps(f))
        if model["type"] == "BPE":
            model["merges"] = [" ".join(m) if not isinstance(m, str) else m for m in model["merges"]]
        save(name, f)

    def save(name, f):
        path = os.path.join(data, name + ".json.gz")
        with gzip.GzipFile(path, "wb", compresslevel=9, mtime=0) as z:
            z.write(json.dumps(f, ensure_ascii=False, separators=(",", ":")).encode())
        print(name, os.path.getsize(path))

    bl = lambda prefix=False, regex=True: {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}
    split = lambda p, behavior="Isolated", invert=False: {"type": "Split", "pattern": p if isinstance(p, dict) else {"Regex": p}, "behavior": behavior, "invert": invert}
    seq = lambda key, *c: {"type": "Sequence", key: list(c)}
    pres = lambda *c: seq("pretokenizers", *c)
    ms = lambda scheme, split: {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}
    rep = lambda a, b, kind="String": {"type": "Replace", "pattern": {kind: a}, "content": b}
    sp_decoder = seq("decoders", rep("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})

    m = sp_bpe(Metaspace(prepend_scheme="always"), None)
    write("llama2", m, added(m, "<unk>", "<s>", "</s>"), seq("normalizers", {"type": "Prepend", "prepend": "▁"}, rep(" ", "▁")), None,
          lambda ids: template(ids, ["<s>"]), sp_decoder)
    m = sp_bpe(Metaspace(prepend_scheme="first"), None)
    write("mistral", m, added(m, "<unk>", "<s>", "</s>", "[INST]", "[/INST]"), None, ms("first", False), lambda ids: template(ids, ["<s>"]), sp_decoder)
    m = sp_bpe(pre_tokenizers.Split("▁", "merged_with_previous"), normalizers.Replace(" ", "▁"))
    write("gemma", m, added(m, "<pad>", "<unk>", "<s>", "</s>", "<start_of_turn>", *[dict(content="\n" * n, special=False) for n in range(2, 6)], *[dict(content="▁" * n, special=False) for n in range(2, 6)]),
          rep(" ", "▁"), split({"String": " "}, "MergedWithPrevious"), lambda ids: template(ids, ["<s>"]),
          seq("decoders", rep("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"}))
    m = byte_bpe(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]))
    m["ignore_merges"] = True
    # Tokens that no merge makes show what ignore_merges does.
    for word in ("Ġpneumono", "Ġkebab", "qwz"):
        m["vocab"][word] = len(m["vocab"])
    write("llama3", m, added(m, "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), None,
          pres(split(LLAMA3), bl(regex=False)), lambda ids: seq("processors", bl(True), template(ids, ["<|begin_of_text|>"])), bl(True))
    m = byte_bpe(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]), norm=normalizers.NFC())
    m.update(continuing_subword_prefix="", end_of_word_suffix="")
    write("qwen2", m, added(m, "<|endoftext|>", "<|im_start|>", "<|im_end|>", dict(content="<tool_call>", special=False)), {"type": "NFC"},
          pres(split(QWEN2), bl(regex=False)), bl(regex=False), bl(regex=False))
    m = byte_bpe(GPT2)
    rob = lambda ids: {"type": "RobertaProcessing", "sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]], "trim_offsets": True, "add_prefix_space": False}
    write("roberta", m, added(m, "<s>", "<pad>", "</s>", "<unk>", dict(content="<mask>", lstrip=True), dict(content="wordtok", single_word=True, special=False, normalized=True)),
          None, bl(True), rob, bl(True))
    m = byte_bpe(GPT2, size=900)
    # No symbol for some bytes: they become the unknown token, fused or not.
    for b in ("Ã", "ð", "Ł"):
        if b in m["vocab"]:
            m["merges"] = [x for x in m["merges"] if b not in "".join(x)]
            m["vocab"] = {w: i for w, i in m["vocab"].items() if b not in w}
    m.update(unk_token="<|unk|>", fuse_unk=True)
    m["vocab"]["<|unk|>"] = max(m["vocab"].values()) + 1
    write("falcon", m, added(m, "<|unk|>", "<|endoftext|>"), None,
          pres({"type": "Punctuation", "behavior": "Contiguous"}, bl(), {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]")), None, bl())

    def unigram(pre, norm, special, **k):
        m = train(models.Unigram(), trainers.UnigramTrainer(vocab_size=1000, show_progress=False, special_tokens=special, unk_token="<unk>", **k), pre, norm)
        m["unk_id"] = [w for w, _ in m["vocab"]].index("<unk>")
        return m

    cm = {"type": "Precompiled", "precompiled_charsmap": small_charsmap()}
    norm = normalizers.Sequence([normalizers.Precompiled(base64.b64decode(cm["precompiled_charsmap"]))])
    m = unigram(pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), Metaspace()]), norm, ["<pad>", "</s>", "<unk>"])
    write("t5", m, added(m, "<pad>", "</s>", "<unk>", *[dict(content="<extra_id_%d>" % i) for i in range(10)]), cm,
          pres({"type": "WhitespaceSplit"}, ms("always", True)), lambda ids: template(ids, [], ["</s>"]), ms("always", True))
    write("t5strip", m, added(m, "<pad>", "</s>", "<unk>"), seq("normalizers", cm, {"type": "Strip", "strip_left": False, "strip_right": True}, rep(" {2,}", "▁", "Regex")),
          ms("first", True), lambda ids: template(ids, [], ["</s>"]), ms("first", True))
    m = unigram(Metaspace(), norm, ["<s>", "<pad>", "</s>", "<unk>"])
    write("xlmr", m, added(m, "<s>", "<pad>", "</s>", "<unk>", dict(content="<mask>", lstrip=True)), seq("normalizers", cm, rep(" {2,}", " ", "Regex")),
          ms("always", True), lambda ids: template(ids, ["<s>"], ["</s>"]), ms("always", True))
    m = unigram(Metaspace(prepend_scheme="never"), normalizers.NFKC(), ["<unk>", "</s>"] + ["<0x%02X>" % b for b in range(256)])
    m["byte_fallback"] = True
    write("unifallback", m, added(m, "<unk>", "</s>"), seq("normalizers", {"type": "Nmt"}, {"type": "NFKC"}, {"type": "Strip", "strip_left": True, "strip_right": True}, rep(" {2,}", " ", "Regex")),
          ms("never", True), lambda ids: template(ids, [], ["</s>"]), seq("decoders", {"type": "ByteFallback"}, ms("never", True)))

    m = train(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=1200, show_progress=False, limit_alphabet=300, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]),
              pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer(lowercase=False))
    m["max_input_chars_per_word"] = 30
    berts = lambda ids: {"type": "BertProcessing", "sep": ["[SEP]", ids["[SEP]"]], "cls": ["[CLS]", ids["[CLS]"]]}
    write("bertcased", m, added(m, "[PAD]", "[UNK]", "[CLS]", "[SEP]", dict(content="[MASK]", lstrip=True, rstrip=True), dict(content="wordtok", single_word=True, special=False)),
          {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": False},
          {"type": "BertPreTokenizer"}, berts, {"type": "WordPiece", "prefix": "##", "cleanup": False})
    write("bertaccents", m, added(m, "[PAD]", "[UNK]", "[CLS]", "[SEP]", dict(content="ABC", special=False, normalized=True), dict(content="É lan", special=False, normalized=True, rstrip=True)),
          seq("normalizers", {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}), {"type": "Whitespace"}, berts, {"type": "WordPiece", "prefix": "##", "cleanup": True})

    norm = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    m = bpe(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), ByteLevel(add_prefix_space=False)]), norm,
            alphabet=ByteLevel.alphabet(), end_of_word_suffix="</w>")
    m["unk_token"] = "<|endoftext|>"
    m["vocab"]["<|endoftext|>"] = len(m["vocab"])
    clip = lambda ids: {"type": "RobertaProcessing", "sep": ["<|endoftext|>", ids["<|endoftext|>"]], "cls": ["<|startoftext|>", ids["<|startoftext|>"]], "trim_offsets": False, "add_prefix_space": False}
    write("clip", m, added(m, "<|startoftext|>", "<|endoftext|>"), seq("normalizers", {"type": "NFC"}, rep(r"\s+", " ", "Regex"), {"type": "Lowercase"}),
          pres(split(CLIP, "Removed", True), bl()), clip, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True})
    m = bpe(pre_tokenizers.Whitespace(), None, size=900, continuing_subword_prefix="##")
    m.update(unk_token="<unk>", fuse_unk=False)
    m["vocab"]["<unk>"] = len(m["vocab"])
    write("bpeprefix", m, added(m, "<unk>", dict(content="<mask>", rstrip=True, normalized=True)), {"type": "NFD"}, pres({"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": False}, {"type": "Punctuation"}),
          None, {"type": "BPEDecoder", "suffix": "##"})
    m = train(models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(vocab_size=800, show_progress=False, special_tokens=["<unk>", "<pad>"]), pre_tokenizers.Whitespace())
    write("wordlevel", m, added(m, "<unk>", "<pad>"), {"type": "Lowercase"}, {"type": "Whitespace"}, None, None)

    if len(sys.argv) == 3:
        from gguf import GGUFReader
        r = GGUFReader(sys.argv[1])
        get = lambda k: r.fields["tokenizer.ggml." + k].contents()
        tokens, types = get("tokens"), get("token_type")
        m = dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False, byte_fallback=False, ignore_merges=False,
                 vocab={t: i for i, t in enumerate(tokens)}, merges=get("merges"))
        write("smollm2", m, added(m, *[t for t, k in zip(tokens, types) if k == 3]), None, pres({"type": "Digits", "individual_digits": True}, bl()), None, bl(True))
        save("minilm", json.load(open(sys.argv[2], encoding="utf-8")))


if __name__ == "__main__":
    main()
