"""Equal policies that got different returns on equal episodes are said, once."""

import json

from headstart.core.files import write_json
from headstart.experiments.config.schema import build
from headstart.experiments.running.plan import make_plan
from headstart.experiments.running.starts import compare_starts
from rich.console import Console

PLAN = make_plan(
    build(
        {
            "name": "starts",
            "source": {"world": "Pendulum-v1", "steps": 64},
            "targets": {"same": {"steps": 64}, "other": {"steps": 64}},
            "methods": ["zero_shot", "naive", "fine_tune"],
            "seeds": [0],
            "evaluation": {"every": 64, "episodes": 2, "anchor_episodes": 4},
        }
    )
)


def test_what_one_policy_gets_twice_is_compared(tmp_path):
    def start(target, method, policy, returns, again=None):
        path = tmp_path / f"trials/{target}/{method}/seed-0/start.json"
        write_json(path, {"policy": policy, "returns": returns, "again": again})

    write_json(tmp_path / "facts.json", {})
    start("same", "zero_shot", "a", [1.0, 2.0], again=[1.0, 2.0])
    start("same", "naive", "a", [1.0, 2.0])
    start("same", "fine_tune", "b", [5.0, 6.0])
    start("other", "zero_shot", "a", [1.0, 2.0], again=[1.0, 4.0])
    start("other", "naive", "a", [2.0, 2.0])
    console = Console(record=True, width=300)
    compare_starts(PLAN, tmp_path, console)
    once, between = json.loads((tmp_path / "facts.json").read_text())["findings"].pop("other")
    # (1 + 2) / 2, (1 + 4) / 2 and (2 + 2) / 2.
    assert "other/zero_shot/0 starts with got a mean return of 1.5, and 2.5 on the same" in once
    pair = "other/naive/0 and other/zero_shot/0 start with one policy, which got 2 and 1.5"
    assert pair in between
    said = console.export_text()
    assert said.count("targets.other: ") == 2
    assert "targets.same" not in said
    compare_starts(PLAN, tmp_path, console)
    assert console.export_text() == ""
