"""Embeds texts with sentence-transformers, by tiny models of each family of encoders.

    python parity/make_encoders.py [--only NAME ...] [--texts N --out FILE]

writes qa/testdata/encoders/NAME (random weights, a tokenizer of the family's kind
and sentence-transformers' module folders) and encoders.json beside them. With --out the
models stay as they are and the vectors of N texts go to FILE, which
GORQA_ENCODERS=FILE go test ./qa -run TestEncoderFamilies compares. Tokenizers are not
trained the same twice: --only makes some models anew and leaves the others.
"""
import argparse
import json
import pathlib
import random
import shutil

import safetensors.torch
import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers import models as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import golden

ROOT = pathlib.Path(__file__).resolve().parent.parent / "qa" / "testdata"
FOLDER = ROOT / "encoders"
WORDS = """a an and are as at be by for from has in is it of on or that the to was were will with not this which when
passage query question answer document model token vector search index river mountain bridge garden window kitchen
copper silver engine signal filter buffer channel pointer compile package function return string number integer float
café naïve über señor Ångström façade 東京 大阪 你好 世界 привет мир שלום 12 345 6.7 x86_64 don't it's e-mail v2.0 C++ #tag
100% $5.99 (sic) [note] <b> "quoted" … – 🙂 👍🏽 README.md HTTP/2 Go1.26 μs °C ½ ﬁne""".split()


def texts(n, seed=0):
    r = random.Random(seed)
    out = ["", "a", "Search the INDEX.", "two  spaces\tand\na line", "<pad> [PAD] </s> [SEP] <s>", "naïve café", "你好世界"]
    while len(out) < n:
        size = r.choice([1, 2, 3, 5, 8, 13, 21, 34, 60])
        words = [r.choice(WORDS) for _ in range(size)]
        if r.random() < 0.5:
            words[0] = words[0].capitalize()
        out.append(" ".join(words) + r.choice(["", ".", "?", "!"]))
    return out[:n]


def template(before, after, ids, pair):
    return processors.TemplateProcessing(single=f"{before} $A {after}".strip(), pair=pair, special_tokens=ids)


def wordpiece(bos="[CLS]", eos="[SEP]", pad="[PAD]", unk="[UNK]", mask="[MASK]", first=(), types=True, side="right", length=40):
    t = Tokenizer(models.WordPiece(unk_token=unk))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = list(first) or [pad, unk, bos, eos, mask]
    t.train_from_iterator(texts(400, 1), trainers.WordPieceTrainer(vocab_size=260, special_tokens=special, show_progress=False))
    t.decoder = decoders.WordPiece()
    second = ":1" if types else ""
    ids = [(bos, t.token_to_id(bos)), (eos, t.token_to_id(eos))]
    pair = f"{bos} $A {eos} $B{second} {eos}{second}" if types else f"{bos} $A {eos} {eos} $B {eos}"
    t.post_processor = template(bos, eos, ids, pair)
    return fast(t, types, side, length, unk_token=unk, pad_token=pad, cls_token=bos, sep_token=eos, mask_token=mask)


