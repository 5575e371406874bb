"""Worlds: Gymnasium environments with named physical parameters, and their changes."""

from ..core.errors import HeadstartError
from .catalog import WORLDS, build, register
from .changes import Change, ChangeError, parse
from .parameters import Parameter, ParameterError, Parameterized, ParameterSpace
from .world import World

register()

__all__ = [
    "WORLDS",
    "Change",
    "ChangeError",
    "HeadstartError",
    "Parameter",
    "ParameterError",
    "ParameterSpace",
    "Parameterized",
    "World",
    "build",
    "parse",
    "register",
]
