"""Speed of Hugging Face tokenizers on the Faire texts, one core, to set beside
go test -bench Encode -cpu 1 ./tokenizer.

    python parity/bench_tokenizer.py [FILE.json ...]
"""
import gzip
import os
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import Tokenizer

from make_tokenizer import DATA, faire

texts = faire()
size = sum(len(t.encode()) for t in texts)
for path in sys.argv[1:] or [os.path.join(DATA, n + ".json.gz") for n in ("smollm2", "minilm", "llama2", "llama3", "qwen2", "xlmr")]:
    t = Tokenizer.from_str((gzip.open if path.endswith("gz") else open)(path, "rt", encoding="utf-8").read())
    t.no_truncation()
    t.no_padding()
    best = 1e9
    for _ in range(3):
        start = time.process_time()
        t.encode_batch_fast(texts)
        best = min(best, time.process_time() - start)
    print(f"{os.path.basename(path)} {size / best / 1e6:.1f} MB/s")
