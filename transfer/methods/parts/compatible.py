"""Settings of `fine_tune` that do not go together, each refused in one line."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from ....agents.algorithms import Algorithm
from ....agents.cores.off_policy import OffPolicyCore
from ....agents.cores.ppo import CorePPO
from ....core.errors import HeadstartError

_PULLS = ("l2_sp", "kl_anchor")


def check_together(settings: dict[str, Any], given: Set[str], *, crossing: bool) -> None:
    """Raise HeadstartError for settings of which one undoes what the other does.

    Args:
        settings: All settings in force.
        given: The names of those that are not the preset's.
        crossing: Whether an on-policy source goes on off-policy, with none of its weights.
    """
    for problem in (
        _deployment(settings),
        _opposites(settings),
        _moved(settings, given),
        _of_weights(settings, given) if crossing else None,
        _replay(settings, given, crossing),
        _unfreezing(settings, given),
    ):
        if problem is not None:
            raise HeadstartError(f"method fine_tune: {problem}")


def check_core(settings: dict[str, Any], algorithm: Algorithm, source: Algorithm) -> None:
    """Raise HeadstartError for what a core cannot do, or not for what its policy sees.

    Args:
        settings: All settings in force.
        algorithm: The algorithm of the training in the target.
        source: The source's.
    """
    more = {
        "a history": source.history or algorithm.history,
        "critic_sees": source.settings.get("critic_sees") or algorithm.settings.get("critic_sees"),
    }
    for name in ("kl_anchor", "source_replay"):
        for what in (what for what, is_there in more.items() if is_there and settings.get(name)):
            raise HeadstartError(
                f"method fine_tune: '{name}' looks at single observations, and does not apply to "
                f"policies with {what}"
            )
    if issubclass(algorithm.cls, (CorePPO, OffPolicyCore)):
        return
    neutral = {"kl_anchor": 0.0, "critic_to_actor": 1, "source_replay": 0}
    for name, value in neutral.items():
        if settings.get(name, value) != value:
            raise HeadstartError(
                f"method fine_tune: '{name}' does not apply to {algorithm.name} (it does to ppo, "
                "sac, stable_baselines3:TD3 and sb3_contrib:TQC, as far as they have such a part)"
            )


def _deployment(settings: dict[str, Any]) -> str | None:
    if settings.get("when_lost") == "soften" and settings["deploy"] != "better":
        return (
            "'when_lost: soften' needs 'deploy: better', whose training episodes it is decided by"
        )
    return None


def _opposites(settings: dict[str, Any]) -> str | None:
    if settings["l2_sp"] > 0 and settings["weight_decay"] > 0:
        return (
            "'l2_sp' and 'weight_decay' contradict each other: one pulls towards the source's "
            "weights, the other towards 0"
        )
    for name in _PULLS:
        if settings[name] > 0 and settings["l2_init"] > 0:
            return (
                f"'{name}' and 'l2_init' contradict each other: one pulls towards the source's "
                f"{'weights' if name == 'l2_sp' else 'actions'}, the other towards a new network's"
            )
    return None


def _moved(settings: dict[str, Any], given: Set[str]) -> str | None:
    for name in _PULLS:
        if settings[name] == 0:
            continue
        moved = {
            "policy_head": settings["policy_head"] < 1,
            "shrink_and_perturb": settings["shrink_and_perturb"] is not None,
        }
        for which in (one for one, is_moved in moved.items() if is_moved):
            how = "given" if which in given else "the preset's"
            what = "weights" if name == "l2_sp" else "actions"
            return (
                f"'{name}' pulls back to the source's {what} what '{which}' ({how}) moves away "
                "from them; use preset careful or bold"
            )
    return None


def _of_weights(settings: dict[str, Any], given: Set[str]) -> str | None:
    """Say what needs the source's weights, where only its actions are taken over."""
    neutral = {"l2_sp": 0.0, "policy_head": 1.0, "shrink_and_perturb": None}
    for name, value in neutral.items():
        if settings[name] != value:
            how = "given" if name in given else "the preset's"
            return f"'{name}' ({how}) is for the source's weights, and 'algorithm' takes none over"
    return None


def _replay(settings: dict[str, Any], given: Set[str], crossing: bool) -> str | None:
    if settings.get("source_replay"):
        return None
    if crossing:
        return "'algorithm' needs 'source_replay': actor and critic are fitted to it"
    for name in ("replay_share", "replay_until", "replay_random", "critic_pretrain"):
        if name in given:
            return f"'{name}' needs 'source_replay', transitions of the source"
    return None


def _unfreezing(settings: dict[str, Any], given: Set[str]) -> str | None:
    if settings["unfreeze"] is not None and len(settings["unfreeze"]) < 2:
        return "'unfreeze' names two groups of layers at least: the first one learns at once"
    if settings["unfreeze"] is None and "unfreeze_until" in given:
        return "'unfreeze_until' needs 'unfreeze', groups of layers in order"
    if not settings["kl_anchor"] and "kl_half_life" in given:
        return "'kl_half_life' needs 'kl_anchor'"
    return None
