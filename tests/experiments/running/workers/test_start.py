"""Worker processes are as if started anew, whoever forks them."""

import json
import signal
import threading

import pytest
from headstart.experiments.running.workers import start
from headstart.experiments.running.workers.start import WorkerProcess

ECHO = """
import json, os, random, signal, sys, time
import numpy

def main():
    for line in sys.stdin:
        if line == "die\\n":
            os.kill(os.getpid(), signal.SIGKILL)
        if line == "sleep\\n":
            time.sleep(600)
        if line == "raise\\n":
            raise RuntimeError("burnt out")
        found = {"said": SAID, "argument": sys.argv[1], "here": os.getcwd(), "pid": os.getpid()}
        found["drawn"] = [random.random(), numpy.random.random()]
        print(json.dumps(found | {"note": os.environ.get("NOTE")}), flush=True)

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "echo_worker.py").write_text(ECHO.replace("SAID", "1"))
    return tmp_path / "echo_worker.py"


@pytest.fixture(params=[True, False] if start.FORKS else [False], ids=lambda on: f"forks-{on}")
def begin(request, monkeypatch, tmp_path):
    monkeypatch.setattr(start, "FORKS", request.param)
    started = []

    def make() -> WorkerProcess:
        started.append(WorkerProcess("echo_worker", tmp_path / "log"))
        return started[-1]

    yield make
    for process in started:
        process.stop(no_listener())


def no_listener() -> threading.Thread:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    return thread


def ask(process: WorkerProcess) -> dict:
    print("hello", file=process.stdin, flush=True)
    return json.loads(process.stdout.readline())


def test_each_has_the_code_the_directory_and_the_environment_of_its_start(
    module, begin, tmp_path, monkeypatch
):
    first = ask(begin())
    drawn = first.pop("drawn")
    assert first | {"pid": 0} == {
        "said": 1, "argument": str(tmp_path / "log"), "here": str(tmp_path), "note": None, "pid": 0
    }  # fmt: skip
    other = tmp_path / "other"
    other.mkdir()
    (other / "echo_worker.py").write_text(ECHO.replace("SAID", "22"))
    monkeypatch.chdir(other)
    monkeypatch.setenv("NOTE", "new")
    second = ask(begin())
    assert (second["said"], second["here"], second["note"]) == (22, str(other), "new")
    assert second["pid"] != first["pid"]
    # What no seed decides is not the same in two of them.
    assert not set(second["drawn"]) & set(drawn)


def test_how_it_ended(module, begin):
    killed, raised, closed = begin(), begin(), begin()
    print("die", file=killed.stdin, flush=True)
    print("raise", file=raised.stdin, flush=True)
    closed.stdin.close()
    assert (killed.wait(), raised.wait(), closed.wait()) == (-signal.SIGKILL, 1, 0)
    assert killed.stdout.read() == ""


def test_it_is_ended_at_once_whatever_it_does(module, begin):
    process = begin()
    ask(process)
    print("sleep", file=process.stdin, flush=True)
    process.stop(no_listener())
    assert process.wait() == -signal.SIGTERM


@pytest.mark.skipif(not start.FORKS, reason="workers are not forked here")
def test_a_server_that_was_lost_is_replaced(module, monkeypatch, tmp_path):
    process = WorkerProcess("echo_worker", tmp_path / "log")
    ask(process)
    server = start._running[0].process
    server.kill()
    server.wait()
    assert process.wait() == -signal.SIGKILL
    # The worker goes on, and ends with its input: nothing holds the pipe but this process.
    assert ask(process)["said"] == 1
    process.stdin.close()
    assert process.stdout.read() == ""
    process.stop(no_listener())
    again = WorkerProcess("echo_worker", tmp_path / "log")
    assert ask(again)["said"] == 1
    again.stop(no_listener())
