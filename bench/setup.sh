#!/bin/sh
# Builds bench/.venv, the Python that the peers run in. Needs Python 3.11 and pip.
set -eu
cd "$(dirname "$0")"
[ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
# The list is complete, so nothing is left to resolve.
.venv/bin/pip install --quiet --no-deps --requirement requirements.txt
.venv/bin/python -c 'import peft, sentence_transformers, torch, transformers; print("torch", torch.__version__, "transformers", transformers.__version__)'
