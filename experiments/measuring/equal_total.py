"""Against scratch with as many steps in all: what if the source's had been spent in the target?

A method's end is that of the target's budget; scratch_total's is that of the target's budget and
the source's steps together, all of them in the target. Its curve is on steps of its own, so it
stands beside the other methods and not among them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from . import metrics
from .estimates import Curves, Entry, ends
from .gains import gain_entry, source_seeds, uses_source
from .runs import Run
from .statistics import Comparison, compare, holm
from .verdict import few_seeds, signed


def equal_total(run: Run, target: str, longer: Curves, methods: Mapping[str, Entry]) -> Entry:
    """Return the entry of scratch_total on a target, with what the others end above it.

    `longer` are its curves; `as_many` says how many steps the others had; `against` maps each
    method that uses the source to the difference of the ends, paired by seed, with p values after
    Holm's correction over these methods.
    """
    had = run.total_steps(target)
    as_many = "as many as source and target had"
    if not any(method["returns"] for method in methods.values()):
        as_many = "and no other method has a finished trial"
    elif had != longer.steps[-1]:
        as_many = f"where source and target had {had:,}"
    found: Entry = {
        "as_many": as_many,
        "seeds": longer.seeds,
        "lost": len(run.experiment["seeds"]) - len(longer.seeds),
        "steps": longer.steps[-1],
        "returns": ends(longer.seeds, longer.returns),
        "scores": None,
        "against": {},
        "sentences": [],
    }
    if longer.scores is None:
        return found
    found["scores"] = ends(longer.seeds, longer.scores)
    its = dict(zip(longer.seeds, metrics.asymptote(longer.scores).tolist(), strict=True))
    compared: dict[str, Comparison] = {}
    for name, method in methods.items():
        if method["scores"] is None or not uses_source(run, name):
            continue
        rng = np.random.default_rng(list(f"{target}/{name}/equal total".encode()))
        scores = method["scores"]["end"]["per_seed"]
        comparison = compare(scores, its, rng, source_seeds(run, name))
        assert comparison is not None  # both sides have finished trials
        compared[name] = comparison
    adjusted = holm([comparison.p for comparison in compared.values()])
    for (name, comparison), p in zip(compared.items(), adjusted, strict=True):
        found["against"][name] = gain_entry(comparison, p)
        unit = "source policy" if source_seeds(run, name) else "seed"
        found["sentences"].append(
            f"{name} ends at {signed(comparison.difference)} against scratch with "
            f"{longer.steps[-1]:,.0f} steps in the target, {as_many}"
            f"{few_seeds(comparison.difference.n, unit)}."
        )
    return found
