"""Networks are made no larger than the weights that are there to fill them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from .storage import BundleError


class _Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses to allocate tensors of more elements, all together, than some number."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say that torch need not mark this for its compiler, whose import takes two seconds."""
        return False

    def __init__(self, most: int, where: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most, self.left, self.where = most, most, where

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation, unless it makes a tensor of a size that is too large."""
        # Operations on tensors that are there begin with one of them, and not with a size.
        size = args[0] if args and isinstance(args[0], (list, tuple)) else None
        if size is not None and all(isinstance(part, int) for part in size):
            self.left -= math.prod(size)
        if self.left < 0:
            raise BundleError(
                f"{self.where}: its settings and spaces ask for a tensor of shape "
                f"{list(size or ())}, and all of policy.safetensors has {self.most:,} bytes"
            )
        return func(*args, **(kwargs or {}))


@contextmanager
def no_larger_than(elements: int, where: str) -> Iterator[None]:
    """Refuse tensors of more elements, all together, while networks are made.

    Args:
        elements: how many elements there may be, such as the bytes of the file that holds them.
        where: what the networks are of; messages start with it.

    Raises:
        BundleError: there would be more.

    >>> import torch
    >>> with no_larger_than(110, "here"):
    ...     layer = torch.nn.Linear(9, 11)
    >>> with no_larger_than(98, "here"):
    ...     layer = torch.nn.Linear(9, 11)
    Traceback (most recent call last):
    headstart.agents.bundles.storage.BundleError: here: its settings and spaces ask for a tensor \
of shape [11, 9], and all of policy.safetensors has 98 bytes
    """
    with _Bounded(elements, where):
        yield
