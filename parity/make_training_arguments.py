"""Writes config/testdata/training_arguments.json: the names and defaults of
transformers' TrainingArguments, which gorqa's settings are compared with.

    /path/to/python parity/make_training_arguments.py > config/testdata/training_arguments.json
"""

import dataclasses
import json
import sys

import transformers

defaults = {}
for field in dataclasses.fields(transformers.TrainingArguments):
    value = field.default
    if value is dataclasses.MISSING:
        value = None if field.default_factory is dataclasses.MISSING else field.default_factory()
    defaults[field.name] = getattr(value, "value", value)
json.dump(
    {"made_by": "parity/make_training_arguments.py", "transformers": transformers.__version__, "defaults": defaults},
    sys.stdout,
    indent=1,
)
print()
