"""Subprocesses of tests import the same nnfast as the tests, whatever folder they start in."""

from __future__ import annotations

import os
from pathlib import Path

import nnfast

os.environ["PYTHONPATH"] = str(Path(nnfast.__file__).parents[1])
os.environ["PYTHONSAFEPATH"] = "1"
