"""The settings' documentation, made from their types: what `config explain` prints and `init` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel

from node.base.config import Endpoint, Section, Settings, section_of


def commented_settings(values: Mapping[str, Mapping[str, Any] | Any] | None = None) -> str:
    """A whole settings file as TOML text: every key with its documentation.

    Args:
        values: what to set, by key and by section and key. Everything else stands as a comment with its default.
    """
    given = dict(values or {})
    blocks = ["# Settings of this Waxseal node. Lines that begin with # show the defaults."]
    for name in Settings.model_fields:
        section = section_of(Settings, name)
        if section is None:
            blocks.append(_setting(Settings, name, given))
    for name in Settings.model_fields:
        section = section_of(Settings, name)
        if section is not None:
            blocks.append(_section(name, section, given.get(name, {})))
    return "\n\n".join(blocks) + "\n"


def _section(name: str, section: type[Section], given: Mapping[str, Any]) -> str:
    lines = [f"# {(section.__doc__ or '').strip()}", f"[{name}]"]
    lines += [_setting(section, key, given) for key in section.model_fields]
    for key in section.model_fields:
        lines += _tables(name, section, key)
    return "\n".join(lines)


def _tables(name: str, section: type[Section], key: str) -> list[str]:
    """What stands in the tables of a setting that holds any number of them, by name: all of it as comments."""
    kind = section_of(section, key)
    if kind is None or get_origin(section.model_fields[key].annotation) is not dict:
        return []
    lines = [f"#   {(kind.__doc__ or '').strip()}", f'#   [{name}.{key}."..."]']
    for field in kind.model_fields:
        lines += [f"#   {line}" for line in _setting(kind, field, {}).replace("\n#", "\n").split("\n")]
    return lines


def _setting(model: type[BaseModel], key: str, given: Mapping[str, Any]) -> str:
    field = model.model_fields[key]
    comment = f"# {field.description}"
    if key in given:
        return f"{comment}\n{key} = {_toml(given[key])}"
    default = None if field.is_required() else field.default
    return f"{comment}\n#{key} = {'...' if default is None else _toml(default)}"


def _toml(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str | Path | Endpoint):
        return json.dumps(str(value), ensure_ascii=False)
    raise TypeError(f"no TOML for {value!r}")
