"""Writes config/testdata/localrqa/train-VERSION.json and eval.json: the
all_args.json that LocalRQA's scripts (its code at aadf3d1) leave in an output
folder, with the transformers that runs this. TrainingArguments wants accelerate:

    python -m pip install --no-deps --target ACCELERATE accelerate==1.1.1 psutil
    PYTHONPATH=ACCELERATE python parity/make_localrqa_args.py
"""

import json
import os

import transformers

FOLDER = "config/testdata/localrqa"
WORDING = {"assistant_prefix": "ASSISTANT", "user_prefix": "USER", "sep_user": " ", "sep_sys": "</s>"}


def write(name, sections):
    os.makedirs(FOLDER, exist_ok=True)
    with open(f"{FOLDER}/{name}.json", "w") as f:
        json.dump(sections, f, indent=2, sort_keys=True)
        f.write("\n")


known = transformers.TrainingArguments.__dataclass_fields__
# What the scripts change of transformers' defaults.
changed = {
    "do_train": True, "do_eval": True, "num_train_epochs": 2, "learning_rate": 5e-6, "per_device_train_batch_size": 4,
    "per_device_eval_batch_size": 4, "lr_scheduler_type": "cosine", "warmup_ratio": 0.1, "weight_decay": 0.01,
    "report_to": ["wandb"], "logging_steps": 10, "eval_strategy": "steps", "eval_steps": 30, "metric_for_best_model": "eval_loss",
    "save_strategy": "steps", "save_steps": 30, "save_total_limit": 1, "load_best_model_at_end": True, "seed": 42,
    "remove_unused_columns": False, "logging_dir": "out/runs", "run_name": "out",
}  # fmt: skip
training = transformers.TrainingArguments(output_dir="out", **{k: v for k, v in changed.items() if k in known}).to_dict()
training |= {"documents_path": "", "eval_data_path": "", "write_predictions": True}
write(
    f"train-{transformers.__version__}",
    {
        "model_args": {"model_name_or_path": "model", "use_flash_attention": True},
        "data_args": WORDING
        | {
            "train_file": "train.jsonl", "eval_file": "eval.jsonl", "test_file": "test.jsonl", "full_dataset_file_path": "documents.pkl",
            "full_dataset_index_path": "index", "max_seq_length": 2048, "eval_embedding_model": "intfloat/e5-base-v2",
        },
        "logger_args": {"run_group": "debug"},
        "training_args": training,
    },
)  # fmt: skip
write(
    "eval",
    {
        "model_args": WORDING | {"qa_model_name_or_path": "model", "qa_is_fid": False, "embedding_model_name_or_path": "intfloat/e5-base-v2"},
        "test_args": {
            "document_path": "documents.pkl", "index_path": "index", "eval_data_path": "test.jsonl", "output_dir": "out",
            "gen_gpt4eval": False, "batch_size": 4,
        },
    },
)  # fmt: skip
