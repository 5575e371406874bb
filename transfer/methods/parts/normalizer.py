"""What becomes of the source's normalizer statistics in the target."""

from __future__ import annotations

from typing import Literal

from ....agents.bundles.bundle import Bundle
from ....agents.learner import Learner

Normalizer = Literal["carried", "frozen", "capped"]
"""`carried`: go on from the source's statistics, which hardly move any more; `frozen`: keep them
as they are; `capped`: go on with their count lowered to 10,000, so that they follow the target
within as many steps."""

COUNT_CAP = 1e4


def carry(source: Bundle, learner: Learner, mode: Normalizer) -> None:
    """Give `learner` the source's statistics, to be kept up as `mode` says."""
    source.restore_normalizer(learner)
    normalizer = learner.normalizer
    if normalizer is None:
        return
    normalizer.training = mode != "frozen"
    if mode == "capped":
        observations = getattr(normalizer, "obs_rms", None)
        parts = observations.values() if isinstance(observations, dict) else [observations]
        for statistics in [normalizer.ret_rms, *parts]:
            if statistics is not None:
                statistics.count = min(statistics.count, COUNT_CAP)
