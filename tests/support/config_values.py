"""Every key of the configuration and another valid value for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ssl4sar.config.study import StudyConfig
from ssl4sar.core.pair_layout import OPTICAL_FOLDER, SAR_FOLDERS

#: Nested for a whole configuration, flat with dotted keys for changes.
Values: TypeAlias = Mapping[str, Any]

#: Files that some values name. They must exist; their content does not matter to a plan.
TREE, WEIGHTS, PAIRS = "resources/tree", "resources/weights.ckpt", "resources/pairs"

#: Keys that no value of their own changes validly, with the change that does.
COMPANY: Mapping[str, Values] = {
    "caffe.root": {"caffe.source": "local", "caffe.root": TREE},
    "ssl4sar.root": {"ssl4sar.source": "local", "ssl4sar.root": PAIRS},
    "ssl4sar.leave_out": {"ssl4sar.leave_out": ["S1_A_*.png"]},
    # A starting point that needs no weights.
    "pretraining.variant": {"pretraining.variant": "optsimmim"},
    "acquisition.glaciers": {"acquisition.glaciers": ["Synthetic01"]},
    "acquisition.leave_out": {"acquisition.leave_out": ["a_product"]},
    "sentinel.root": {"sentinel.provider": "local", "sentinel.root": PAIRS},
    "sentinel.start": {"sentinel.start": "2016-02-03"},
    "sentinel.end": {"sentinel.end": "2020-02-03"},
    "sentinel.relative_orbits": {"sentinel.relative_orbits": [14]},
    "stac.sar_assets": {"stac.sar_assets": ["hh"]},
    "stac.optical_assets": {"stac.optical_assets": ["red"]},
    "dhus.hub_url": {"dhus.hub_url": "https://hub.example.org/dhus"},
    "stac.hosts": {"stac.hosts": ["example.org"]},
    "elevation.known_tile": {"elevation.known_tile": "N69_W050"},
    "model.weights_file": {"model.weights": "tyrion", "model.weights_file": WEIGHTS},
}


def write_named_files(folder: Path) -> None:
    """Write the files that the values of `COMPANY` name, below ``folder``."""
    pairs = [f"{PAIRS}/{folder}/image.tif" for folder in (*SAR_FOLDERS.values(), OPTICAL_FOLDER)]
    for name in (f"{TREE}/sar_images/train/scene.png", *pairs, WEIGHTS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"stands for a file")


def leaves(model: type[BaseModel] = StudyConfig, prefix: str = "") -> dict[str, FieldInfo]:
    """Return every key that holds a value, nested blocks included, by dotted name."""
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= leaves(field.annotation, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = field
    return found


def value_of(values: Values, key: str) -> Any:
    """Return the value of a dotted key."""
    for part in key.split("."):
        values = values[part]
    return values


def with_values(values: Values, changes: Values) -> dict[str, Any]:
    """Return a copy of nested values with dotted keys changed."""
    changed = dict(values)
    for key, value in changes.items():
        first, _, rest = key.partition(".")
        changed[first] = with_values(changed[first], {rest: value}) if rest else value
    return changed


def another(values: Values, key: str) -> dict[str, Any]:
    """Return a change of ``key``, with the company it needs, that keeps ``values`` valid.

    Raises:
        LookupError: no value is known that would; say one in `COMPANY`.
    """
    if key in COMPANY:
        return dict(COMPANY[key])
    now = value_of(values, key)
    for value in _others(leaves()[key].annotation, now):
        plain = list(value) if isinstance(value, tuple) else value
        if plain != now and _is_valid(with_values(values, {key: plain})):
            return {key: plain}
    raise LookupError(f"{key}: no other valid value than {now!r} was found, add one to COMPANY")


def _is_valid(values: Values) -> bool:
    try:
        StudyConfig.model_validate(values)
    except ValidationError:
        return False
    return True


def _others(annotation: Any, now: Any) -> Iterator[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _others(arguments[0], now)
    elif origin is Literal:
        yield from arguments
    elif origin in {Union, UnionType}:
        for choice in arguments:
            yield from _others(choice, now)
    elif origin is tuple:
        yield from _other_tuples(arguments, list(now))
    elif annotation is NoneType:
        yield None
    elif annotation is bool:
        yield from (True, False)
    elif annotation is int:
        start = now if isinstance(now, int) else 0
        yield from (start + 1, start * 2, start - 1, start // 2, 10, 100, 0)
    elif annotation is float:
        start = float(now) if isinstance(now, int | float) else 0.0
        yield from (start * 1.25, start * 0.75, start + 0.25, 0.5, 10.0)
    elif annotation is str:
        yield from (f"{now or ''}x", "0" * 64)


def _other_tuples(items: tuple[Any, ...], now: list[Any]) -> Iterator[list[Any]]:
    kinds = items[:1] * len(now) if items[-1] is Ellipsis else items
    if items[-1] is Ellipsis:
        yield now[:-1]
        yield from ([*now, other] for other in _others(items[0], now[-1]))
    for place, kind in enumerate(kinds):
        for other in _others(kind, now[place]):
            yield [*now[:place], other, *now[place + 1 :]]