def bpe(bos="<s>", eos="</s>", pad="<pad>", unk="<unk>", mask="<mask>", double=True, side="right", length=40, before=True):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(texts(400, 1), trainers.BpeTrainer(
        vocab_size=360, special_tokens=[bos, pad, eos, unk, mask], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.decoder = decoders.ByteLevel()
    ids = [(bos, t.token_to_id(bos)), (eos, t.token_to_id(eos))]
    head = bos if before else ""
    t.post_processor = template(head, eos, ids, " ".join(f"{head} $A {eos} {eos if double else ''} $B {eos}".split()))
    return fast(t, False, side, length, bos_token=bos, eos_token=eos, unk_token=unk, pad_token=pad, cls_token=bos, sep_token=eos, mask_token=mask)


def unigram(bos="<s>", eos="</s>", pad="<pad>", unk="<unk>", mask="<mask>", before=True, types=False, lower=False, double=True, length=40):
    t = Tokenizer(models.Unigram())
    steps = [normalizers.NFKC()] + ([normalizers.Lowercase()] if lower else [])
    t.normalizer = normalizers.Sequence(steps)
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    special = [bos, pad, eos, unk, mask]
    t.train_from_iterator(texts(400, 1), trainers.UnigramTrainer(vocab_size=320, special_tokens=special, unk_token=unk, show_progress=False))
    t.decoder = decoders.Metaspace()
    ids = [(bos, t.token_to_id(bos)), (eos, t.token_to_id(eos))]
    head, second = (bos if before else ""), (":1" if types else "")
    pair = f"{head} $A {eos} {eos if double else ''} $B{second} {eos}{second}"
    t.post_processor = template(head, eos, ids, " ".join(pair.split()))
    return fast(t, types, "right", length, bos_token=bos, eos_token=eos, unk_token=unk, pad_token=pad, cls_token=bos, sep_token=eos, mask_token=mask)


def fast(t, types, side, length, **special):
    names = ["input_ids"] + (["token_type_ids"] if types else []) + ["attention_mask"]
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=t, model_max_length=length, model_input_names=names, padding_side=side, **special)


def sizes(tokenizer, **more):
    return dict(vocab_size=len(tokenizer), hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=3,
                pad_token_id=tokenizer.pad_token_id, initializer_range=0.4) | more


def spread(model):
    """Norms and biases that are not at their ones and zeros."""
    for name, p in model.named_parameters():
        if p.ndim == 1:
            p.data += 0.2 * torch.randn_like(p)
    return model.eval()


def pooled(mode, width=24, prompt=True):
    return st.Pooling(width, pooling_mode=mode, include_prompt=prompt)


def dense(width, to, act, bias=True, residual=False):
    return st.Dense(width, to, bias=bias, activation_function=act, use_residual=residual)


def normed(width):
    m = st.LayerNorm(width)
    m.norm.weight.data += 0.3 * torch.randn(width)
    m.norm.bias.data += 0.3 * torch.randn(width)
    return m


T = transformers


def families():
    """name: (tokenizer, model, modules behind it, prompts, other settings of the folder)."""
    t = wordpiece()
    yield "bert", t, T.BertModel(T.BertConfig(**sizes(t, max_position_embeddings=40))), [
        pooled(("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")), normed(144), dense(144, 20, torch.nn.Identity(), False), st.Normalize()], {}, {}
    t = bpe()
    yield "roberta", t, T.RobertaModel(T.RobertaConfig(**sizes(t, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5))), [pooled("mean")], {}, {}
    t = unigram()
    yield "xlm-roberta", t, T.XLMRobertaModel(T.XLMRobertaConfig(**sizes(t, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5))), [
        pooled("cls"), st.Normalize()], {}, {}
    t = unigram(length=30)
    yield "camembert", t, T.CamembertModel(T.CamembertConfig(**sizes(t, max_position_embeddings=42, type_vocab_size=1))), [pooled("weightedmean")], {}, {}
    t = wordpiece(types=False)
    yield "distilbert", t, T.DistilBertModel(T.DistilBertConfig(
        vocab_size=len(t), dim=24, hidden_dim=40, n_layers=3, n_heads=3, max_position_embeddings=40, initializer_range=0.4)), [
        pooled("mean"), dense(24, 12, torch.nn.Tanh())], {}, {}
    t = wordpiece()
    yield "electra", t, T.ElectraModel(T.ElectraConfig(**sizes(t, embedding_size=12, max_position_embeddings=40))), [pooled("max"), dense(24, 24, torch.nn.GELU())], {}, {}
    t = unigram(bos="[CLS]", eos="[SEP]", mask="[MASK]", types=True, lower=True, double=False)
    yield "albert", t, T.AlbertModel(T.AlbertConfig(**sizes(t, embedding_size=12, num_hidden_layers=4, num_hidden_groups=2, max_position_embeddings=40))), [
        pooled("mean_sqrt_len_tokens")], {}, {}
    t = wordpiece("<s>", "</s>", "<pad>", "[UNK]", "<mask>", first=["<s>", "<pad>", "</s>", "[UNK]", "<mask>"], types=False)
    yield "mpnet", t, T.MPNetModel(T.MPNetConfig(**sizes(t, max_position_embeddings=42))), [pooled("mean"), st.Normalize()], {}, {}
    t = bpe("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", double=False, length=64)
    yield "modernbert", t, T.ModernBertModel(T.ModernBertConfig(**sizes(
        t, num_hidden_layers=4, max_position_embeddings=64, local_attention=8, global_attn_every_n_layers=3, bos_token_id=0, cls_token_id=0, eos_token_id=2, sep_token_id=2,
    ))), [pooled("cls")], {}, {}
    t = wordpiece(length=64)
    yield "nomic_bert", t, T.NomicBertModel(T.NomicBertConfig(**sizes(t, max_position_embeddings=64))), [
        pooled("mean"), st.Normalize()], {"query": "search_query: ", "document": "search_document: "}, {"truncate_dim": 16}
    t = unigram(before=False, length=48)
    small = dict(vocab_size=len(t), d_model=24, d_kv=8, d_ff=40, num_layers=2, num_heads=3, pad_token_id=t.pad_token_id, eos_token_id=t.eos_token_id)
    yield "t5", t, T.T5EncoderModel(T.T5Config(**small, feed_forward_proj="relu")), [pooled("mean"), dense(24, 16, torch.nn.Identity(), False), st.Normalize()], {}, {}
    yield "t5-gated", t, T.T5EncoderModel(T.T5Config(**small, feed_forward_proj="gated-gelu", relative_attention_max_distance=20)), [pooled("mean")], {}, {}
    t = wordpiece(length=30)
    yield "bert-behind-prompts", t, T.BertModel(T.BertConfig(**sizes(t, max_position_embeddings=40))), [
        pooled(("cls", "max", "mean", "weightedmean"), prompt=False), dense(96, 96, torch.nn.Tanh(), residual=True), dense(96, 20, torch.nn.GELU(), residual=True)], {
        "query": "question: ", "document": "a passage of the document: "}, {"truncate_dim": 12}
    yield from decoders_of()


def decoder(tokenizer, **more):
    return dict(vocab_size=len(tokenizer), hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
                num_key_value_heads=2, head_dim=8, max_position_embeddings=64, initializer_range=0.3, pad_token_id=tokenizer.pad_token_id,
                bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id) | more


def decoders_of():
    """Decoders as embedders: rows padded on either side, one closing token."""
    instruct = {"query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:", "document": ""}
    t = bpe(before=False, side="left", length=64)
    yield "qwen3", t, T.Qwen3Model(T.Qwen3Config(**decoder(t))), [pooled("lasttoken"), st.Normalize()], instruct, {"truncate_dim": 20}
    yield "qwen3-right", bpe(before=False, length=64), T.Qwen3Model(T.Qwen3Config(**decoder(
        t, is_causal=False, use_sliding_window=True, sliding_window=3, layer_types=["sliding_attention", "full_attention", "sliding_attention"]))), [
        pooled("mean"), dense(24, 24, torch.nn.Tanh())], {}, {}
    t = bpe(before=False, side="left", length=48)
    yield "qwen3-behind-prompts", t, T.Qwen3Model(T.Qwen3Config(**decoder(t))), [
        pooled(("mean_sqrt_len_tokens", "weightedmean", "lasttoken"), prompt=False), st.Normalize()], instruct | {"document": "text: "}, {}
    t = bpe(side="left", length=48)
    yield "qwen2", t, T.Qwen2Model(T.Qwen2Config(**decoder(t, hidden_size=32))), [pooled("weightedmean", 32)], {}, {}
    t = unigram(length=64)
    yield "mistral", t, T.MistralModel(T.MistralConfig(**decoder(t, sliding_window=6))), [
        pooled("lasttoken"), st.Normalize()], {"web_search_query": "Instruct: find\nQuery: "}, {}
    yield "llama", t, T.LlamaModel(T.LlamaConfig(**decoder(t, max_position_embeddings=32, rope_parameters={
        "rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}))), [
        pooled("lasttoken")], {}, {}
    t = unigram("<bos>", "<eos>", length=64)
    yield "gemma3_text", t, T.Gemma3TextModel(T.Gemma3TextConfig(**decoder(
        t, use_bidirectional_attention=True, sliding_window=9, query_pre_attn_scalar=10,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"]))), [
        pooled("mean"), dense(24, 40, torch.nn.Identity(), False), dense(40, 24, torch.nn.Identity(), False), st.Normalize()], {
        "query": "task: search result | query: ", "document": "title: none | text: "}, {"truncate_dim": 16}


def make(only):
    torch.manual_seed(0)
    for name, tokenizer, model, behind, prompts, other in families():
        if only and name not in only:
            continue
        folder = FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        plain = FOLDER / "plain"
        spread(model).save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        whole = SentenceTransformer(modules=[st.Transformer(str(plain))] + behind, prompts=prompts or None, device="cpu", **other)
        whole.save_pretrained(str(folder), create_model_card=False)
        shutil.rmtree(plain)


    if only and "nomic_bert" not in only:
        return
    # transformers saves a nomic_bert under the names of Nomic's own code; here are its own.
    native = FOLDER / "nomic_bert-native"
    shutil.rmtree(native, ignore_errors=True)
    shutil.copytree(FOLDER / "nomic_bert", native)
    tensors = {k: v.contiguous() for k, v in T.AutoModel.from_pretrained(native).state_dict().items()}
    safetensors.torch.save_file(tensors, native / "model.safetensors", {"format": "pt"})


def embed(n):
    out = {}
    for folder in sorted(p for p in FOLDER.iterdir() if p.is_dir()):
        model = SentenceTransformer(str(folder), device="cpu").eval()
        list_ = texts(n)
        out[folder.name] = {
            "queries": model.encode_query(list_[:5]).tolist(), "passages": model.encode_document(list_, batch_size=16).tolist(),
        }
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--texts", type=int, default=16)
    p.add_argument("--out")
    p.add_argument("--only", nargs="+", default=[])
    a = p.parse_args()
    if not a.out:
        make(a.only)
    head = golden.header("parity/make_encoders.py", 0, {"vector": [1e-5, 1e-5]}, {"texts": texts(a.texts), "models": embed(a.texts)})
    head["versions"]["sentence_transformers"] = sentence_transformers.__version__
    with open(a.out or ROOT / "encoders.json", "w", encoding="utf-8") as f:
        json.dump(head, f, ensure_ascii=False)
        f.write("\n")


if __name__ == "__main__":
    main()
