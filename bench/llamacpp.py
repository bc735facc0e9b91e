"""llama.cpp's server, of the package xllamacpp, until it is ended.

    python llamacpp.py MODEL.gguf SLOTS TOKENS [THREADS]

SLOTS answers at a time, of at most TOKENS each with their prompts; everything else as llama.cpp has it.
"""
import os
import signal
import sys

import xllamacpp

model, slots, tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
params = xllamacpp.CommonParams()
params.model.path = os.path.abspath(model)
params.n_parallel, params.n_ctx, params.n_gpu_layers = slots, slots * tokens, 0
params.cpuparams.n_threads = int(sys.argv[4]) if len(sys.argv) > 4 else os.cpu_count()
params.hostnames, params.port = ["127.0.0.1"], 0
server = xllamacpp.Server(params)
print(f"Serving {model} at {server.listening_address}", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
