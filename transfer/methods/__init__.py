"""Transfer methods, one file each, under the protocol of `base`; `registry` names them all."""

from .base import Method, Problem
from .registry import METHODS, resolve

__all__ = ["METHODS", "Method", "Problem", "resolve"]
