"""Profiles: named sets of notebook parameters, checked against the notebooks before anything runs."""

from __future__ import annotations

import ast
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from recsys_kit.course import limits, notebooks

__all__ = ["load", "values"]


def load(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """Reads `profiles/<name>.yaml`: a section `all` and sections called like notebooks, each of names and values.

    Raises:
        ValueError: If there is no such profile, or a section is not a list of names and values.
    """
    path = Path(folder) / "profiles" / f"{name}.yaml"
    if not path.exists():
        there = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise ValueError(f"no profile is called {name!r}{notebooks.close_matches(name, there)}")
    try:
        profile = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(profile, dict) or not all(isinstance(section, dict | None) for section in profile.values()):
        raise ValueError(f"{path} must hold sections of NAME: value. Received: {profile!r}")
    return {str(section): pairs or {} for section, pairs in profile.items()}


def values(
    folder: Path, profile: str, paths: Sequence[Path], overrides: Mapping[str, str]
) -> dict[Path, dict[str, Any]]:
    """Returns the parameters that each notebook is to run with.

    Args:
        folder: The folder of the notebooks.
        profile: A profile's name.
        paths: The notebooks to run.
        overrides: Values from the command line, as text; each goes to the notebooks that have the parameter.

    Raises:
        ValueError: If a name in the profile or the overrides is no notebook's parameter (the message names close
            matches), or a value has the wrong type or lies outside the range that the parameter's comment states.
    """
    everything = {path: notebooks.parameters(notebooks.read(path)) for path in notebooks.find(folder)}
    by_stem = {path.stem: path for path in everything}
    sections = load(folder, profile)
    source = f"profiles/{profile}.yaml"
    for section, pairs in sections.items():
        if section == "all":
            continue
        if section not in by_stem:
            raise ValueError(f"{source}: no notebook is called {section!r}{notebooks.close_matches(section, by_stem)}")
        for name in pairs:
            _must_have(name, everything[by_stem[section]], f"{source}: {section}")
    for name in sections.get("all", {}):
        _must_have(name, {n: p for known in everything.values() for n, p in known.items()}, f"{source}: all")
    for name in overrides:
        _must_have(name, {n: p for path in paths for n, p in everything[path].items()}, "-p")
    chosen = {}
    for path in paths:
        merged = {**sections.get("all", {}), **sections.get(path.stem, {}), **overrides}
        chosen[path] = {
            name: _checked(everything[path][name], value, path.stem)
            for name, value in merged.items()
            if name in everything[path]
        }
    return chosen


def _must_have(name: str, known: Mapping[str, notebooks.Parameter], where: str) -> None:
    if name not in known:
        raise ValueError(f"{where}: no parameter is called {name!r}{notebooks.close_matches(name, known)}")


def _checked(parameter: notebooks.Parameter, value: Any, notebook: str) -> Any:
    read = _typed(parameter, value, notebook)
    must_be = limits.broken(read, parameter.comment)
    if must_be:
        raise ValueError(f"{notebook}: `{parameter.name}` must be {must_be}. Received: {value!r}")
    return read


def _typed(parameter: notebooks.Parameter, value: Any, notebook: str) -> Any:
    kind = parameter.type or type(parameter.default).__name__
    if isinstance(value, datetime.date):  # YAML reads 2017-12-01 as a date
        value = value.isoformat()
    wanted = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "tuple": tuple, "dict": dict}
    wanted_type = wanted.get(kind.partition("[")[0])
    if wanted_type is None or (isinstance(value, str) and wanted_type is str):
        return value
    read = value
    if isinstance(value, str):
        try:
            read = ast.literal_eval({"true": "True", "false": "False"}.get(value.lower(), value))
        except (ValueError, SyntaxError):
            read = value
    if wanted_type is float and isinstance(read, int) and not isinstance(read, bool):
        read = float(read)
    if not isinstance(read, wanted_type) or (wanted_type is int and isinstance(read, bool)):
        raise ValueError(f"{notebook}: `{parameter.name}` must be {kind}. Received: {value!r}")
    return read
