"""Workers that are tasks of a Ray cluster: the same units, results and display, on many machines.

Machines need not share a file system. What a unit needs is sent with it, and what it writes comes
back whenever it has evaluated or checkpointed, so that a machine lost in the middle costs what was
done since then: the unit goes on elsewhere from its last checkpoint. Every machine needs the same
versions; that is checked.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ....agents.bundles.storage import MANIFEST, write_directory
from ....core.errors import HeadstartError, one_line, shown
from ....core.files import read_json, write_bytes, write_synced
from ....core.heartbeat import Heartbeat, describe_hang, write_calls_to
from ....envs.vector.cores import ONE_THREAD
from ...config.schema import Experiment, load
from ...records import CURVE
from .. import metadata
from ..claims import CLAIMED, ClaimLost, claim, holder
from ..plan import Unit
from ..pool import Answers, StartWorker
from ..unit import run_unit
from .start import python_path

LOCAL = "local"
PORT = 6379
PATIENCE = 10.0
"""Seconds that a cluster has to answer."""
LOSSES = 5
"""Machines that a unit may lose one after the other before it counts as failed."""
TRIAL = 30.0
"""Seconds that a first connection may take, of which Ray's own import takes some."""
CONNECT = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False); ray.shutdown()"
"""What tries a connection: Ray, given an address where something else listens, ends its process."""
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
"""All threads allocate from one place: else each unit's thread takes another one in a Ray worker,
which grows to gigabytes, and after some units is slower by half."""
Files = dict[str, bytes]


class ClusterError(HeadstartError):
    """A cluster that does not answer, or Ray is not installed."""


@contextmanager
def connected(address: str, experiment: Experiment) -> Iterator[tuple[StartWorker, int]]:
    """Connect to a cluster and yield what makes workers on it, and how many fit.

    `address` is `host:port` of a cluster's head, `ray://host:port`, or `local`, which starts a
    cluster of this machine alone for as long as it is connected. Ray's servers listen on all
    interfaces whatever they are told, so that cluster asks for a token, which Ray keeps in the
    user's home.

    Raises:
        ClusterError: Ray is not installed, was imported without asking for a token, or nothing
            answers at the address in time.
    """
    # Read by Ray when it is imported.
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", f"{PATIENCE:.0f}")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == LOCAL:
        if sys.modules.get("ray") is not None and os.environ.get("RAY_AUTH_MODE") != "token":
            raise ClusterError(
                "--cluster local: Ray was imported before, and asks for no token then; "
                "set the environment variable RAY_AUTH_MODE=token before importing it"
            )
        os.environ["RAY_AUTH_MODE"] = "token"
        # Ray's workers would give way to whatever else runs here, as those of --jobs do not.
        os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise ClusterError(
            "--cluster needs the extra 'cluster': pip install 'headstart[cluster]'"
        ) from None
    if address != LOCAL:
        _try(address)
    environment = {**ONE_THREAD, **ONE_ARENA, "PYTHONPATH": python_path()}
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address == LOCAL:
        settings |= {"include_dashboard": False, "num_cpus": os.cpu_count()}
    else:
        settings |= {"address": address, "runtime_env": {"env_vars": environment}}
    try:
        # What a cluster that is started here inherits takes it seconds less than what it is told.
        with _in_force(environment if address == LOCAL else {}):
            ray.init(**settings)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise ClusterError(_silent(address, str(error).split("\n")[0])) from None
    try:
        gpus = 1.0 if experiment.device.startswith("cuda") else 0.0
        held: dict[str, float] = ray.cluster_resources()
        fit = int(held.get("GPU", 0) if gpus else held.get("CPU", 1))
        if fit < 1:
            raise ClusterError(
                f"the cluster at '{address}' has no GPU, and the experiment's device is "
                f"'{experiment.device}'"
            )
        task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0, num_returns="streaming")(_work)

        def start(number: int, run: Path, answers: Answers) -> RayWorker:
            return RayWorker(number, run, answers, task)

        yield start, fit
    finally:
        ray.shutdown()


