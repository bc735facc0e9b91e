#!/usr/bin/env python3
"""Trains a tiny model with --report_to mlflow twice, on a tracking server that this starts from MLflow's
package and without one, and reads both runs by MLflow's own client: settings, every figure of
metrics.jsonl, status. Then a run that goes on, and a server that wants a password.

    pip install mlflow
    python parity/check_mlflow.py bin/gorqa MODEL FOLDER

MODEL is a small model's folder; what the runs leave lies in FOLDER."""
import json
import math
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request

import mlflow

gorqa, model, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
rows = [
    {"question": f"What is the colour of thing {i}?", "gold_docs": [{"page_content": f"Thing {i} is blue.", "metadata": {}}], "gold_answer": "blue"}
    for i in range(4)
]
(folder / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows[:3]))
(folder / "eval.jsonl").write_text(json.dumps(rows[3]) + "\n")
failed = 0


def check(name, ok, found=""):
    global failed
    failed += not ok
    print(f"{'ok  ' if ok else 'FAIL'}  {name}: {found!r:.160}")


def train(name, env, *more):
    subprocess.run([
        gorqa, "train", "sft", "--model_name_or_path", model, "--train_file", folder / "train.jsonl", "--eval_file", folder / "eval.jsonl",
        "--eval_contexts", "gold", "--bf16", "false", "--max_steps", "4", "--eval_steps", "2", "--save_steps", "2", "--save_total_limit", "0", "--logging_steps", "1", "--eval_max_new_tokens", "2",
        "--report_to", "mlflow", "--output_dir", folder / name, "--quiet", *more,
    ], env={k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")} | env, check=True)


def compare(title, client, experiment, out):
    e = client.get_experiment_by_name(experiment)
    runs = client.search_runs([e.experiment_id]) if e else []
    check(f"{title}: a run", len(runs) >= 1, len(runs))
    run_id = json.loads((out / "mlflow.json").read_text())["run_id"]
    run = client.get_run(run_id)
    check(f"{title}: finished", run.info.status == "FINISHED" and run.info.end_time > run.info.start_time, run.info.status)
    args = json.loads((out / "all_args.json").read_text())
    check(f"{title}: settings", len(run.data.params) == len(args) and run.data.params["max_steps"] == "4", len(run.data.params))
    checked = 0
    for line in (out / "metrics.jsonl").read_text().splitlines():
        event = json.loads(line)
        for key, value in event.items():
            if not isinstance(value, float) or not math.isfinite(value):
                continue
            history = {m.step: m.value for m in client.get_metric_history(run_id, key)}
            checked += 1
            if not math.isclose(history.get(event["step"], math.nan), value, rel_tol=1e-12):
                check(f"{title}: {key} of step {event['step']}", False, (history, value))
    check(f"{title}: figures", checked > 20, checked)
    return run_id


print("mlflow", mlflow.__version__)
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
train("files", {})
uri = (folder / "files" / "mlruns").resolve().as_uri()
compare("files", mlflow.MlflowClient(tracking_uri=uri), "gorqa", folder / "files")

with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
server = subprocess.Popen([
    sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
    "--default-artifact-root", str(folder / "artifacts"), "--workers", "1",
], stdout=subprocess.DEVNULL, stderr=open(folder / "server.log", "w"), start_new_session=True)
try:
    for _ in range(240):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
            break
        except OSError:
            time.sleep(0.5)
    uri = f"http://127.0.0.1:{port}"
    client = mlflow.MlflowClient(tracking_uri=uri)
    client.search_experiments()  # the first request makes the database's pages known
    env = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": "colours"}
    train("server", env)
    first = compare("server", client, "colours", folder / "server")
    train("server", env, "--resume_from_checkpoint", str(folder / "server" / "checkpoint-2"), "--overwrite_output_dir")
    check("a run that goes on is the same run", json.loads((folder / "server" / "mlflow.json").read_text())["run_id"] == first, first)
    train("again", env)
    check("another run of the experiment", len(client.search_runs([client.get_experiment_by_name("colours").experiment_id])) == 2)
finally:
    os.killpg(server.pid, 15)
    server.wait()
train_away = subprocess.run([gorqa, "train", "sft", "--model_name_or_path", model, "--train_file", folder / "train.jsonl", "--do_eval", "false", "--bf16", "false", "--max_steps", "1",
                             "--report_to", "mlflow", "--output_dir", folder / "away"], env=os.environ | {"MLFLOW_TRACKING_URI": uri}, capture_output=True, text=True)
check("a server that is gone", train_away.returncode == 1 and "tracking server is out of reach" in train_away.stderr, train_away.stderr[-200:])
raise SystemExit(f"{failed} checks failed" if failed else 0)
