"""Writes text/retrieve/testdata/faiss: folders as LangChain's FAISS and LocalRQA's
retriever (LangChain's cache of embeddings) leave them, of made-up vectors.

    /path/to/python parity/make_faiss.py        # see requirements-localrqa.txt
"""

import json
import os
import shutil
import sys
from importlib.metadata import version

import faiss
import numpy as np
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.storage import LocalFileStore
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores import FAISS
from langchain_community.vectorstores.utils import DistanceStrategy
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

OUT = "text/retrieve/testdata/faiss"
WIDTH = 4
TEXTS = ["Source: a\nContent:\nReturns are free.", "Content:\nShipping takes two days.", "Content:\n退货免费。"]


def vector(text):
    """Seeded by the text's bytes, so that Go's test can make the same."""
    x = sum(text.encode()) % 97
    return [float(x + i * i) / 8 for i in range(WIDTH)]


class MadeUp(Embeddings):
    def embed_documents(self, texts):
        return [vector(t) for t in texts]

    def embed_query(self, text):
        return vector(text)


def documents():
    # as local_rqa's FaissRetriever prepares them
    return [Document(page_content=t, metadata={"page_content": t.split("\n")[-1], "fmt_content": t}) for t in TEXTS]


shutil.rmtree(OUT, ignore_errors=True)
os.makedirs(OUT)
FAISS.from_documents(documents(), MadeUp()).save_local(f"{OUT}/l2")
FAISS.from_documents(documents(), MadeUp(), distance_strategy=DistanceStrategy.MAX_INNER_PRODUCT).save_local(f"{OUT}/ip")
FAISS.from_documents(documents(), MadeUp(), normalize_L2=True).save_local(f"{OUT}/normalized")

hnsw = faiss.IndexHNSWFlat(WIDTH, 8)
store = FAISS(MadeUp(), hnsw, InMemoryDocstore(), {})
store.add_documents(documents())
store.save_local(f"{OUT}/hnsw")

cached = CacheBackedEmbeddings.from_bytes_store(MadeUp(), LocalFileStore(f"{OUT}/cache"), namespace="customized", key_encoder="sha1")
cached.embed_documents(TEXTS)

with open(f"{OUT}/about.json", "w") as f:
    json.dump(
        {
            "made_by": "parity/make_faiss.py",
            "versions": {"python": sys.version.split()[0], "faiss-cpu": version("faiss-cpu"), "langchain-community": version("langchain-community"), "langchain-classic": version("langchain-classic"), "numpy": np.__version__},
            "texts": TEXTS,
            "vectors": [vector(t) for t in TEXTS],
        },
        f,
        ensure_ascii=True,
    )
    f.write("\n")
