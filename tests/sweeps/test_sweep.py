"""Sweeps: what is tried, who does it, what is kept, and what is found."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import microtrain as mt
from microtrain.sweeps import Sweep, SweepInterrupted, experiment, sweep
from microtrain.sweeps.target import EXPERIMENTS

from . import functions

FILE = Path(functions.__file__)
GRID = {"lr": [0.1, 0.01], "width": [4, 8]}


def run(function="line", grid=None, **options):
    return sweep(f"{FILE}:{function}", grid, show=False, **options)


@pytest.fixture(scope="module")
def serial():
    return run(grid=GRID, seeds=2).to_json()


def test_all_combinations_and_seeds(serial):
    trials = json.loads(serial)["trials"]
    assert [(t["parameters"]["lr"], t["parameters"]["width"], t["seed"]) for t in trials] == [
        (lr, width, seed) for lr in GRID["lr"] for width in GRID["width"] for seed in (0, 1)
    ]
    assert {t["numbers"]["calls"] for t in trials} == {1}, "a trial saw what another one left behind"
    assert len({t["numbers"]["noise"] for t in trials}) == 2, "the global streams start from the seed"
    assert len({t["numbers"]["train_loss"] for t in trials}) == 8


def test_a_number_tells_which_seed_was_used(serial):
    alone = run(grid={"lr": [0.01]}, fixed={"width": 8}, seeds=[1])
    trials = [t for t in json.loads(serial)["trials"] if (t["seed"], *t["parameters"].values()) == (1, 0.01, 8)]
    assert [t.outcome.as_json()["numbers"] for t in alone.trials] == [t["numbers"] for t in trials]


# ---- who does the work -----------------------------------------------------------------------------------------------


def test_processes_give_the_same_bits(serial):
    assert run(grid=GRID, seeds=2, jobs=2).to_json() == serial


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address=None, host="127.0.0.1", silence_logs=50
    ) as cluster:
        yield cluster


@pytest.mark.filterwarnings("ignore")
@pytest.mark.wide
def test_a_dask_cluster_gives_the_same_bits(serial, cluster):
    assert run(grid=GRID, seeds=2, dask=cluster.scheduler_address).to_json() == serial


@pytest.mark.wide
@pytest.mark.filterwarnings("ignore")
def test_a_killed_dask_worker_loses_nothing(cluster, tmp_path):
    grid, options = {"lr": [float(k) for k in range(6)]}, {"seeds": 2, "fixed": {"seconds": 0.2}}
    expected = run("slow", grid, **options).to_json()

    def kill():
        time.sleep(0.5)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = run("slow", grid, dask=cluster.scheduler_address, out=tmp_path, **options)
    killer.join()
    assert result.to_json() == expected == (tmp_path / "results.json").read_text()
    assert len(list((tmp_path / "trials").glob("*.json"))) == 12


@pytest.mark.wide
@pytest.mark.filterwarnings("ignore")
def test_a_trial_that_kills_its_workers_has_failed(cluster):
    result = run("deadly", {"lr": [1.0]}, dask=cluster.scheduler_address)
    assert "died" in result.failures[0].outcome.error


@pytest.mark.wide
def test_a_killed_process_loses_nothing(tmp_path):
    options = {"grid": {"lr": [float(k) for k in range(6)]}, "seeds": 2}
    expected = run("slow", **options).to_json()

    def kill():
        for _ in range(200):
            time.sleep(0.02)
            ended = list((tmp_path / "trials").glob("[0-9a-f]*.json"))
            if len(ended) >= 2:
                os.kill(int(json.loads(ended[0].read_text())["where"].rpartition(":")[2]), signal.SIGKILL)
                return

    killer = threading.Thread(target=kill)
    killer.start()
    result = run("slow", jobs=2, out=tmp_path, **options)
    killer.join()
    assert result.to_json() == expected


def test_a_trial_that_kills_every_process_is_named():
    with pytest.raises(mt.MicrotrainError, match="died 3 times"):
        run("deadly", {"lr": [1.0]}, jobs=2)


@pytest.mark.wide
def test_no_cluster():
    pytest.importorskip("distributed")
    start = time.perf_counter()
    with pytest.raises(mt.MicrotrainError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        run("nothing", {"lr": [1]}, dask="tcp://127.0.0.1:9")
    for wrong in ("nonsense://x", "tcp://:::", ""):
        with pytest.raises(mt.MicrotrainError, match="No Dask scheduler"):
            run("nothing", {"lr": [1]}, dask=wrong)
        clients = [x for x in gc.get_objects() if type(x).__name__ == "Client" and "distributed" in type(x).__module__]
        assert not [x for x in clients if x.status not in ("closed", "newly-created")], "a client was left behind"
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("missing, options", [("joblib", {"jobs": 2}), ("distributed", {"dask": "tcp://x:1"}), ("threadpoolctl", {})])  # fmt: skip
def test_missing_extras_are_named(monkeypatch, missing, options):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(ImportError, match=rf"(?s){missing}.*microtrain\[sweep\]"):
        run("nothing", {"lr": [1]}, **options)


@pytest.mark.parametrize("jobs", [1, 2])
def test_blas_has_one_thread(jobs):
    (trial,) = run("blas_threads", {"lr": [1]}, jobs=jobs).trials
    assert trial.outcome.numbers["value"] == 1


# ---- interrupted, resumed --------------------------------------------------------------------------------------------


def test_an_interrupted_sweep_goes_on_where_it_was(tmp_path):
    options = {"grid": {"lr": [1.0, 2.0, 3.0]}, "seeds": 2, "out": tmp_path}

    class Stop:
        count = 0

        def __call__(self, lr, seed=0):
            Stop.count += 1  # of the class: an object that changes would be another function
            if Stop.count == 4:
                raise KeyboardInterrupt
            return lr * seed

    stop = Stop()
    with pytest.raises(SweepInterrupted, match="3 of 6 trials are safe"):
        sweep(stop, show=False, **options)
    result = sweep(stop, show=False, **options)
    assert stop.count == 4 + 3 and [t.outcome.numbers["value"] for t in result.trials] == [0, 1, 0, 2, 0, 3]
    sweep(stop, show=False, **options)
    assert stop.count == 7, "everything was there already"
    sweep(stop, {"lr": [1.0, 9.0]}, seeds=2, out=tmp_path, show=False)
    assert stop.count == 9, "only what is new is computed"


@pytest.mark.wide
def test_killed_and_started_again(tmp_path):
    """The whole command is killed with SIGKILL in mid-sweep; the same command finishes the work."""
    command = [
        sys.executable, "-m", "microtrain", "sweep", f"{FILE}:slow", "seconds=0.1", "--grid", "lr=1,2,3,4", "--seeds", "3",
        "-o", str(tmp_path / "s"), "--no-plot",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    trials = tmp_path / "s" / "trials"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(trials.glob("[0-9a-f]*.json"))) < 3:
        time.sleep(0.01)
    process.kill()
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in trials.glob("[0-9a-f]*.json")}
    assert 3 <= len(before) < 12
    assert subprocess.run(command, capture_output=True, timeout=100).returncode == 0
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())
    expected = run("slow", {"lr": [1, 2, 3, 4]}, seeds=3, fixed={"seconds": 0.1})
    assert (tmp_path / "s" / "results.json").read_text() == expected.to_json()


def test_damaged_files_are_computed_again(tmp_path):
    expected = run("nothing", {"lr": [1, 2, 3, 4, 5, 6]}, out=tmp_path).to_json()
    damaged = ["", "[" * 100_000, "{}", '{"parameters": 1}', "\ud800", '{"numbers": {"x": "eval()"}}']
    for path, text in zip(sorted((tmp_path / "trials").iterdir()), damaged, strict=True):
        path.write_text(text, errors="surrogatepass")
    assert run("nothing", {"lr": [1, 2, 3, 4, 5, 6]}, out=tmp_path).to_json() == expected
    for text in damaged:
        (tmp_path / "results.json").write_text(text, errors="surrogatepass")
        with pytest.raises(mt.MicrotrainError):
            Sweep.load(tmp_path)
    with pytest.raises(mt.MicrotrainError):
        Sweep.load(tmp_path / "nowhere")


def test_an_edited_function_is_another_function(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def f(a):\n    return a\n")
    assert sweep(f"{file}:f", {"a": [1, 2]}, out=tmp_path / "s", show=False).rows[1].mean("value") == 2
    file.write_text("def f(a):\n    return a * 10\n")
    assert sweep(f"{file}:f", {"a": [1, 2]}, out=tmp_path / "s", show=False).rows[1].mean("value") == 20


def test_failures_are_told_and_tried_again(tmp_path):
    result = run("moody", {"lr": [0.1, 0.9]}, out=tmp_path)
    (failure,) = result.failures
    assert failure.parameters == {"lr": 0.9} and "too much" in failure.outcome.error
    assert "functions.py" in failure.outcome.error and "raise ValueError" in failure.outcome.error
    assert "1 of 1 failed" in repr(result) and result.best().parameters == {"lr": 0.1}
    assert "too much" in (tmp_path / "results.csv").read_text()
    everything = run("moody", {"lr": [0.9]})
    assert everything.numbers == [] and everything.metric == ""
    assert "1 of 1 failed" in repr(everything)


# ---- what comes back -------------------------------------------------------------------------------------------------


def test_random_draws():
    ranges = {"lr": "log:1e-4:1e-1", "width": "int:4:6", "kind": "choice:a,b", "share": "uniform:-1:1"}

    def settings(lr, width, kind, share):
        return lr

    result = sweep(settings, random=ranges, draws=60, show=False)
    drawn = [t.parameters for t in result.trials]
    assert len(drawn) == 60
    lrs = np.log10([p["lr"] for p in drawn])
    assert -4 <= lrs.min() < -3.3 and -1.7 < lrs.max() <= -1 and abs(np.median(lrs) + 2.5) < 0.6
    assert {p["width"] for p in drawn} == {4, 5, 6} and {p["kind"] for p in drawn} == {"a", "b"}
    assert all(-1 <= p["share"] <= 1 for p in drawn)
    first = sweep(settings, random=ranges, draws=10, show=False)
    assert [t.parameters for t in first.trials] == drawn[:10], "more draws begin with the same ones"
    other = sweep(settings, random=ranges, draws=10, seed=1, show=False)
    assert [t.parameters for t in other.trials] != drawn[:10]
    both = sweep(
        settings, {"share": [1, 2]}, random={k: v for k, v in ranges.items() if k != "share"}, draws=3, show=False
    )
    assert len(both.trials) == 6


def test_what_a_function_may_return():
    history = mt.train.History([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": float("inf")}])
    returned = {
        "number": 3, "truth": True, "text": "a", "none": None, "numpy": np.float32(0.1), "tensor": mt.tensor(2.0),
        "curve": [1, 2.5], "array": np.arange(3), "history": history, "second": history,
    }  # fmt: skip
    outcome = sweep(lambda: returned, show=False).trials[0].outcome
    assert outcome.numbers["numpy"] == float(np.float32(0.1)) and outcome.numbers["loss"] == float("inf")
    assert outcome.curves["second.loss"] == [2.0, float("inf")] and outcome.curves["array"] == [0, 1, 2]
    assert outcome.numbers["text"] == "a" and outcome.numbers["none"] is None and outcome.numbers["curve"] == 2.5
    assert sweep(lambda: 4, show=False).rows[0].mean("value") == 4
    assert type(outcome).of(json.loads(json.dumps(outcome.as_json()))).as_json() == outcome.as_json()
    for odd in (object(), {"x": object()}, mt.ones(2, 2), {"x": {"y": 1}}):
        (failure,) = sweep(lambda odd=odd: odd, show=False).failures
        assert "can't write down" in failure.outcome.error
    (failure,) = sweep(lambda: None, show=False).failures
    assert "forget its return" in failure.outcome.error


def test_tables_and_curves(tmp_path):
    def f(lr, seed=0):
        return {"loss": lr * (1 + seed), "curve": [lr] * (seed + 1)}

    result = sweep(f, {"lr": [2, 1]}, seeds=3, out=tmp_path, show=False)
    assert result.best().parameters == {"lr": 1} and result.best("loss", "max").parameters == {"lr": 2}
    assert result.rows[0].mean("loss") == 4 and result.rows[0].spread("loss") == 2
    assert "4 ± 2" in repr(result) and "<td>4 ± 2</td>" in result._repr_html_() and "best" in repr(result)
    curves = result.curve("curve")
    assert list(curves) == ["lr=2", "lr=1"] and curves["lr=2"].shape == (3, 3)
    np.testing.assert_array_equal(curves["lr=1"], [[1, np.nan, np.nan], [1, 1, np.nan], [1, 1, 1]])
    again = Sweep.load(tmp_path)
    assert again.to_json() == result.to_json() and again.to_csv() == result.to_csv() and repr(again) == repr(result)
    lines = result.to_csv().splitlines()
    assert lines[0] == "lr,seed,loss,curve,error" and lines[1] == "2,0,2,2.0," and len(lines) == 7
    for wrong in (lambda: result.best("colour"), lambda: result.curve("colour"), lambda: result.best(mode="top")):
        with pytest.raises(mt.MicrotrainError):
            wrong()
    assert not result.all_seeds_agree() and sweep(lambda: 1, seeds=2, show=False).all_seeds_agree()


def test_the_callers_streams_are_left_alone():
    mt.manual_seed(3)
    expected = mt.rand(1).item()
    mt.manual_seed(3)
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    sweep(lambda: mt.set_default_dtype(mt.float32) or mt.rand(1).item() + np.random.rand(), seeds=3, show=False)
    assert mt.get_default_dtype() == np.float64 and mt.rand(1).item() == expected
    assert np.random.get_state()[1].tolist() == before


def test_the_default_dtype_goes_along():
    mt.set_default_dtype(mt.float32)
    try:
        (trial,) = run("kind", {"lr": [1]}, jobs=2).trials
    finally:
        mt.set_default_dtype(mt.float64)
    assert trial.outcome.numbers["value"] == "float32"


def test_named_experiments():
    result = sweep("digits", {"lr": [0.01]}, fixed={"epochs": 1, "width": 16}, show=False)
    assert result.metric == "test_accuracy" and result.rows[0].mean("test_accuracy") > 0.5

    @experiment("just for this test")
    def f(a=1):
        return a

    try:
        assert sweep("just for this test", {"a": [5]}, show=False).rows[0].mean("value") == 5
    finally:
        del EXPERIMENTS["just for this test"]


# ---- what can't be meant ---------------------------------------------------------------------------------------------


def test_unknown_functions(tmp_path):
    (tmp_path / "broken.py").write_text("x = 1\ny = (\n")
    (tmp_path / "raises.py").write_text("\n\n1 / 0\n")
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    for name, message in {
        f"{FILE}:lime": "has no function 'lime'.*line",
        f"{tmp_path}/none.py:f": "can't be read",
        f"{tmp_path}/broken.py:f": "line [23].*SyntaxError",
        f"{tmp_path}/raises.py:f": "line 3.*ZeroDivisionError",
        f"{tmp_path}/leaves.py:f": "line 2.*SystemExit",
        "nothing": "no experiment 'nothing'.*digits",
        "no.such.module:f": "can't be imported",
        "json:nope": "has no function 'nope'",
        "": "no experiment",
        "book:1.2": "book",
    }.items():
        with pytest.raises(mt.MicrotrainError, match=f"(?s){message}"):
            sweep(name, {"lr": [1]}, show=False)
    with pytest.raises(mt.MicrotrainError, match="takes a function"):
        sweep(3, {"lr": [1]}, show=False)


def test_settings_that_make_no_sense(tmp_path):
    def f(lr, width, *, seed=0):
        return lr

    for options, message in {
        "unknown": ({"grid": {"lr": [1], "widht": [2]}}, "can't be called.*widht"),
        "missing": ({"grid": {"lr": [1]}}, "missing a required.*width"),
        "seed": ({"grid": {"lr": [1], "width": [1], "seed": [1]}}, "Use seeds="),
        "twice": ({"grid": {"lr": [1]}, "fixed": {"lr": 2, "width": 1}}, "lr is given twice"),
        "empty": ({"grid": {"lr": [], "width": [1]}}, "no values for lr"),
        "text": ({"grid": {"lr": "0.1", "width": [1]}}, "no values for lr"),
        "object": ({"grid": {"lr": [object()], "width": [1]}}, "has the value"),
        "nan": ({"grid": {"lr": [float("nan")], "width": [1]}}, "has the value nan"),
        "seeds": ({"grid": {"lr": [1], "width": [1]}, "seeds": 0}, "at least one"),
        "negative": ({"grid": {"lr": [1], "width": [1]}, "seeds": [-1]}, "non-negative"),
        "jobs": ({"grid": {"lr": [1], "width": [1]}, "jobs": 0}, "jobs is at least 1"),
        "both": ({"grid": {"lr": [1], "width": [1]}, "jobs": 2, "dask": "x"}, "Leave out jobs"),
        "draws": ({"grid": {"width": [1]}, "random": {"lr": "log:1:2"}}, "0 random draws of lr"),
        "nothing": ({"grid": {"lr": [1], "width": [1]}, "draws": 4}, "4 random draws of nothing"),
        "kind": ({"grid": {"width": [1]}, "random": {"lr": "lin:1:2"}, "draws": 1}, "no distribution"),
        "ends": ({"grid": {"width": [1]}, "random": {"lr": "log:0:2"}, "draws": 1}, "no distribution"),
        "many": ({"grid": {"lr": list(range(2000)), "width": list(range(2000))}}, "4,000,000 trials"),
    }.values():
        with pytest.raises(mt.MicrotrainError, match=f"(?s){message}"):
            sweep(f, show=False, **options)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(mt.MicrotrainError, match="is a file"):
        sweep(lambda: 1, out=tmp_path / "file", show=False)
