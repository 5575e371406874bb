"""What a transfer method is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from ...agents.algorithms import Algorithm
from ...agents.bundles.bundle import Bundle
from ...agents.learner import Learner, MakeWorld, create, useful_workers
from ...core.errors import HeadstartError


@dataclass(frozen=True)
class Problem:
    """What a method is given: what was learned in the source, and the target to learn in.

    Attributes:
        bundle: the source's; None for a method that needs none.
        algorithm: the experiment's.
        make_world: makes one target world.
        seed: decides all that is random.
        steps: the budget of target environment steps.
        device: PyTorch's device.
        make_source: makes one source world, as the source policy was trained in: steps there count
            as source steps (`Learner.source_steps`). None where there is no source world at hand.
        workers: processes that step the target worlds (0: this one does); what is learned is the
            same.
        one_world: makes an algorithm one that learns in a single world, where the target exists
            once; None where there may be as many as it has.
        source_seed: decides what a method does in source worlds alone, before the target: the same
            for all targets of a source policy. None: `seed`.
        kept: a folder in which what was learned there is kept for the other targets; None: it is
            learned anew for each.

    >>> import gymnasium
    >>> from headstart.agents.algorithms import resolve_algorithm
    >>> from headstart.transfer.methods import resolve_method
    >>> ppo = resolve_algorithm("ppo", "Pendulum-v1")
    >>> problem = Problem(None, ppo, lambda: gymnasium.make("Pendulum-v1"), seed=0, steps=10_000)
    >>> learner = resolve_method("scratch").start(problem)
    >>> learner.steps
    0
    >>> learner.close()
    """

    bundle: Bundle | None
    algorithm: Algorithm
    make_world: MakeWorld
    seed: int
    steps: int
    device: str = "cpu"
    make_source: MakeWorld | None = None
    workers: int = 0
    one_world: Callable[[Algorithm], Algorithm] | None = None
    source_seed: int | None = None
    kept: Path | None = None

    @property
    def source(self) -> Bundle:
        """The source bundle, for a method that needs one."""
        if self.bundle is None:
            raise HeadstartError("this method needs a source bundle, and there is none")
        return self.bundle

    def create(self, algorithm: Algorithm) -> Learner:
        """Return a fresh learner in target worlds.

        Args:
            algorithm: what it learns by; the experiment's, or with other settings.

        Raises:
            BundleError: the source does not fit the target's spaces; says what differs.
        """
        check = None if self.bundle is None else self.bundle.check_spaces
        privileges = None if self.bundle is None else self.bundle.privileges
        algorithm = self._fitting(algorithm)
        return create(
            algorithm,
            self.make_world,
            self.seed,
            self.device,
            check_spaces=check,
            privileges=privileges,
            in_target=True,
            workers=useful_workers(self.workers, algorithm.worlds),
        )

    def create_other(self, algorithm: Algorithm) -> Learner:
        """Return a fresh learner in target worlds that sees other things than the source did.

        Args:
            algorithm: what it learns by, with what it sees.

        Raises:
            BundleError: the source does not fit the target's spaces; says what differs.
        """
        check = None if self.bundle is None else self.bundle.check_spaces
        return create(
            self._fitting(algorithm),
            self.make_world,
            self.seed,
            self.device,
            check_spaces=check,
            in_target=True,
        )

    def _fitting(self, algorithm: Algorithm) -> Algorithm:
        """Return the algorithm for the target's worlds, of which there may be one."""
        return algorithm if self.one_world is None else self.one_world(algorithm)


class Method(Protocol):
    """How what was learned in the source is used in the target.

    A method is a class, usually a frozen dataclass whose fields are its settings. `trains` says
    whether its learner is to be trained in the target, `needs_source` whether it uses a bundle. One
    that `adds_source_steps` (none does unless it says so) trains for the source's steps as well.

    `start` takes no step in target worlds: whatever interacts with the target, to warm up or to
    identify it, does so in the learner's training, where steps are counted against the budget.

    It may have five more functions. `check(algorithm)` raises HeadstartError where the settings do
    not go with the experiment's algorithm, `fits(learner)` where they do not go with the networks
    of a learner of it, `check_budget(algorithm, source_steps)` where they ask for more of the
    source than it was trained for, all before anything is run. `search(algorithm)` returns what
    `headstart tune` searches: a change (see `envs.changes`) of each setting's default by its name,
    `"= uniform(0, 1)"`, `"* loguniform(0.2, 5)"`, or `"= choice(kept, reset)"`. A setting
    `algorithm`, changes of the algorithm's settings, is searched by names such as
    `algorithm.learning_rate`. `settings(algorithm)` returns all settings by name where some of
    them are left to a preset.

    >>> from headstart.transfer.methods import METHODS
    >>> method = METHODS["zero_shot"]()
    >>> method.name, method.trains, method.needs_source
    ('zero_shot', False, True)
    """

    name: ClassVar[str]
    trains: ClassVar[bool]
    needs_source: ClassVar[bool]

    def start(self, problem: Problem) -> Learner:
        """Return a learner at step 0 of the target, with the callbacks it is to be trained with.

        The callbacks must depend on the number of steps only: after an interruption, `start` is
        called again and the learner's state is restored from its checkpoint.
        """
        ...
