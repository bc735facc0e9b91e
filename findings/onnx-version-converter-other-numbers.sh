#!/usr/bin/env bash
# onnx 1.23.2, version_converter.convert_version: a Softmax or LogSoftmax over any axis but the last gives other numbers from opset 13 to
# 12, a Hardmax from 12 to 13, a Resize (and an Upsample) from 10 to 11. The checker passes the model, and nothing is said. Expected
# was a model that computes the same, or the RuntimeError that it "raises when some necessary conversion is not supported".
#
# Before opset 13 these three work on all axes from the one named to the last at once, since then on the one. Up, Softmax and LogSoftmax
# are put between a Flatten and a Reshape for it; Hardmax is taken for compatible, and down the axis's number is kept as it is. Attention
# pooling, a softmax over a text's tokens for each head, then shares one sum among all heads. Resize got
# coordinate_transformation_mode in opset 11 with another default; "asymmetric" would be the old one, and isn't set.
#
# Seen on Python 3.11, onnxruntime 1.32.0, numpy 2.4.6; largest difference between the results before and after:
#   Softmax, axis 2 of 3: 13 to 12: 0.000; 12 to 13: 0.000
#   Softmax, axis 1 of 3: 13 to 12: 0.256; 12 to 13: 0.000; sums of weights over the tokens before 1.000 1.000, after 0.337 0.663
#   LogSoftmax, axis 1 of 3: 13 to 12: 1.087; 12 to 13: 0.000
#   Hardmax, axis 2 of 3: 12 to 13: 0.000
#   Hardmax, axis 1 of 3: 12 to 13: 1.000
#   Resize, linear, twice: 10 to 11: 1.250; with asymmetric: 0.000
#   Resize, nearest, 1.7 times: 10 to 11: 5.000
#   Upsample, linear, twice: 9 to 11: 1.250
set -euo pipefail
script=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat > run.py <<'P'
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper, version_converter

def run(model, x):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]

def made(op, x, opset, scales=None, **attributes):
    node = helper.make_node(op, ["x"] + ["scales"] * (scales is not None), ["y"], **attributes)
    told = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [f"size{n}" for n in range(x.ndim)])
    constants = [] if scales is None else [numpy_helper.from_array(np.array(scales, np.float32), "scales")]
    graph = helper.make_graph([node], "g", [told], [result], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return model

def differ(op, x, start, end, mended=None, **more):
    before = made(op, x, start, **more)
    after = version_converter.convert_version(before, end)
    onnx.checker.check_model(after, full_check=True)
    if mended:
        next(n for n in after.graph.node if n.op_type == op).attribute.append(helper.make_attribute("coordinate_transformation_mode", mended))
    return run(before, x), run(after, x)

gap = lambda pair: f"{np.abs(pair[0] - pair[1]).max():.3f}"
scores = np.sin(np.arange(8, dtype=np.float32) ** 2).reshape(1, 4, 2)  # one text, four tokens, two heads
power = np.exp(scores)
for op, axis in (("Softmax", 2), ("Softmax", 1), ("LogSoftmax", 1)):
    pair = differ(op, scores, 13, 12, axis=axis)
    by_definition = power / power.sum(axis=axis, keepdims=True)
    assert np.allclose(pair[0], by_definition if op == "Softmax" else np.log(by_definition), atol=1e-6)
    sums = "; sums of weights over the tokens before {:.3f} {:.3f}, after {:.3f} {:.3f}".format(*pair[0].sum(1)[0], *pair[1].sum(1)[0])
    print(f"{op}, axis {axis} of 3: 13 to 12: {gap(pair)}; 12 to 13: {gap(differ(op, scores, 12, 13, axis=axis))}"
          f"{sums if (op, axis) == ('Softmax', 1) else ''}")
for axis in (2, 1):
    print(f"Hardmax, axis {axis} of 3: 12 to 13: {gap(differ('Hardmax', scores, 12, 13, axis=axis))}")
image = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
twice = dict(scales=[1, 1, 2, 2], mode="linear")
print(f"Resize, linear, twice: 10 to 11: {gap(differ('Resize', image, 10, 11, **twice))}; "
      f"with asymmetric: {gap(differ('Resize', image, 10, 11, mended='asymmetric', **twice))}")
print(f"Resize, nearest, 1.7 times: 10 to 11: {gap(differ('Resize', image, 10, 11, scales=[1, 1, 1.7, 1.7], mode='nearest'))}")
print(f"Upsample, linear, twice: 9 to 11: {gap(differ('Upsample', image, 9, 11, **twice))}")
P
v/bin/python run.py 2>log | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
