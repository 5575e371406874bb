"""Settings by their keys' paths: what `--set` and sweeps put into an experiment's plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import nearest
from .yaml_text import ConfigError, parse_all, parse_yaml


def read_parts(path: str | Path, overrides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the plain data of a YAML file's experiments, several of them parted by lines of `---`.

    Raises:
        ConfigError: the file cannot be read, is no YAML or holds no mappings, or see `override`.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"cannot read '{path}': {reason}") from None
    found = []
    for data in parse_all(text, str(path)) or [None]:
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: expected keys such as 'name' and 'source' at the top")
        for said in overrides:
            override(data, said)
        found.append(data)
    return found


def override(data: dict[str, Any], text: str) -> None:
    """Do what `--set key.path=value` says; the value is read as YAML.

    Raises:
        ConfigError: it is no override, or its path leads nowhere.
    """
    where = f"--set {text}"
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ConfigError(f"{where}: expected key.path=value")
    key = key.strip()
    if len(key.split(".")) > 2:
        check_target(key, data.get("targets"), where)
    put(data, key, parse_yaml(value, where), where)


def check_target(key: str, targets: Any, where: str) -> None:
    """Raise ConfigError where a key's path leads into a target that is not there."""
    section, name, *_ = key.split(".")
    if section == "targets" and isinstance(targets, Mapping) and name not in targets:
        raise ConfigError(f"{where}: there is no target '{name}'{nearest(name, targets)}")


def put(data: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set what stands at a key's path in an experiment's plain data.

    Raises:
        ConfigError: something on the way, other than nothing, has no keys in it.
    """
    *folders, last = key.split(".")
    here: Any = data
    for folder in folders:
        if not isinstance(here, dict):
            break
        if here.get(folder) is None:
            here[folder] = {}
        here = here[folder]
    if not isinstance(here, dict):
        raise ConfigError(f"{where}: '{'.'.join(folders)}' has no keys in it")
    here[last] = value
