"""The API reference as a static site, from the docstrings: `python docs/reference.py site`.

Needs pdoc: `pip install ".[docs]"`. Every public name has an entry; an op is shown as the function
that declares it, whose signature and docstring are its own.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import FunctionType, ModuleType
from typing import Any

import nnfast.ops
from nnfast.ops.record import Op

MODULES = [
    "nnfast",
    "nnfast.autograd",
    "nnfast.autograd.function",
    "nnfast.autograd.functional",
    "nnfast.cuda",
    "nnfast.data",
    "nnfast.device",
    "nnfast.errors",
    "nnfast.func",
    "nnfast.graph.compiled",
    "nnfast.graph.plan",
    "nnfast.linalg",
    "nnfast.models",
    "nnfast.nn",
    "nnfast.nn.functional",
    "nnfast.nn.init",
    "nnfast.nn.modules.module",
    "nnfast.nn.utils",
    "nnfast.nn.utils.parametrizations",
    "nnfast.nn.utils.parametrize",
    "nnfast.nn.utils.rnn",
    "nnfast.ops",
    *(f"nnfast.ops.{family.name}" for family in iter_modules(nnfast.ops.__path__)),
    "nnfast.optim",
    "nnfast.optim.lr_scheduler",
    "nnfast.optim.swa_utils",
    "nnfast.queries",
    "nnfast.serialize",
    "nnfast.train",
]


def public(module: ModuleType) -> list[str]:
    """The names that a module offers: its own, and those that it exports on purpose."""
    exports = hasattr(module, "__path__") or module.__name__ in (
        "nnfast.linalg",
        "nnfast.nn.functional",
    )
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and isinstance(value, Op | FunctionType | type)
        and (exports or getattr(value, "__module__", "") == module.__name__)
    ]


def prepare(name: str) -> Any:
    """A module as pdoc is to see it."""
    import pdoc.doc

    module = import_module(name)
    module.__all__ = public(module)  # type: ignore[attr-defined]
    for entry in module.__all__:
        value = getattr(module, entry)
        if isinstance(value, Op):
            setattr(module, entry, value.rule)
    return pdoc.doc.Module(module)


def build(folder: Path) -> int:
    """Write the site; returns how many names it has."""
    import pdoc.render

    modules = {name: prepare(name) for name in MODULES}
    pdoc.render.configure(docformat="markdown", footer_text="nnfast")
    for name, module in modules.items():
        page = folder / f"{name.replace('.', '/')}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pdoc.render.html_module(module, modules))
    (folder / "index.html").write_text(pdoc.render.html_index(modules))
    (folder / "search.js").write_text(pdoc.render.search_index(modules))
    return sum(len(module.obj.__all__) for module in modules.values())


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "site")
    print(f"{build(target)} names in {target}/index.html")
