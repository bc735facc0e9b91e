#!/usr/bin/env bash
# onnxoptimizer 0.4.2, optimize with its default passes: of two Reshape nodes in a row the first is dropped, also where the second has a
# 0 in its shape, which stands for the size of what it is given: that is now another tensor's. The result has another shape, and
# other numbers come of it, without a word. Expected was the same result, as the other default passes give, or both nodes kept.
#
# The pass is eliminate_consecutive_idempotent_ops: it takes a Reshape for an operator that does away with the one before it, as Relu
# does. Exporters write 0 for a size that varies ("the batch"). A row for each token of a batch of texts, (-1, width) and
# then (0, -1), becomes a row for each text, and the mean of each is that of all its tokens. Checker and shape inference are
# content, since -1 takes up the rest. Issue 171 of its repository has an error that comes of the same pass.
#
# Seen on Python 3.11, onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6; two texts, three tokens, width 8, numbers from 0 to 47:
#   (-1, 8), (0, -1): (6, 8), by numpy (6, 8), optimized (2, 24)
#   (-1, 8), (0, -1), mean of each row: 3.5 11.5 19.5 27.5 35.5 43.5, by numpy 3.5 11.5 19.5 27.5 35.5 43.5, optimized 11.5 35.5
#   (-1, 8), (0, 2, -1): (6, 2, 4), by numpy (6, 2, 4), optimized (2, 2, 12)
#   (-1, 8), (6, -1): (6, 8), by numpy (6, 8), optimized (6, 8)
#   that pass alone: (2, 24); all others of the default: (6, 8)
set -euo pipefail
script=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check \
  onnxoptimizer==0.4.2 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat > run.py <<'P'
import numpy as np, onnx, onnxoptimizer, onnxruntime
from onnx import TensorProto, helper, numpy_helper

x = np.arange(48, dtype=np.float32).reshape(2, 3, 8)

def run(model):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]

def made(first, second, mean):
    nodes = [helper.make_node("Reshape", ["x", "first"], ["a"]), helper.make_node("Reshape", ["a", "second"], ["b" if mean else "y"])]
    if mean:
        nodes.append(helper.make_node("ReduceMean", ["b"], ["y"], axes=[1], keepdims=0))
    told = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["texts", 3, 8])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows"] if mean else [f"size{n}" for n in range(len(second))])
    shapes = [numpy_helper.from_array(np.array(shape), name) for shape, name in ((first, "first"), (second, "second"))]
    model = helper.make_model(helper.make_graph(nodes, "g", [told], [result], shapes), opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return model

def shown(result):
    return " ".join(f"{number:.1f}" for number in result) if result.ndim == 1 else str(result.shape)

for second, mean in (((0, -1), False), ((0, -1), True), ((0, 2, -1), False), ((6, -1), False)):
    model = made((-1, 8), second, mean)
    optimized = onnxoptimizer.optimize(model)
    onnx.checker.check_model(optimized, full_check=True)
    rows = x.reshape(-1, 8)
    expected = rows.reshape([size or rows.shape[n] for n, size in enumerate(second)])
    expected = expected.mean(axis=1) if mean else expected
    print(f"(-1, 8), {second}{', mean of each row' if mean else ''}: {shown(run(model))}, by numpy {shown(expected)}, optimized {shown(run(optimized))}")
model, one = made((-1, 8), (0, -1), False), "eliminate_consecutive_idempotent_ops"
others = [name for name in onnxoptimizer.get_fuse_and_elimination_passes() if name != one]
print(f"that pass alone: {shown(run(onnxoptimizer.optimize(model, [one])))}; all others of the default: {shown(run(onnxoptimizer.optimize(model, others)))}")
P
v/bin/python run.py 2>log | tee seen
diff seen <(sed -n '/^set -/q; s/^#   //p' "$script")
