"""A world's docstring: tables of its observation, action and reward."""

from __future__ import annotations

from collections.abc import Sequence

from .world import Robot, Task, Timing


def docstring(world_id: str, about: str, robot: type[Robot], task: type[Task], time: Timing) -> str:
    """Return a world's docstring: each element of observation and action, with its unit."""
    channels, commands = (*robot.channels, *task.channels), robot.commands
    seen, place = [("element", "channel", "unit", "from", "to", "about")], 0
    for c in channels:
        last = place + c.size - 1
        where = str(place) if c.size == 1 else f"{place}..{last}"
        seen.append((where, c.name, c.unit, bounds_text(c.low), bounds_text(c.high), c.about))
        place = last + 1
    done = [("element", "command", "unit", "at -1", "at +1", "about")]
    done += [
        (str(k), c.name, c.unit, f"{c.low:.3g}", f"{c.high:.3g}", c.about)
        for k, c in enumerate(commands)
    ]
    terms = ", ".join(f"{weight:g} {name}" for name, weight in task.weights.items())
    return f"""{about[0].upper()}{about[1:]}.

    {robot.__name__} ({robot.__module__}) and {task.__name__} ({task.__module__}).
    A control step takes {time.period:.3g} s, an episode {task.episode_steps} of them at most.

    Observation, float32, shape ({place},); true values, before noise and bias:
{_table(seen)}

    Action, float32 in [-1, 1], shape ({len(commands)},):
{_table(done)}

    Reward, summed: {terms}.

    Parameters and shifts: headstart describe {world_id}
    """


def bounds_text(values: float | Sequence[float]) -> str:
    """Return a channel's lower or upper bounds as text, equal ones only once."""
    each = (values,) if isinstance(values, (int, float)) else values
    return "/".join(dict.fromkeys(f"{value:.3g}" for value in each))


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("        " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
