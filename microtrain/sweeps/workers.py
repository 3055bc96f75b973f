"""Who does the work: this process, several on this computer (joblib), or a Dask cluster. All give the same results.

Each gives the trials back as they end, in any order. Whoever is killed, what has ended is safe with the caller, and the
rest is done again.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
from collections.abc import Iterator, Sequence
from pickle import PicklingError
from typing import Any

from ..errors import ArgumentError, MicrotrainError
from .space import Trial
from .target import Target
from .trial import Outcome, Settings, run_trial

Ended = Iterator[tuple[Trial, Outcome]]
PATIENCE = 3  # how often all may be started anew without a single trial ending in between
CONNECT = 3  # seconds to wait for a scheduler


class MissingExtraError(MicrotrainError, ImportError):
    """Something that is installed with an extra of microtrain."""


def need(*modules: str) -> None:
    """Raise `MissingExtraError` unless these can be imported."""
    from importlib.util import find_spec

    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError(
                f"Sweeps need {module}, which is not installed.", fix='python -m pip install "microtrain[sweep]"'
            )


def serial(target: Target, trials: Sequence[Trial], settings: Settings) -> Ended:
    """One after the other, here."""
    need("threadpoolctl")
    for trial in trials:
        yield trial, run_trial(target, trial, settings)


def _numbered(number: int, target: Target, trial: Trial, settings: Settings) -> tuple[int, Outcome]:
    return number, run_trial(target, trial, settings)


def by_joblib(target: Target, trials: Sequence[Trial], settings: Settings, jobs: int) -> Ended:
    """In `jobs` processes. If one is killed they are started again for what is left."""
    need("threadpoolctl", "joblib")
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import BrokenProcessPool

    left = dict(enumerate(trials))
    breakdowns = 0
    while left:
        calls = [delayed(_numbered)(number, target, trial, settings) for number, trial in left.items()]
        try:
            with without_interrupts():
                ended = Parallel(jobs, backend="loky", return_as="generator_unordered", batch_size=1)(calls)
            for number, outcome in ended:
                breakdowns = 0
                yield left.pop(number), outcome
        except PicklingError as error:
            raise _unsendable(target, error) from None
        except BrokenProcessPool as error:
            breakdowns += 1
            if breakdowns == PATIENCE:
                raise MicrotrainError(
                    f"The processes died {PATIENCE} times, and no trial ended in between.",
                    f"A trial may need more memory than there is. {str(error).splitlines()[0]}",
                    f"{len(left)} trials are left. Run the same again with fewer jobs.",
                ) from None


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes started inside never see Ctrl-C, which a terminal sends to all; this one sees it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing.resource_tracker import ensure_running

    ensure_running()  # or it is started inside, and in Python 3.11 unblocks Ctrl-C when it is
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _unsendable(target: Target, error: BaseException) -> ArgumentError:
    return ArgumentError(
        f"{target.name} can't be sent to another process: {_first_line(error)}",
        "It holds on to something that belongs to this process, such as an open file or a lock.",
        "Make that inside the function, or put the function into a file and name it: FILE.py:function.",
    )


def by_dask(target: Target, trials: Sequence[Trial], settings: Settings, address: str) -> Ended:
    """On a Dask cluster, whose workers need microtrain. A task whose worker dies is done by another one.

    Raises `ArgumentError` if no scheduler answers.
    """
    need("threadpoolctl", "distributed")
    from distributed import CancelledError, Client, as_completed
    from distributed.scheduler import KilledWorker

    with _quiet(), contextlib.ExitStack() as stack:
        client, silence = None, ""
        try:
            client = stack.enter_context(Client(address, timeout=CONNECT, set_as_default=False))
        except (OSError, ValueError, TimeoutError, ImportError, TypeError) as error:
            silence = _first_line(error)
        if client is None:
            # Dask's half-made client ends now: if it were found by the garbage collector while the next one begins, the
            # two would wait for each other for ever.
            gc.collect()
            raise ArgumentError(
                f"No Dask scheduler answers at {address}: {silence}",
                fix="Start one: dask scheduler; dask worker tcp://HOST:8786 --nthreads 1; and give its tcp:// address.",
            )
        if not client.scheduler_info()["workers"]:
            with contextlib.suppress(TimeoutError):
                client.wait_for_workers(1, timeout=CONNECT)
            if not client.scheduler_info()["workers"]:
                raise ArgumentError(f"The cluster at {address} has no workers.", fix=f"dask worker {address}")
        _check_workers(client, address)
        _check_sendable(target)
        futures = {
            client.submit(
                run_trial, target, trial, settings, pure=False, key=f"trial-{trial.key(target.identity)}"
            ): trial
            for trial in trials
        }
        try:
            for future in as_completed(list(futures), loop=client.loop):
                yield futures[future], _result(future, KilledWorker, CancelledError, address)
                future.release()
        finally:
            client.cancel(list(futures))


def _check_workers(client: Any, address: str) -> None:
    """Every worker has this version of microtrain."""
    from .. import __version__

    try:
        versions = set(client.run(_version).values())
    except Exception as error:
        raise ArgumentError(
            f"The workers at {address} can't run microtrain: {_first_line(error)}",
            fix='Install it there: python -m pip install "microtrain[sweep]"',
        ) from None
    if versions != {__version__}:
        raise ArgumentError(
            f"The workers have microtrain {', '.join(sorted(versions))}, and here is {__version__}.",
            fix="Install the same everywhere, or the results will not be the same.",
        )


def _check_sendable(target: Target) -> None:
    import cloudpickle  # Dask's own

    try:
        cloudpickle.dumps(target)
    except (PicklingError, TypeError, AttributeError) as error:
        raise _unsendable(target, error) from None


def _version() -> str:
    from .. import __version__

    return __version__


def _result(future: Any, killed: type[Exception], cancelled: type[Exception], address: str) -> Outcome:
    try:
        return future.result()  # type: ignore[no-any-return]
    except killed:
        return Outcome({}, {}, "Every worker that tried this died: it may need more memory than they have.")
    except cancelled:
        raise MicrotrainError(
            f"The Dask cluster at {address} is gone.", fix="What has ended is safe. Run the same again to go on."
        ) from None
    except Exception as error:
        raise MicrotrainError(
            f"A worker could not start a trial: {type(error).__name__}: {_first_line(error)}",
            "It needs everything that the function imports.",
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the log lines about workers that come and go: what matters is raised or in the results."""
    loggers = [logging.getLogger(name) for name in ("distributed", "asyncio")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