@contextmanager
def _in_force(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while in the context."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class RayWorker:
    """One place for a task on the cluster, and a thread here that follows what it does."""

    def __init__(self, number: int, run: Path, answers: Answers, task: Any) -> None:
        self.unit: Unit | None = None
        self._number, self._run, self._answers, self._task = number, run, answers, task
        self._stream: Any = None
        self._stopped = False
        self._error = ""
        self._thread: threading.Thread | None = None

    def give(self, unit: Unit, cores: int) -> None:
        """Send a unit to the cluster, which gives each a core."""
        self.unit = unit
        self._thread = threading.Thread(target=self._follow, args=(unit,), daemon=True)
        self._thread.start()

    def ending(self) -> str:
        """Say what was lost."""
        return self._error

    def hung(self, seconds: float) -> str | None:
        """Say nothing: the task itself looks how long its world takes."""
        return None

    def kill(self) -> None:
        """Cancel what is at work."""
        self.stop()

    def stop(self) -> None:
        """Cancel what is at work, and wait until nothing of it is written any more."""
        import ray

        self._stopped = True
        if self._stream is not None:
            ray.cancel(self._stream, force=True)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _follow(self, unit: Unit) -> None:
        try:
            with claim(self._run, unit.path) as mine:
                status = read_json(self._run / unit.path / "status.json") or {}
                if mine is None:
                    self._end(unit, CLAIMED, holder(self._run, unit.path))
                elif status.get("state") == "done":
                    self._end(unit, "done", None)
                elif _is_here(self._run, unit):
                    self._end(unit, *run_unit(self._run, unit.path, self._say(unit), mine.check))
                else:
                    self._end(unit, *self._send(unit, mine.check))
        except ClaimLost as error:
            self._end(unit, CLAIMED, str(error))
        except Exception as error:
            self._error = one_line(error)
            if not self._stopped:
                self._answers.put((self, None))

    def _send(self, unit: Unit, still_mine: Any) -> tuple[str, str | None]:
        """Run a unit on the cluster, again where its machine is lost, and write what comes back."""
        import ray

        losses = 0
        while True:
            sent = _pack(self._run, unit)
            self._stream = self._task.remote(unit.path, sent, metadata.versions())
            try:
                for reference in self._stream:
                    message = ray.get(reference)
                    still_mine()
                    _apply(self._run / unit.path, message["files"], message["names"])
                    losses = 0
                    if "state" in message:
                        return message["state"], message["error"]
                    self._say(unit)(message["step"], message["steps"], message["value"])
                raise HeadstartError("the task ended without an answer")
            except (ray.exceptions.RayError, HeadstartError):
                losses += 1
                if self._stopped or losses >= LOSSES:
                    raise

    def _say(self, unit: Unit) -> Any:
        def progress(step: int, steps: int, value: float | None) -> None:
            message = {"unit": unit.path, "step": step, "steps": steps, "value": value}
            self._answers.put((self, message))

        return progress

    def _end(self, unit: Unit, state: str, error: str | None) -> None:
        self._answers.put((self, {"unit": unit.path, "state": state, "error": error}))


def _work(unit: str, sent: Files, versions: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Run a unit on a machine of the cluster; yields how far it is, with the files that changed."""
    import torch

    torch.set_num_threads(1)
    here = metadata.versions()
    differing = [
        f"{name} {here.get(name)}" for name in versions if here.get(name) != versions[name]
    ]
    messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    beat = Heartbeat()
    run = Path(tempfile.mkdtemp(prefix="headstart-"))
    known: dict[str, tuple[int, int]] = {}

    def snapshot() -> dict[str, Any]:
        files, names = _changed(run / unit, known)
        return {"files": files, "names": names}

    def progress(step: int, steps: int, value: float | None) -> None:
        messages.put({"step": step, "steps": steps, "value": value, **snapshot()})

    def work() -> None:
        try:
            state, error = run_unit(run, unit, progress)
            messages.put({"state": state, "error": error, **snapshot()})
        except BaseException as error:
            said = one_line(error)
            messages.put({"state": "failed", "error": said, "files": {}, "names": None})

    try:
        if differing:
            said = f"the machine {socket.gethostname()} has other versions: {', '.join(differing)}"
            yield {"state": "failed", "error": said, "files": {}, "names": None}
            return
        for name, data in sent.items():
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            write_synced(run / name, data)
        _changed(run / unit, known)
        limit = load(run / "experiment.yaml").step_timeout
        write_calls_to(beat.path)
        threading.Thread(target=work, daemon=True).start()
        while True:
            try:
                message = messages.get(timeout=1.0)
            except queue.Empty:
                if (overdue := beat.overdue(limit)) is None:
                    continue
                said = describe_hang(overdue[0], limit)
                message = {"state": "failed", "error": said, "files": {}, "names": None}
            yield message
            if "state" in message:
                return
    finally:
        beat.close()
        shutil.rmtree(run, ignore_errors=True)


def _is_here(run: Path, unit: Unit) -> bool:
    """Whether a unit is done on this machine: a pretrained source, whose bundle lies here."""
    return (
        unit.path.startswith("source/") and load(run / "experiment.yaml").source.bundle is not None
    )


def _pack(run: Path, unit: Unit) -> Files:
    """Return what a unit needs, by name in the run directory: what it did so far, its source."""
    places = [run / unit.path]
    places += [run / need / part for need in unit.needs for part in ("bundle", CURVE)]
    found = [run / "experiment.yaml"]
    for place in places:
        found += [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in found
        if _is_shown(path, run)
    }


def _is_shown(path: Path, root: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(root).parts)


def _changed(folder: Path, known: dict[str, tuple[int, int]]) -> tuple[Files, list[str]]:
    """Return the files of a unit's folder that are not as `known`, and the names of all."""
    files: Files = {}
    names = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or not _is_shown(path, folder):
            continue
        name, about = path.relative_to(folder).as_posix(), path.stat()
        names.append(name)
        stamp = about.st_mtime_ns, about.st_size
        if known.get(name) != stamp:
            known[name], files[name] = stamp, path.read_bytes()
    return files, names


def _apply(folder: Path, files: Files, names: list[str] | None) -> None:
    """Bring a unit's folder to what it is on the cluster: curves first, then whole bundles."""
    if names is None:
        return
    bundles = {Path(name).parent.as_posix() for name in files} - {"."}
    for name, data in files.items():
        if "/" not in name:
            write_bytes(folder / name, data)
    for bundle in sorted(bundles):
        parts = {
            name.removeprefix(f"{bundle}/"): files.get(name) or (folder / name).read_bytes()
            for name in names
            if name.startswith(f"{bundle}/") and not name.endswith(MANIFEST)
        }

        def fill(path: Path, parts: Files = parts) -> None:
            for name, data in parts.items():
                write_synced(path / name, data)

        write_directory(folder / bundle, fill)
    kept = {name.partition("/")[0] for name in names}
    for path in folder.iterdir():
        if path.name not in kept and not path.name.startswith("."):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _try(address: str) -> None:
    """Raise ClusterError unless a process of its own can connect to an address in time."""
    host, _, port = address.removeprefix("ray://").partition(":")
    try:
        number = int(port or PORT)
    except ValueError:
        raise ClusterError(f"--cluster {address}: expected host:port, or 'local'") from None
    try:
        # Where nothing listens that is known at once, and without Ray.
        socket.create_connection((host, number), timeout=PATIENCE).close()
    except OSError as error:
        raise ClusterError(_silent(address, error.strerror or str(error))) from None
    trial = [sys.executable, "-c", CONNECT, address]
    try:
        tried = subprocess.run(trial, timeout=TRIAL, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        raise ClusterError(
            _silent(address, f"what listens there says nothing for {TRIAL:.0f} s")
        ) from None
    if tried.returncode:
        raise ClusterError(_silent(address, _reason(tried.stderr)))


def _reason(output: str) -> str:
    """Return the last error that Ray printed, in one line."""
    said = [line for line in output.splitlines() if re.match(r"[\w.]+(Error|Exception): ", line)]
    return shown(said[-1], 200) if said else "what listens there is not Ray"


def _silent(address: str, why: str) -> str:
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return (
        f"no Ray cluster answers at '{address}' ({why}): is 'ray start --head' running there, with "
        f"the same Ray and Python {python}, and is the port open and the right one ({PORT} of a "
        "head, 10001 after ray://, unless told otherwise)?"
    )
