"""Writes config/testdata/training_arguments.json: the names and defaults of
transformers' TrainingArguments, which gorqa's settings are compared with, and
the names that it had in other versions, which are read from their wheels:

    pip download --no-deps -d WHEELS transformers==4.36.2   # and so on
    /path/to/python parity/make_training_arguments.py WHEELS/*.whl > config/testdata/training_arguments.json
"""

import ast
import dataclasses
import json
import sys
import zipfile

import transformers


def fields(wheel):
    """Version and field names of the class in a wheel, without importing it."""
    with zipfile.ZipFile(wheel) as z:
        tree = ast.parse(z.read("transformers/training_args.py"))
    (cls,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "TrainingArguments"]
    names = [n.target.id for n in cls.body if isinstance(n, ast.AnnAssign) and not n.target.id.startswith("_")]
    return wheel.split("/")[-1].split("-")[1], names


defaults = {}
for field in dataclasses.fields(transformers.TrainingArguments):
    value = field.default
    if value is dataclasses.MISSING:
        value = None if field.default_factory is dataclasses.MISSING else field.default_factory()
    defaults[field.name] = getattr(value, "value", value)

versions, had = [], {}
for version, names in sorted((fields(w) for w in sys.argv[1:]), key=lambda x: [int(n) for n in x[0].split(".")]):
    versions.append(version)
    for name in names:
        had.setdefault(name, []).append(version)
json.dump(
    {
        "made_by": "parity/make_training_arguments.py",
        "transformers": transformers.__version__,
        "defaults": defaults,
        "versions": versions,
        # names that are no longer there, with the versions that they were in
        "had": {name: [there[0], there[-1]] for name, there in sorted(had.items()) if name not in defaults},
    },
    sys.stdout,
    indent=1,
)
print()
