"""Writes report/testdata/events.tfevents with TensorBoard's own messages and
record writer; report's encoder must give the same bytes.

    /path/to/python parity/make_events.py

Made with tensorboard 2.21.0. Times, steps, tags and values stand below and in
report/events_test.go.
"""

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

EVENTS = [
    Event(wall_time=1700000000.25, file_version="brain.Event:2"),
    Event(wall_time=1700000000.25, step=11, session_log=SessionLog(status=SessionLog.START)),
    Event(
        wall_time=1700000001.5,
        step=300,
        summary=Summary(
            value=[
                Summary.Value(tag="train/loss", simple_value=1.25),
                Summary.Value(tag="train/learning_rate", simple_value=1e-4),
                Summary.Value(tag="eval/gen/f1/avg_f1_ans", simple_value=0.41),
            ]
        ),
    ),
    Event(wall_time=1700000002.0, step=301, summary=Summary(value=[Summary.Value(tag="test/loss", simple_value=float("nan"))])),
]

with open("report/testdata/events.tfevents", "wb") as out:
    writer = RecordWriter(out)
    for event in EVENTS:
        writer.write(event.SerializeToString())
    writer.flush()
