"""Nested tuples, lists and dicts as a flat list of leaves, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

LEAF = "*"


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves, and a hashable structure for `rebuild`. None is structure, not a leaf."""
    leaves: list[Any] = []
    return leaves, _structure(tree, leaves)


def _structure(tree: Any, leaves: list[Any]) -> Any:
    kind = type(tree)
    if tree is None:
        return None
    if kind is tuple or kind is list:
        return (kind, *[_structure(x, leaves) for x in tree])
    if kind is dict:
        return (dict, tuple(tree), *[_structure(x, leaves) for x in tree.values()])
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return (kind, *[_structure(x, leaves) for x in tree])
    leaves.append(tree)
    return LEAF


def rebuild(leaves: Sequence[Any], structure: Any) -> Any:
    """The tree that `flatten` took apart, with other leaves."""
    return leaves[0] if structure == LEAF else _rebuild(iter(leaves), structure)


def _rebuild(leaves: Iterator[Any], structure: Any) -> Any:
    if structure is None:
        return None
    if structure == LEAF:
        return next(leaves)
    kind, *parts = structure
    if kind is dict:
        keys, *parts = parts
        return dict(zip(keys, [_rebuild(leaves, p) for p in parts], strict=True))
    built = [_rebuild(leaves, p) for p in parts]
    return kind(built) if kind in (tuple, list) else kind(*built)
