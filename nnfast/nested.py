"""Checkpoints as one file of tensors: what is around the tensors, as a line of JSON.

A tensor stands there as {"tensor": its name in the file}, a dict as {"dict": [[key, value], ...]},
a tuple as {"tuple": [...]}; lists, numbers, text and None as they are. Nothing is ever executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from nnfast.errors import DTypeError, FormatError, fail

KEY = "nnfast.tree"  # in the metadata of the file
_PLAIN = (str, bool, int, float, type(None))


def is_flat(value: Any) -> bool:
    """Whether it is a mapping of names to tensors, which needs no tree."""
    return isinstance(value, Mapping) and all(
        isinstance(k, str) and _is_tensor(v) for k, v in value.items()
    )


def _is_tensor(value: Any) -> bool:
    known = hasattr(value, "dtype") or hasattr(value, "numpy")
    return known and not isinstance(value, np.generic)


def taken_apart(where: str, value: Any) -> tuple[dict[str, Any], str]:
    """The tensors in it, by name, and the rest as JSON."""
    tensors: dict[str, Any] = {}
    try:
        return tensors, json.dumps(_written(where, value, "", tensors), separators=(",", ":"))
    except RecursionError:
        fail(where, "dicts and lists of some depth", "a deeper one, or one that contains itself")


def put_together(where: str, text: str, tensors: Mapping[str, Any]) -> Any:
    """What `taken_apart` took apart."""
    try:
        return _read(json.loads(text), tensors)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        fail(where, f"a tree of the file's tensors as '{KEY}'", repr(error), error=FormatError)


def _written(where: str, value: Any, name: str, tensors: dict[str, Any]) -> Any:
    if _is_tensor(value):
        free = name or "tensor"
        while free in tensors:
            free += "_"
        tensors[free] = value
        return {"tensor": free}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, _PLAIN):
        return value

    def inner(key: Any, part: Any) -> Any:
        return _written(where, part, f"{name}.{key}" if name else f"{key}", tensors)

    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, _PLAIN):
                fail(where, "text and numbers as keys", repr(key)[:80], error=DTypeError)
        return {"dict": [[k, inner(k, v)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        parts = [inner(i, v) for i, v in enumerate(value)]
        return parts if isinstance(value, list) else {"tuple": parts}
    fail(
        where,
        "tensors, numbers, text, and dicts and lists of them",
        f"{type(value).__name__} as {name!r}",
        "save model.state_dict(), not the model.",
        DTypeError,
    )


def _read(node: Any, tensors: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_read(part, tensors) for part in node]
    if not isinstance(node, dict):
        return node
    ((kind, inside),) = node.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "tuple":
        return tuple(_read(part, tensors) for part in inside)
    if kind != "dict":
        raise ValueError(f"a node of kind {kind!r}")
    return {key: _read(part, tensors) for key, part in inside}
