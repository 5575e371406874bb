"""The world that a bundle is of: of a trial its target, of a source policy the source world."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ...agents.bundles.bundle import Bundle
from ...agents.bundles.trust import check_imported_world, check_module
from ...agents.learner import MakeWorld
from ...core.errors import HeadstartError, shown
from ...core.named import split_named
from ...envs.spec import WorldSpec
from ..config.schema import SOURCE, Experiment, load
from .one_instance import Instances, Ready


@dataclass(frozen=True)
class BundleWorld:
    """Where a bundle belongs, found by the run that it lies in.

    Attributes:
        spec: the world, with arguments, wrappers and shift.
        target: the name of the trial's target, or None.
        run: the run directory, or None for a bundle that lies in none.
        single: whether the world exists once.
        simulated: a world of the same spaces that may be opened as often as is useful.
    """

    spec: WorldSpec
    target: str | None = None
    run: Path | None = None
    single: bool = False
    simulated: WorldSpec | None = None

    @property
    def name(self) -> str:
        """What it is called in a table's title."""
        return self.spec.world if self.target is None else f"{self.target} ({self.spec.world})"

    def shifted(self, shift: str | Mapping[str, str]) -> BundleWorld:
        """Return it with a shift in place of its own, where there is one."""
        return replace(self, spec=replace(self.spec, shift=shift)) if shift else self

    @contextmanager
    def opened(self, ready: Ready = False) -> Iterator[MakeWorld]:
        """Lend what makes the world; where it exists once it is opened once, and closed.

        Args:
            ready: whether a world that exists once may move, or what is asked.

        Raises:
            HeadstartError: it may not, or a run at work holds it.
        """
        if not self.single or self.run is None or self.target is None:
            yield self.spec.make
            return
        will = f"target '{self.target}' exists once, and moves"
        if not (ready(will) if callable(ready) else ready):
            raise HeadstartError(
                f"{will}; once it is safe, add --ready, or name another world with --world"
            )
        with Instances() as instances:
            if not instances.reserve(self.run, self.target):
                raise HeadstartError(
                    f"target '{self.target}' exists once, and a run is at work in it: {self.run}"
                )
            yield lambda: instances.lend(str(self.target), self.spec.make)


def bundle_world(
    bundle: Bundle, world_id: str | None = None, trust: Collection[str] = ()
) -> BundleWorld:
    """Return the world that a bundle is of.

    Args:
        bundle: the bundle, which lies in the folder of a trial or source of a run, or elsewhere.
        world_id: a world in place of it, without arguments or wrappers.
        trust: modules that may be imported for it.

    Raises:
        HeadstartError: making it would import a module that is not trusted, or the run's
            experiment cannot be read.
    """
    if world_id is not None:
        return BundleWorld(WorldSpec(world_id))
    bare = BundleWorld(WorldSpec(bundle.own_world()))
    folder = bundle.directory.resolve()
    folder = folder.parent if folder.name in ("bundle", "checkpoint") else folder
    above = folder.parents
    if len(above) > 3 and above[2].name == "trials":
        run, target = above[3], above[1].name
    elif len(above) > 2 and above[1].name == SOURCE:
        run, target = above[2], None
    else:
        return bare
    path = run / "experiment.yaml"
    if not path.is_file():
        return bare
    return _of_run(load(path), run, target, bare, trust)


def simulated_world(bundle: Bundle, trust: Collection[str] = ()) -> WorldSpec:
    """Return a world with a bundle's spaces that may be opened freely: no target that exists once.

    Args:
        bundle: the bundle.
        trust: modules that may be imported for it.

    Raises:
        HeadstartError: as `bundle_world`.
    """
    its = bundle_world(bundle, trust=trust)
    if not its.single or its.simulated is None:
        return its.spec
    check_imported_world(its.simulated.world, trust, f"the source of {bundle.directory}")
    _check_modules(its.simulated, trust, f"the source of {bundle.directory}")
    return its.simulated


def _of_run(
    experiment: Experiment,
    run: Path,
    target: str | None,
    bare: BundleWorld,
    trust: Collection[str],
) -> BundleWorld:
    """Return the world of an experiment's target or source, if it is the bundle's."""
    source = experiment.source.spec()
    if target is None:
        found = BundleWorld(source, run=run)
    elif target in experiment.targets:
        its = experiment.targets[target]
        single = its.instances == 1
        found = BundleWorld(its.spec(experiment.source), target, run, single, source)
    else:
        return bare
    if found.spec.world != bare.spec.world:
        return bare
    _check_modules(found.spec, trust, str(run / "experiment.yaml"))
    return found


def _check_modules(spec: WorldSpec, trust: Collection[str], where: str) -> None:
    """Raise BundleError where wrappers or parameters would import what is not trusted."""
    named = [("wrapper", split_named(wrapper, "wrapper")[0]) for wrapper in spec.wrappers]
    for declared in (spec.parameters or {}).values():
        if isinstance(declared, Mapping) and declared.get("derived") is not None:
            named.append(("derived", str(declared["derived"])))
    for what, path in named:
        check_module(path.partition(":")[0], trust, f"{where}: {what} '{shown(path, 40)}'")
