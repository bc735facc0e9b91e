#!/usr/bin/env bash
# onnx 1.23.2: ReferenceEvaluator, which comes with the standard to say what a model's numbers should be, passes over inputs,
# attributes and opset versions without a word. onnxruntime 1.32.0 gives what the operators' pages say. Expected were these
# numbers, or the error that it raises for an operator it does not have.
#
# LSTM, GRU and RNN take no notice of sequence_lens (a padded row goes on through its padding: no zeros, another last state),
# of clip, of activations, and LSTM none of input_forget. Softmax, LogSoftmax and Hardmax of opset 11 are computed as of
# opset 13: one axis at a time, and the last where none is named, in the place of all from axis 1 on. BatchNormalization of
# opsets 9 to 13 mixes the mean and variance of the input into those of the model. LogSoftmax is the logarithm of
# the softmax: -inf where it should be -1000. A port that is tested against it learns its mistakes.
#
# Seen on Python 3.11, onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6; largest difference between the two:
#   plain LSTM 0.000, GRU 0.000; with sequence_lens: LSTM 0.421, GRU 0.369; clip: 0.335; activations: 0.656
#   opset 13: Softmax 0.000; opset 11: Softmax 0.374; opset 15: BatchNormalization 0.000; opset 9: 0.042; LogSoftmax -inf | -1000.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --no-compile --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$work/v/bin/python" -W ignore - <<'E' | tee "$work/seen"
import numpy as np, onnxruntime
from onnx import ValueInfoProto, helper
from onnx.reference import ReferenceEvaluator

def both(op, inputs, opset=14, **attributes):
    feed = {f"i{n}": x for n, x in enumerate(inputs) if x is not None}
    node = helper.make_node(op, [f"i{n}" if x is not None else "" for n, x in enumerate(inputs)], ["o"], **attributes)
    told = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in feed.items()]
    model = helper.make_model(helper.make_graph([node], "g", told, [ValueInfoProto(name="o")]), ir_version=8,
                              opset_imports=[helper.make_opsetid("", opset)])
    run = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run
    return ReferenceEvaluator(model).run(None, feed)[0], run(None, feed)[0]

def differ(*args, **more):
    a, b = both(*args, **more)
    assert a.shape == b.shape
    return f"{np.abs(a - b).max():.3f}"

wave = lambda *shape: np.sin(np.arange(np.prod(shape), dtype=np.float32) * 2).reshape(shape)
rows, lens = wave(3, 2, 2), np.array([3, 1], np.int32)  # three steps, two rows; the second row is one step long
lstm, gru, size = [rows, wave(1, 12, 2), wave(1, 12, 3)], [rows, wave(1, 9, 2), wave(1, 9, 3)], {"hidden_size": 3}
norm = [wave(2, 3, 4)] + [np.array(x, np.float32) for x in ([1, 1, 1], [0, 0, 0], [0, 0, 0], [1, 1, 1])]
print(f"plain LSTM {differ('LSTM', lstm, **size)}, GRU {differ('GRU', gru, **size)}; with sequence_lens: "
      f"LSTM {differ('LSTM', lstm + [None, lens], **size)}, GRU {differ('GRU', gru + [None, lens], **size)}; "
      f"clip: {differ('LSTM', lstm, clip=0.2, **size)}; activations: {differ('GRU', gru, activations=['Sigmoid', 'Relu'], **size)}")
losses = [x[0, 1] for x in both("LogSoftmax", [np.array([[1000, 0]], np.float32)])]
print(f"opset 13: Softmax {differ('Softmax', [wave(2, 3, 4)], 13)}; opset 11: Softmax {differ('Softmax', [wave(2, 3, 4)], 11)}; "
      f"opset 15: BatchNormalization {differ('BatchNormalization', norm, 15)}; opset 9: {differ('BatchNormalization', norm, 9)}; "
      f"LogSoftmax {losses[0]} | {losses[1]}")
E
diff "$work/seen" - <<'E'
plain LSTM 0.000, GRU 0.000; with sequence_lens: LSTM 0.421, GRU 0.369; clip: 0.335; activations: 0.656
opset 13: Softmax 0.000; opset 11: Softmax 0.374; opset 15: BatchNormalization 0.000; opset 9: 0.042; LogSoftmax -inf | -1000.0
E
