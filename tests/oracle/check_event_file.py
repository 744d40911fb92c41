"""Reads our event files with TensorBoard's own reader, and makes the golden with TensorBoard's own writer.

    python tests/oracle/check_event_file.py build/release/tests/oracle_write_events     runs it, reads its file, compares
    python tests/oracle/check_event_file.py --make tests/golden/events            writes the golden of tests/report
    python tests/oracle/check_event_file.py --run DIR        reads the log of a training run (DIR is its --out), compares it
                                                             with the run's own scalars.csv, and prints what is in it

Needs tensorboard and pillow; no TensorFlow.
"""
import argparse
import csv
import io
import math
import pathlib
import subprocess
import tempfile

import numpy
import tensorboard
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter


def check(program):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "events.out.tfevents.1600000000.host.1"
        subprocess.run([program, path], check=True)
        log = EventAccumulator(str(path), size_guidance={"scalars": 0, "images": 0, "histograms": 0})
        log.Reload()
        tags = log.Tags()
        assert sorted(tags["scalars"]) == ["train/broken", "train/loss"], tags
        loss = [(e.step, e.value) for e in log.Scalars("train/loss")]
        wanted = [(s, float(numpy.float32(1 / (s + 1)))) for s in range(8)] + [(s, float(-s)) for s in range(8, 12)]
        assert loss == wanted, loss  # steps 8 and 9 of the first session are forgotten, the cut record is gone
        times = [e.wall_time for e in log.Scalars("train/loss")]
        assert times[:2] == [1.6e9 + 0.5, 1.6e9 + 0.75] and times == sorted(times), times
        assert math.isnan(log.Scalars("train/broken")[0].value)
        picture = log.Images("mistakes")[0]
        pixels = numpy.asarray(Image.open(io.BytesIO(picture.encoded_image_string)))
        assert (picture.step, picture.width, picture.height) == (4, 7, 5)
        assert (pixels == (2 * numpy.arange(105) % 256).reshape(5, 7, 3)).all()
        histogram = log.Histograms("weights")[0].histogram_value
        values = numpy.arange(100) * 0.5 - 7
        assert (histogram.min, histogram.max, histogram.num) == (-7, 42.5, 100)
        assert math.isclose(histogram.sum, values.sum()) and math.isclose(histogram.sum_squares, (values**2).sum())
        assert numpy.allclose(histogram.bucket_limit, numpy.linspace(-7, 42.5, 11)[1:]) and sum(histogram.bucket) == 100
    print(f"TensorBoard {tensorboard.__version__} reads {len(loss)} scalars, an image and a histogram as they were written")


def make(folder):
    """The events of EventFile.WritesTheBytesThatTensorBoardWrites (tests/report/event_file_test.cpp)."""
    folder.mkdir(parents=True, exist_ok=True)
    events = [event_pb2.Event(wall_time=1.5e9, file_version="brain.Event:2")]

    def add(step, **value):
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(**value)])
        events.append(event_pb2.Event(wall_time=1.5e9 + len(events), step=step, summary=summary))

    add(1, tag="train/loss", simple_value=0.1)
    add(300, tag="train/loss", simple_value=-1e30)
    histogram = summary_pb2.HistogramProto(min=-1, max=3, num=4, sum=4.5, sum_squares=13.25, bucket_limit=[1, 3],
                                           bucket=[2, 2])
    add(1 << 40, tag="weights", histo=histogram)
    events.append(event_pb2.Event(wall_time=1.5e9 + len(events), step=250,
                                  session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)))
    with open(folder / "tensorboard.tfevents", "wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString(deterministic=True))
        writer.flush()
    print(f"TensorBoard {tensorboard.__version__}: {len(events)} events")


def check_run(folder):
    log = EventAccumulator(str(folder / "log"), size_guidance={"scalars": 0, "images": 0, "histograms": 0})
    log.Reload()
    tags = log.Tags()
    shown = {tag: [(e.step, e.value) for e in log.Scalars(tag)] for tag in tags["scalars"]}
    table = {}
    with open(folder / "log" / "scalars.csv", newline="") as file:
        for row in csv.DictReader(file):
            table.setdefault(row["tag"], []).append((int(row["step"]), float(numpy.float32(row["value"]))))
    assert shown == table, (shown, table)
    for tag, values in shown.items():
        steps = [step for step, _ in values]
        assert steps == sorted(set(steps)), (tag, steps)
        print(f"{tag:28} {len(values):5} values, steps {steps[0]} to {steps[-1]}, last {values[-1][1]:.6g}")
    for tag in tags["images"]:
        for picture in log.Images(tag):
            image = Image.open(io.BytesIO(picture.encoded_image_string))
            assert image.size == (picture.width, picture.height)
            print(f"{tag:28} image of {image.size[0]} x {image.size[1]} at step {picture.step}")
    for tag in tags["histograms"]:
        for entry in log.Histograms(tag):
            assert sum(entry.histogram_value.bucket) == entry.histogram_value.num, (tag, entry.step)
    steps = sorted({e.step for tag in tags["histograms"] for e in log.Histograms(tag)})
    print(f"histograms of {len(tags['histograms'])} variables at steps {steps}")
    print(f"TensorBoard {tensorboard.__version__} reads what scalars.csv holds: {sum(map(len, shown.values()))} scalars, each step once")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?")
    parser.add_argument("--make", type=pathlib.Path)
    parser.add_argument("--run", type=pathlib.Path)
    options = parser.parse_args()
    if options.make:
        make(options.make)
    if options.run:
        check_run(options.run)
    if options.program:
        check(options.program)


if __name__ == "__main__":
    main()
