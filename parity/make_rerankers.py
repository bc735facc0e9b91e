"""Scores pairs with sentence-transformers' CrossEncoder, by tiny models of each family.

    python parity/make_rerankers.py [--pairs N --out FILE]

writes qa/testdata/rerankers/NAME and rerankers.json beside it; with --out the models stay
as they are and the scores of N pairs go to FILE, which GORQA_RERANKERS=FILE go test ./qa
-run TestRerankerFamilies compares.
"""
import argparse
import json
import random
import shutil

import sentence_transformers
import torch
import transformers as T
from sentence_transformers import CrossEncoder

import golden
from make_encoders import ROOT, bpe, sizes, spread, texts, unigram, wordpiece

FOLDER = ROOT / "rerankers"
ONE = dict(num_labels=1, initializer_range=0.4)


def families():
    """name: (tokenizer, model, default activation)."""
    t = wordpiece()
    yield "bert", t, T.BertForSequenceClassification(T.BertConfig(**sizes(t, max_position_embeddings=40) | ONE)), None
    t = unigram()
    yield "xlm-roberta", t, T.XLMRobertaForSequenceClassification(T.XLMRobertaConfig(**sizes(t, max_position_embeddings=42, type_vocab_size=1) | ONE)), "identity"
    t = bpe("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", double=False, length=64)
    more = dict(num_hidden_layers=4, max_position_embeddings=64, local_attention=8, bos_token_id=0, cls_token_id=0, eos_token_id=2, sep_token_id=2)
    yield "modernbert", t, T.ModernBertForSequenceClassification(T.ModernBertConfig(**sizes(t, **more) | ONE)), None
    yield "modernbert-mean", t, T.ModernBertForSequenceClassification(T.ModernBertConfig(
        **sizes(t, **more, classifier_pooling="mean", classifier_bias=True, norm_bias=True) | ONE)), "identity"
    t = bpe(length=30)
    yield "roberta", t, T.RobertaForSequenceClassification(T.RobertaConfig(**sizes(t, max_position_embeddings=42, type_vocab_size=1) | ONE)), None
    t = wordpiece(types=False)
    yield "distilbert", t, T.DistilBertForSequenceClassification(T.DistilBertConfig(
        vocab_size=len(t), dim=24, hidden_dim=40, n_layers=3, n_heads=3, max_position_embeddings=40, **ONE)), None
    t = wordpiece(length=39)
    yield "electra", t, T.ElectraForSequenceClassification(T.ElectraConfig(**sizes(t, embedding_size=12, max_position_embeddings=40) | ONE)), None


def make():
    shutil.rmtree(FOLDER, ignore_errors=True)
    torch.manual_seed(0)
    for name, tokenizer, model, activation in families():
        plain, folder = FOLDER / "plain", FOLDER / name
        spread(model).save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        if activation or name == "modernbert":
            whole = CrossEncoder(str(plain), device="cpu", activation_fn=torch.nn.Identity() if activation else None)
            whole.save_pretrained(str(folder), create_model_card=False)
            shutil.rmtree(plain)
        else:  # as transformers alone writes it, as many rerankers are
            plain.rename(folder)
    config = json.loads((FOLDER / "electra" / "config.json").read_text())
    config["sbert_ce_default_activation_function"] = "torch.nn.modules.linear.Identity"  # before version 4
    golden.write_json(FOLDER / "electra" / "config.json", config)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--pairs", type=int, default=16)
    p.add_argument("--out")
    a = p.parse_args()
    if not a.out:
        make()
    r = random.Random(3)
    some = texts(200)
    pairs = [["", ""], ["a", some[-1]], [some[-1], "a"]] + [[r.choice(some), r.choice(some)] for _ in range(a.pairs)]
    scores = {}
    for folder in sorted(p for p in FOLDER.iterdir() if p.is_dir()):
        scores[folder.name] = CrossEncoder(str(folder), device="cpu").predict(pairs, batch_size=8).tolist()
    head = golden.header("parity/make_rerankers.py", 0, {"score": [1e-5, 1e-5]}, {"pairs": pairs, "models": scores})
    head["versions"]["sentence_transformers"] = sentence_transformers.__version__
    with open(a.out or ROOT / "rerankers.json", "w", encoding="utf-8") as f:
        json.dump(head, f, ensure_ascii=False)
        f.write("\n")


main()
