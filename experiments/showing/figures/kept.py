"""Figures that are drawn anew only where what they show has changed."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from .style import encoded

FORMS = ("png", "svg")


@dataclass
class KeptFigures:
    """The figures that a run directory has, by what they were drawn from.

    Attributes:
        folder: where they lie; None where there are none.
        code: a digest of the code that draws.
        before: the `record` of the last time.
        record: what each figure of this time was drawn from, and the digests of its files.
    """

    folder: Path | None = None
    code: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    def draw(self, stem: str, figure: Callable[..., Figure], *inputs: Any) -> dict[str, bytes]:
        """Return a figure by file name: what the folder has if it shows the same, else drawn.

        Args:
            stem: the files' name, without ending.
            figure: draws it, from its inputs alone.
            inputs: what it shows.
        """
        # Equal pickles are of equal inputs, in every field.
        shown = pickle.dumps((self.code, mpl.__version__, stem, figure.__qualname__, inputs))
        digest = hashlib.sha256(shown).hexdigest()
        images = self._kept(stem, digest) or encoded(stem, figure(*inputs))
        self.record[stem] = {"inputs": digest, "files": _digests(images)}
        return images

    def _kept(self, stem: str, digest: str) -> dict[str, bytes] | None:
        last = self.before.get(stem)
        if self.folder is None or last is None or last["inputs"] != digest:
            return None
        names = [f"{stem}.{form}" for form in FORMS]
        try:
            images = {name: (self.folder / name).read_bytes() for name in names}
        except OSError:
            return None
        return images if _digests(images) == last["files"] else None


def _digests(images: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(image).hexdigest() for name, image in images.items()}
