"""Properties for fair comparisons: the same seed always gives the same episode."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

from .subject import (
    BrokenError,
    Moment,
    NotApplicable,
    Subject,
    actions,
    property_check,
    put_in_force,
    trajectory,
    trajectory_difference,
)

# The child's import path is sent first, as it may need it to unpickle the rest.
CHILD = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    f"from {__name__} import answer; answer()"
)
CHILD_SECONDS = 120.0


@property_check(
    means="Methods are compared on the same seeded episodes; here they would get different ones.",
    fix="Call super().reset(seed=seed) and draw everything random from self.np_random, nothing "
    "from np.random or random; set everything an episode changes in reset.",
)
def same_seed(subject: Subject) -> None:
    """The same seed gives the same trajectory, to the bit."""
    env, steps = subject.env, subject.size.trajectory
    first = trajectory(env, steps, values={})
    for number, values in enumerate(subject.draws(4)):
        trajectory(env, steps // 2, seed=5 + number, values=values, actions_seed=1)
    difference = trajectory_difference(first, trajectory(env, steps, values={}))
    if difference is not None:
        raise BrokenError(f"twice in one instance: {difference}")
    with subject.fresh() as other:
        difference = trajectory_difference(first, trajectory(other, steps))
    if difference is not None:
        raise BrokenError(f"in two instances: {difference}")


@property_check(
    means="All episodes are the same one: there is nothing to average over, and a policy may "
    "memorize it.",
    fix="Draw the start or the goal from self.np_random in reset, and let reset without a seed "
    "continue with the generator it has.",
    advisory=True,
)
def other_seed(subject: Subject) -> None:
    """Another seed, or none, gives another episode."""
    env, steps = subject.env, subject.size.trajectory
    first = trajectory(env, steps, values={})
    if trajectory_difference(first, trajectory(env, steps, seed=4)) is None:
        raise BrokenError(f"seeds 3 and 4 gave the same {steps} steps")
    trajectory(env, 1)
    second = trajectory(env, steps, seed=None)
    if trajectory_difference(second, trajectory(env, steps, seed=None)) is None:
        raise BrokenError(f"two resets without a seed gave the same {steps} steps")


@property_check(
    means="Trials run in separate processes, so their episodes would not be the same.",
    fix="Nothing may depend on hash(), set order, time, the process's id or global generators; "
    "seed from reset alone.",
)
def across_processes(subject: Subject) -> None:
    """The same seed gives the same trajectory in another process."""
    subject.compare()
    steps = subject.size.trajectory
    try:
        order = pickle.dumps(subject.make)
    except Exception as error:
        raise NotApplicable(f"it cannot be sent to another process: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "trajectory"
        given = pickle.dumps(sys.path) + order + pickle.dumps((steps, str(out)))
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            input=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=CHILD_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise BrokenError(
                f"in another process it failed: {lines[-1] if lines else done.returncode}"
            )
        there: list[Moment] = pickle.loads(out.read_bytes())
    difference = trajectory_difference(trajectory(subject.env, steps, values={}), there)
    if difference is not None:
        raise BrokenError(f"here and in another process: {difference}")


def answer() -> None:
    """Write the trajectory requested on the standard input: all that the child does."""
    make = pickle.load(sys.stdin.buffer)
    steps, out = pickle.load(sys.stdin.buffer)
    env = make()
    Path(out).write_bytes(pickle.dumps(trajectory(env, steps, values={})))
    env.close()


@property_check(
    means="Training steps several instances alternately, and evaluation another one.",
    fix="Keep state on self, not on the class or the module; give every instance a simulator "
    "client and name it in every call.",
)
def two_instances(subject: Subject) -> None:
    """Two instances in one process do not disturb each other."""
    subject.compare()
    env, steps = subject.env, subject.size.trajectory
    alone = trajectory(env, steps, values={})
    values = next(subject.draws(1))
    with subject.fresh() as other:
        drawn = iter(actions(env.action_space, steps, seed=7))
        put_in_force(env, {})
        put_in_force(other, values)
        other.reset(seed=9)

        def disturb() -> None:
            if any(other.step(next(drawn))[2:4]):
                other.reset()

        together = trajectory(env, steps, between=disturb)
    difference = trajectory_difference(alone, together)
    if difference is not None:
        raise BrokenError(f"alone and beside another: {difference}")
