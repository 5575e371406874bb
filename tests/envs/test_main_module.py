"""What a script or a notebook defines itself, in its own process and in one that it is sent to."""

import json
import subprocess
import sys
import threading
import types

import gymnasium
import pytest
from headstart.core.errors import HeadstartError
from headstart.envs.main_module import MainModule, find_main

CODE = """
from dataclasses import dataclass
import gymnasium

LOCK = None

class Mine(gymnasium.Env):
    observation_space = action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))
    lock = LOCK

@dataclass
class Method:
    keep: float
    name = "mine"

gymnasium.register("InMain-v0", entry_point=Mine, max_episode_steps=7)
"""
TAKER = """
import json, sys
from pydantic import TypeAdapter
import gymnasium
from headstart.envs.main_module import find_main, take_main, taken_main
from headstart.core.classes import load_class
packed = sys.stdin.buffer.read()
take_main(packed)
method = load_class("__main__:Method", object, "method")
env = gymnasium.make("InMain-v0")
print(json.dumps({
    "keep": TypeAdapter(method).validate_python({"keep": 2}).keep,
    "limit": env.spec.max_episode_steps,
    "again": taken_main() == packed,
    "digests": dict(find_main([], []).digests),
}))
"""


@pytest.fixture
def main(monkeypatch):
    """Return a function that executes code as a script or notebook does."""
    registered = dict(gymnasium.registry)
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)

    def execute(code):
        exec(compile(code, "<cell>", "exec"), vars(module))

    yield execute
    for name in set(gymnasium.registry) - set(registered):
        del gymnasium.registry[name]


def test_what_no_other_process_would_know_is_found(main):
    main(CODE)
    ids = ["InMain-v0", "Pendulum-v1", "headstart/PandaReach-v0", "toy:Toy-v0", "Unknown-v0"]
    found = find_main(ids, ["__main__:Method", "toy:Other", "__main__:Missing"])
    assert [spec.id for spec in found.specs] == ["InMain-v0"]
    assert list(found.objects) == ["Method"]
    assert found.names == ["world 'InMain-v0'", "'Method'"]
    assert {"InMain-v0", "__main__:Mine", "__main__:Method"} <= set(found.digests)
    assert not find_main(["Pendulum-v1"], ["toy:Other"])


def test_another_process_has_what_it_is_sent(main):
    main(CODE)
    found = find_main(["InMain-v0"], ["__main__:Method"])
    done = subprocess.run(
        [sys.executable, "-c", TAKER], input=found.packed(), capture_output=True, check=True
    )
    assert json.loads(done.stdout) == {
        "keep": 2.0, "limit": 7, "again": True, "digests": found.digests
    }  # fmt: skip


def test_what_cannot_be_sent_is_named(main):
    vars(sys.modules["__main__"])["HELD"] = threading.Lock()
    main(CODE.replace("LOCK = None", "LOCK = HELD"))
    found = find_main(["InMain-v0"], ["__main__:Method"])
    assert found.unknown == (
        "in this script or notebook: it holds a _thread.lock, whose content cannot be compared"
    )
    with pytest.raises(HeadstartError, match=r"world 'InMain-v0' of this script .* own$"):
        found.packed()


def test_a_module_that_is_missing_there_is_named(monkeypatch):
    gone = types.ModuleType("only_here")
    exec("def helper(): pass", vars(gone))
    monkeypatch.setitem(sys.modules, "only_here", gone)
    packed = MainModule({"helper": gone.helper}).packed()
    done = subprocess.run([sys.executable, "-c", TAKER], input=packed, capture_output=True)
    assert done.returncode
    said = done.stderr.decode().strip().splitlines()[-1]
    assert said.endswith("worker processes: ModuleNotFoundError: No module named 'only_here'")
