"""What networks are given of a history: the newest observation whole, the past on a small scale.

Frames of one episode say nearly the same. A network with k of them as equal inputs moves k times as
far as one with a single frame when all their weights take a step of Adam, which is of one size
for each weight; past actions, at first mostly exploration noise, make it worse. On a small scale
the past can be learned from and learning begins as that of a policy without memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    FlattenExtractor,
)

from ...envs.privileged import PRIVILEGED
from .base import Array
from .history import HistoryLayout

OF_VECTORS = ("MlpPolicy", "MultiInputPolicy", "MlpLstmPolicy", "MultiInputLstmPolicy")
"""Stable-Baselines3's policies whose networks are given features of vectors."""


class HistoryFeatures(BaseFeaturesExtractor):
    """The features of a history, each number multiplied by what it weighs.

    >>> space = spaces.Box(-9, 9, (4,))
    >>> HistoryFeatures(space, weights={"": [0.1, 0.1, 1.0, 0.1]})(torch.ones(1, 4))
    tensor([[0.1000, 0.1000, 1.0000, 0.1000]])
    """

    def __init__(self, observation_space: spaces.Space[Any], weights: Mapping[str, Any]) -> None:
        """Make it.

        Args:
            observation_space: of histories: vectors, or a Dict of such and of pictures.
            weights: what the numbers of each part are multiplied by, shape (size,), by key.
                Pictures are not among them. Of a space that is no Dict, the only part's.
        """
        is_dict = isinstance(observation_space, spaces.Dict)
        make: type[BaseFeaturesExtractor] = CombinedExtractor if is_dict else FlattenExtractor
        made = make(observation_space)
        super().__init__(observation_space, made.features_dim)
        self.inner = made
        self._names = {}
        for number, (key, part) in enumerate(weights.items()):
            self._names[key] = f"weight_{number}"
            self.register_buffer(f"weight_{number}", torch.as_tensor(part, dtype=torch.float32))

    def forward(self, observations: Any) -> torch.Tensor:
        """Return features, shape (n, features)."""
        if not isinstance(observations, dict):
            [name] = self._names.values()
            found: torch.Tensor = self.inner(observations * self.get_buffer(name))
            return found
        parts = dict(observations)
        for key, name in self._names.items():
            parts[key] = parts[key] * self.get_buffer(name)
        return self.inner(parts)  # type: ignore[no-any-return]


def past_weights(layout: HistoryLayout) -> dict[str, Array]:
    """Return what each number of a history weighs, by the part of vectors, shape (size,).

    >>> from .history import History
    >>> box = spaces.Box(-9, 9, (1,))
    >>> layout = HistoryLayout(History(2, past_weight=0.5), box, spaces.Box(-1, 1, (1,)))
    >>> past_weights(layout)
    {'': array([0.5, 0.5, 1. , 0.5], dtype=float32)}
    """
    past = layout.history.past_weight
    found = {}
    for key, part in layout.parts.items():
        if key == PRIVILEGED or len(part.shape) != 1:
            continue
        frames = np.full((1, part.frames, *part.shape), past, dtype=np.float32)
        newest = frames[:, -1]
        # Behind a vector stands the action that led to it, which is of the past.
        newest[:, : part.shape[0] - layout.actions_in(key)] = 1.0
        found[key] = part.stack(frames)[0]
    return found


def add_history_features(arguments: dict[str, Any], layout: HistoryLayout) -> None:
    """Put `HistoryFeatures` in place of the default features among a model's arguments.

    A features extractor that was chosen stays, and so do those of a policy class of one's own.
    """
    settings = dict(arguments.get("policy_kwargs") or {})
    weights = past_weights(layout)
    # Policies of headstart, whose critics see more, give the extractor its part of what is seen.
    is_known = arguments["policy"] in OF_VECTORS or hasattr(arguments["policy"], "view")
    if not is_known or "features_extractor_class" in settings or not weights:
        return
    settings["features_extractor_class"] = HistoryFeatures
    settings["features_extractor_kwargs"] = {"weights": weights}
    arguments["policy_kwargs"] = settings
