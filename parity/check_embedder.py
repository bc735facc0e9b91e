"""Saves an embedding model and a reranker with the sentence-transformers at hand, and what they make of texts.

    python parity/check_embedder.py FOLDER
    GORQA_ENCODERS=FOLDER/encoders.json go test ./qa -run TestEncoderFamilies -v
    GORQA_RERANKERS=FOLDER/rerankers.json go test ./qa -run TestRerankerFamilies -v

For folders as other versions than that of the goldens write them: tried with 4.1.0 and 5.1.2 (transformers 4.46.3). The
models are tiny ones of random weights, with the tokenizer of qa/testdata/encoders/bert; modules, prompts, truncated
vectors; and a cross-encoder with one label.
"""
import os
import shutil
import sys
import warnings

warnings.simplefilter("ignore")
import sentence_transformers
import torch
import transformers
from sentence_transformers import CrossEncoder, SentenceTransformer, models

import golden
from make_encoders import ROOT, sizes, spread, texts

PROMPTS = {"query": "question: ", "document": "a passage: "}


def main():
    to = sys.argv[1]
    version = sentence_transformers.__version__
    torch.manual_seed(1)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(ROOT / "encoders" / "bert")
    plain, scorer = os.path.join(to, "plain"), os.path.join(to, "scorer")
    config = sizes(tokenizer, max_position_embeddings=40)
    spread(transformers.BertModel(transformers.BertConfig(**config))).save_pretrained(plain)
    spread(transformers.BertForSequenceClassification(transformers.BertConfig(**config, num_labels=1))).save_pretrained(scorer)
    for folder in (plain, scorer):
        tokenizer.save_pretrained(folder)

    name = f"bert-{version}"
    dense = models.Dense(24, 16, activation_function=torch.nn.Tanh())
    whole = SentenceTransformer(modules=[models.Transformer(plain), models.Pooling(24, "mean"), dense, models.Normalize()], prompts=PROMPTS, truncate_dim=12, similarity_fn_name="dot", device="cpu")
    whole.save_pretrained(os.path.join(to, "encoders", name), create_model_card=False)
    again = SentenceTransformer(os.path.join(to, "encoders", name), device="cpu").eval()
    list_ = texts(60)
    vectors = lambda kind, some: again.encode(some, prompt=PROMPTS[kind]).tolist()
    write(os.path.join(to, "encoders.json"), {"vector": [1e-5, 1e-5]}, {"texts": list_, "models": {name: {"queries": vectors("query", list_[:5]), "passages": vectors("document", list_)}}})

    reranker = CrossEncoder(scorer, device="cpu")
    reranker.save_pretrained(os.path.join(to, "rerankers", name))
    pairs = [[a, b] for a, b in zip(list_[1:30], list_[30:59])]
    scores = CrossEncoder(os.path.join(to, "rerankers", name), device="cpu").predict(pairs).tolist()
    write(os.path.join(to, "rerankers.json"), {"score": [1e-5, 1e-5]}, {"pairs": pairs, "models": {name: scores}})
    shutil.rmtree(plain)
    shutil.rmtree(scorer)


def write(path, tolerance, values):
    head = golden.header("parity/check_embedder.py", 1, tolerance, values)
    head["versions"]["sentence_transformers"] = sentence_transformers.__version__
    golden.write_json(path, head)


if __name__ == "__main__":
    main()
