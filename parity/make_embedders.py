"""Embeds questions and passages with sentence-transformers, under settings that an
embedding model's folder can have.

    python parity/make_embedders.py

writes qa/testdata/embedder (a BERT of random weights with a WordPiece
tokenizer) and embedder.json beside it: for each set of files that is written over
the folder's, the vectors of encode_query and encode_document and what similarity
makes of them. sentence-transformers decides on prompts, similarity and length.
"""
import json
import os
import pathlib
import shutil
import tempfile

import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

import golden

ROOT = pathlib.Path(__file__).resolve().parent.parent / "qa" / "testdata"
FOLDER = ROOT / "embedder"
WORDS = "dog cat bank model moon fine green blue red tune the a of query passage search : big small runs".split()
QUERIES = ["the dog runs", "Fine tune"]
PASSAGES = ["dog", "fine tune", "bank model moon", "the big red cat runs", "a small green bank of the moon", "blue blue blue"]
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
SETTINGS, LENGTH = "config_sentence_transformers.json", "sentence_bert_config.json"
NAMES = {"model_max_length": 32, "unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
CASED = NAMES | {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
PLAIN = {"modules.json": MODULES[:2]}
VARIANTS = {
    "cosine": {},
    "not normalised": PLAIN,
    "dot": PLAIN | {SETTINGS: {"similarity_fn_name": "dot"}},
    "euclidean": PLAIN | {SETTINGS: {"similarity_fn_name": "euclidean"}},
    "manhattan": PLAIN | {SETTINGS: {"similarity_fn_name": "manhattan"}},
    "similarity null": PLAIN | {SETTINGS: {"similarity_fn_name": None}},
    "truncated": {SETTINGS: {"truncate_dim": 5}},
    "truncated, dot": {SETTINGS: {"truncate_dim": 5, "similarity_fn_name": "dot"}},
    "truncated, euclidean": PLAIN | {SETTINGS: {"truncate_dim": 5, "similarity_fn_name": "euclidean"}},
    "truncated beyond": {SETTINGS: {"truncate_dim": 500}},
    "query and document": {SETTINGS: {"prompts": {"query": "query : ", "document": "passage : "}}},
    "query and passage": {SETTINGS: {"prompts": {"query": "query : ", "passage": "passage : "}}},
    "query null": {SETTINGS: {"prompts": {"query": None, "document": "passage : "}}},
    "default": {SETTINGS: {"prompts": {"search": "search : "}, "default_prompt_name": "search"}},
    "default query": {SETTINGS: {"prompts": {"query": "query : "}, "default_prompt_name": "query"}},
    "default document": {SETTINGS: {"prompts": {}, "default_prompt_name": "document"}},
    "prompt not pooled": {"1_Pooling/config.json": {"word_embedding_dimension": 16, "pooling_mode": "mean", "include_prompt": False}},
    "short": {LENGTH: {"max_seq_length": 5}},
    "short by another name": {LENGTH: None, "sentence_roberta_config.json": {"max_seq_length": 5}},
    "short tokenizer": {LENGTH: {"max_seq_length": 9, "processor_kwargs": {"model_max_length": 5}}},
    "short from the end": {LENGTH: {"max_seq_length": 5}, "tokenizer_config.json": NAMES | {"tokenizer_class": "PreTrainedTokenizerFast", "truncation_side": "left"}},
    "cased by tokenizer_config.json": {"tokenizer_config.json": CASED},
    "classes of BERT, lower case by default": {"tokenizer_config.json": NAMES | {"tokenizer_class": "BertTokenizerFast"}},
    "several poolings": {"1_Pooling/config.json": {"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_max_tokens": True,
                                                  "pooling_mode_mean_tokens": True, "pooling_mode_mean_sqrt_len_tokens": True,
                                                  "pooling_mode_weightedmean_tokens": True, "pooling_mode_lasttoken": True}},
    "poolings in another order": {"1_Pooling/config.json": {"word_embedding_dimension": 16, "pooling_mode": ["mean", "cls"]}},
    "dropout": {"modules.json": MODULES[:2] + [{"idx": 2, "name": "2", "path": "2_Dropout", "type": "sentence_transformers.models.Dropout"}],
                "2_Dropout/config.json": {"dropout": 0.5}},
}


def write(path, value):
    if value is None:
        os.remove(path)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    golden.write_json(path, value)


def make_folder():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    torch.manual_seed(0)
    vocab = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS)}
    t = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=t, model_max_length=32, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
    ).save_pretrained(FOLDER)
    config = transformers.BertConfig(
        vocab_size=len(vocab), hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=32,
        initializer_range=0.6)
    transformers.BertModel(config).save_pretrained(FOLDER)
    write(str(FOLDER / "modules.json"), MODULES)
    write(str(FOLDER / "1_Pooling" / "config.json"), {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True})
    write(str(FOLDER / LENGTH), {"max_seq_length": 32, "do_lower_case": False})


def main():
    make_folder()
    out = []
    for name, files in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
            for path, value in files.items():
                write(os.path.join(folder, path), value)
            model = SentenceTransformer(folder, device="cpu").eval()
            queries, passages = model.encode_query(QUERIES), model.encode_document(PASSAGES)
            out.append({
                "name": name, "files": files, "queries": queries.tolist(), "passages": passages.tolist(),
                "similarity": model.similarity(queries, passages).tolist(),
            })
    head = golden.header("parity/make_embedders.py", 0, {"vector": [2e-5, 2e-5], "similarity": [5e-5, 5e-5]},
                         {"queries": QUERIES, "passages": PASSAGES, "variants": out})
    head["versions"]["sentence_transformers"] = sentence_transformers.__version__
    with open(ROOT / "embedder.json", "w", encoding="utf-8") as f:
        json.dump(head, f, ensure_ascii=False)
        f.write("\n")


main()
