"""The API reference as a static site, from the docstrings: `python docs/reference.py site`.

Needs pdoc: `pip install ".[docs]"`. Every public name has an entry; an op is shown as the function
that declares it, whose signature and docstring are its own.
"""

from __future__ import annotations

import html
import re
import sys
import warnings
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import FunctionType, ModuleType
from typing import Any

import nnfast
import nnfast.ops
from nnfast.ops.record import Op

MODULES = [
    "nnfast",
    "nnfast.autograd",
    "nnfast.autograd.function",
    "nnfast.autograd.functional",
    "nnfast.backends",
    "nnfast.cuda",
    "nnfast.data",
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
    "nnfast.serialize",
    "nnfast.train",
]


def public(module: ModuleType) -> list[str]:
    """The names that a module offers: what a package or a list of names exports, a module's own.

    Of a family of ops: the records, the functions that nnfast.ops exports or Tensor has, and
    what these take or answer.
    """
    name = module.__name__
    family = name.startswith("nnfast.ops.")
    exports = hasattr(module, "__path__") or name == "nnfast.linalg"
    return [
        entry
        for entry, value in vars(module).items()
        if not entry.startswith("_")
        and isinstance(value, Op | FunctionType | type)
        and (exports or getattr(value, "__module__", "") == name)
        and (not family or isinstance(value, Op) or _offered(value))
    ]


def _offered(value: Any) -> bool:
    """Whether it is for readers, not a helper of its family: a function, or what one takes."""
    if value.__name__.endswith(("Hyper", "MinMax", "Mode")):
        return True
    offered = [*vars(nnfast.ops).values(), *vars(nnfast.Tensor).values()]
    return any(value is other for other in offered)


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


def plain(text: str) -> str:
    """A docstring whose formulas Markdown must leave alone; what is code it does anyway."""
    paragraphs = re.split(r"(\n\s*\n)", text)
    return "".join(p if p.startswith((">>>", "    ")) else _escaped(p) for p in paragraphs)


def _escaped(paragraph: str) -> str:
    pieces = re.split(r"(`[^`]*`)", paragraph)  # every other one is code
    pieces[::2] = [re.sub(r"([*_])", r"\\\1", html.escape(p, False)) for p in pieces[::2]]
    return "".join(pieces)


def build(folder: Path) -> int:
    """Write the site; returns how many names it has."""
    import pdoc.render

    warnings.filterwarnings("ignore", module="pdoc")  # annotations that it cannot link
    modules = {name: prepare(name) for name in MODULES if public(import_module(name))}
    pdoc.render.configure(docformat="markdown", footer_text="nnfast")
    filters = pdoc.render.env.filters
    to_html = filters["to_html"]
    filters["to_html"] = lambda text: to_html(plain(text))
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
