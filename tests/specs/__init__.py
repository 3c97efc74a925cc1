"""Test descriptions of ops, one file per family of nnfast/ops; SPECS joins them by op name."""

from tests.specs.spec import Case, Spec, all_specs

__all__ = ["Case", "Spec", "all_specs"]
