"""Adapters: what other packages' environments need, named parameters among it."""

from .adapted import Adapted, adapt_env, adapt_known, find_adapted
from .interface import FROM_ZERO, Checked, FromZero, InterfaceError, try_once, unsupported

__all__ = [
    "FROM_ZERO",
    "Adapted",
    "Checked",
    "FromZero",
    "InterfaceError",
    "adapt_env",
    "adapt_known",
    "find_adapted",
    "try_once",
    "unsupported",
]
