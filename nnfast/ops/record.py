"""One record per op: everything nnfast knows of it, in one place.

An op is declared by a function whose signature and docstring are the public ones and whose body
is the shape rule: it checks its arguments and says what comes out. Kernel, gradient rules, what
is saved for them and the `Tensor` methods hang on the same record:

    @op("relu_backward", outputs=("dx",))
    def relu_backward(dy: Tensor, y: Tensor) -> Result: ...

    @op("relu", methods=("relu",))
    def relu(input: Operand) -> Result:
        "max(x, 0) ..."
        return like(input)

    relu.vjp(input=lambda dy, y: relu_backward(dy, y))

Annotations say what an input may be: `Operand` (tensor, array or number; promoted together with
the other operands), `Tensor` (float32 or float64, all of one dtype), `IntTensor`, `BoolTensor`,
`AnyTensor`. A gradient rule asks by name for what it needs: inputs, outputs, `d<output>` (`dy`),
attributes (or all: `attrs`), `<input>_shape`; exactly that is saved. Rules are written with ops,
so they record too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeAlias

import numpy as np

from nnfast import _core
from nnfast.errors import ArgumentError, DTypeError, fail
from nnfast.graph.mode import MODE
from nnfast.graph.node import Edge, Node
from nnfast.ops.operands import KINDS, convert
from nnfast.tensor import Tensor, wrap

if TYPE_CHECKING:
    from nnfast.graph.trace import Trace

P = ParamSpec("P")
Shape: TypeAlias = tuple[int, ...]
Spec: TypeAlias = tuple[Shape, Any]  # shape and dtype

OPS: dict[str, Op[Any]] = {}
_KERNELS = _core.ops()


class Result(NamedTuple):
    """What a shape rule answers."""

    specs: tuple[Spec, ...]
    attrs: Any = None  # a NamedTuple of ints and floats, handed to the kernel and the rules
    compute: Callable[..., np.ndarray] | None = None  # NumPy does it, not a kernel
    is_view: bool = False  # `compute` returns a view of the first input


def out(shape: Sequence[int], dtype: Any, attrs: Any = None) -> Result:
    """One output, computed by the kernel."""
    return Result(((tuple(shape), dtype),), attrs)


def outs(*specs: Spec, attrs: Any = None) -> Result:
    """Several outputs, computed by the kernel."""
    return Result(specs, attrs)


def like(x: Tensor, attrs: Any = None) -> Result:
    """One output of the shape and dtype of x."""
    return Result(((x.array.shape, x.array.dtype),), attrs)


def view(
    compute: Callable[[np.ndarray], np.ndarray], shape: Shape, x: Tensor, attrs: Any = None
) -> Result:
    """One output that shares memory with x where NumPy can (reshape, transpose, slice)."""
    return Result(((shape, x.array.dtype),), attrs, compute, True)


def computed(
    compute: Callable[..., np.ndarray], shape: Shape, dtype: Any, attrs: Any = None
) -> Result:
    """One output, computed by NumPy from the input arrays: for rare ops without a kernel."""
    return Result(((shape, dtype),), attrs, compute)


class _Rule(NamedTuple):
    fn: Callable[..., Any]
    needs: tuple[tuple[str, Any], ...]  # (where from, which) of each parameter


class Op(Generic[P]):
    """The record of one op; calling it runs the op."""

    def __init__(
        self,
        rule: Callable[P, Result],
        kernel: str | None,
        attrs: type | None,
        outputs: tuple[str, ...],
        aux: tuple[str, ...],
        mutates: tuple[str, ...],
        floats: bool,
    ) -> None:
        self.name = self.__name__ = rule.__name__.lstrip("_")
        self.__doc__, self.__module__ = rule.__doc__, rule.__module__
        self.__wrapped__ = self.rule = rule
        self.outputs, self.mutates, self.floats = outputs, mutates, floats
        self.differentiable = [o not in aux for o in outputs]
        self._read_signature(rule)
        self.attrs, self.kernel = attrs, kernel
        if kernel is not None:
            self.id, self._attrs_size = _KERNELS[kernel]
        self._pack = getattr(attrs, "packed", None) or _packer(attrs) if kernel else None
        self.rules: dict[int, _Rule] = {}
        self.joint: _Rule | None = None
        self._saves: dict[int, tuple[list[Any], list[Any]]] = {}

    def _read_signature(self, rule: Callable[P, Result]) -> None:
        names = rule.__code__.co_varnames[: rule.__code__.co_argcount]
        optional = len(rule.__defaults__ or ())
        self.inputs: list[str] = []
        self.kinds: list[str] = []
        self.required = 0
        for i, name in enumerate(names):
            kind, _, _ = str(rule.__annotations__.get(name, "")).partition(" | None")
            if kind not in KINDS:
                break
            self.inputs.append(name)
            self.kinds.append(kind)
            if i < len(names) - optional:
                self.required += 1
        self.n_inputs = len(self.inputs)
        known = [*self.inputs, *self.outputs, *("d" + o for o in self.outputs)]
        clash = {n for n in known if known.count(n) > 1}
        if clash:  # a gradient rule could not say which it asks for
            raise ArgumentError(
                self.name,
                f"expected inputs, outputs and gradients with names of their own, got {clash} "
                "twice.",
                "name the outputs: @op(outputs=('dx',)), whose gradient is then 'ddx'.",
            )

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    # ---- forward --------------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        n = self.n_inputs
        given: Any = args[:n]
        if len(given) < n:
            given = self._bind(given, kwargs)
        inputs = convert(self, given)
        return self.execute(inputs, self.rule(*inputs, *args[n:], **kwargs))

    def _bind(self, given: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The inputs, those given by keyword included."""
        bound = list(given)
        for i in range(len(given), self.n_inputs):
            name = self.inputs[i]
            if name in kwargs:
                bound.append(kwargs.pop(name))
            elif i >= self.required:
                bound.append(None)
            else:
                raise DTypeError(self.name, f"expected an argument '{name}', got none.")
        return bound

    def execute(self, inputs: list[Tensor | None], result: Result) -> Any:
        """Run the op on checked inputs and leave a node if gradients are wanted."""
        if MODE.trace is not None:
            outputs = self._trace(MODE.trace, inputs, result)
            if self.mutates:
                return None
            if MODE.grad:
                self._record(inputs, result.attrs, outputs)
            return outputs[0] if len(outputs) == 1 else tuple(outputs)
        arrays = tuple([None if x is None else x.array for x in inputs])
        if result.compute is not None:
            present = [a for a in arrays if a is not None]
            outputs = [wrap(np.asarray(result.compute(*present)))]  # NumPy gives scalars too
        elif self.mutates:
            return self._mutate(inputs, arrays, result)
        else:
            buffers = tuple([np.empty(shape, dtype) for shape, dtype in result.specs])
            _core.run(self.id, self.pack(result.attrs), arrays, buffers)
            outputs = [wrap(b) for b in buffers]
        if MODE.grad:
            self._record(inputs, result.attrs, outputs)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _trace(self, trace: Trace, inputs: list[Tensor | None], result: Result) -> list[Tensor]:
        for x, name in zip(inputs, self.inputs, strict=True):
            if x is not None and name in self.mutates:
                x._version += 1
        return trace.call(self, inputs, result)

    def pack(self, attrs: Any) -> bytes:
        """The attributes as the kernel's struct; fields it was not given are 0."""
        packed = self._pack(*attrs) if self._pack is not None and attrs is not None else b""
        return packed.ljust(self._attrs_size, b"\0")

    def _mutate(self, inputs: list[Tensor | None], arrays: Any, result: Result) -> None:
        changed = [
            x
            for x, name in zip(inputs, self.inputs, strict=True)
            if name in self.mutates and x is not None
        ]
        _core.run(self.id, self.pack(result.attrs), arrays, tuple([x.array for x in changed]))
        for x in changed:
            x._version += 1

    def _record(self, inputs: list[Tensor | None], attrs: Any, outputs: list[Tensor]) -> None:
        wanted = 0
        for i, x in enumerate(inputs):
            if x is not None and x.requires_grad and (self.joint or i in self.rules):
                wanted |= 1 << i
        if wanted:
            node = Node(self, inputs, attrs, outputs, wanted)
            for slot, y in enumerate(outputs):
                if self.differentiable[slot] and y.array.dtype.kind == "f":
                    y.node, y.slot, y.requires_grad = node, slot, True

    # ---- gradients ------------------------------------------------------------------------

    def vjp(self, **rules: Callable[..., Any]) -> None:
        """Gradient rules, one for each input that has one."""
        for name, fn in rules.items():
            self.rules[self.inputs.index(name)] = self._rule(fn)

    def vjp_joint(self, fn: Callable[..., Any], needs: Sequence[str] | None = None) -> None:
        """One rule for all inputs: returns a gradient or None for each.

        `needs`: the names of what it takes, in order, where its own parameters do not say.
        """
        self.joint = self._rule(fn, needs)

    def _rule(self, fn: Callable[..., Any], needs: Sequence[str] | None = None) -> _Rule:
        names = needs or fn.__code__.co_varnames[: fn.__code__.co_argcount]
        return _Rule(fn, tuple(self._locate(n) for n in names))

    def _locate(self, name: str) -> tuple[str, Any]:
        if name in self.inputs:
            return "in", name
        if name in self.outputs:
            return "out", name
        if name.startswith("d") and name[1:] in self.outputs:
            return "dy", self.outputs.index(name[1:])
        if name.endswith("_shape") and name[:-6] in self.inputs:
            return "shape", self.inputs.index(name[:-6])
        if name == "attrs":
            return "attrs", None
        if self.attrs is not None and name in self.attrs._fields:  # type: ignore[attr-defined]
            return "attr", name
        raise ArgumentError(self.name, f"expected a gradient rule of known names, got '{name}'.")

    def saves(self, wanted: int) -> tuple[list[Any], list[Any]]:
        """(name, index) of the inputs and of the outputs that the rules of these inputs need."""
        saved = self._saves.get(wanted)
        if saved is None:
            rules = [self.joint] if self.joint else [
                r for i, r in self.rules.items() if wanted >> i & 1
            ]  # fmt: skip
            names = {key: None for r in rules for where, key in r.needs if where in ("in", "out")}
            saved = self._saves[wanted] = (
                [(n, self.inputs.index(n)) for n in names if n in self.inputs],
                [(n, self.outputs.index(n)) for n in names if n in self.outputs],
            )
        return saved

    def gradients(
        self, node: Node, dys: list[Tensor | None], edges: list[Edge]
    ) -> Iterator[tuple[Edge, Tensor]]:
        """Pull the gradients of the outputs back through one node, along those edges not None."""
        if self.joint:
            grads = self.joint.fn(*self._arguments(self.joint, node, dys))
            pairs = zip(edges, grads, strict=True)
        else:
            pairs = (
                (edges[i], rule.fn(*self._arguments(rule, node, dys)))
                for i, rule in self.rules.items()
                if edges[i] is not None
            )  # type: ignore[assignment]
        for edge, grad in pairs:
            if edge is not None and grad is not None:
                yield edge, grad

    def _arguments(self, rule: _Rule, node: Node, dys: list[Tensor | None]) -> list[Any]:
        return [self._argument(where, key, node, dys) for where, key in rule.needs]

    def _argument(self, where: str, key: Any, node: Node, dys: list[Tensor | None]) -> Any:
        if where == "dy":
            dy = dys[key]
            return wrap(np.zeros(*node.out_specs[key])) if dy is None else dy
        if where == "shape":
            return node.shapes[key]
        if where == "attrs":
            return node.attrs
        if where == "attr":
            return getattr(node.attrs, key)
        return node.value(key)


_FORMAT = {"int": "q", "float": "d", "bool": "q"}


def _packer(attrs: type | None) -> Callable[..., bytes] | None:
    """Packs a NamedTuple of numbers as csrc/ops/attrs.h lays it out; None where it has others."""
    types = [] if attrs is None else [str(t) for t in _annotations(attrs)]
    if not types or any(t not in _FORMAT for t in types):
        return None
    return struct.Struct("".join(_FORMAT[t] for t in types)).pack


def _annotations(attrs: type) -> list[str]:
    hints = attrs.__annotations__.values()
    return [getattr(t, "__forward_arg__", getattr(t, "__name__", str(t))) for t in hints]


def op(
    kernel: str | None = None,
    *,
    attrs: type | None = None,
    outputs: tuple[str, ...] = ("y",),
    aux: tuple[str, ...] = (),
    mutates: tuple[str, ...] = (),
    floats: bool = False,
    methods: tuple[str, ...] = (),
    reflected: str = "",
) -> Callable[[Callable[P, Result]], Op[P]]:
    """Declare an op by its shape rule (see the head of this file).

    `kernel`: its name in csrc (none: the rule says how NumPy computes it). `aux`: outputs that
    carry no gradient. `mutates`: inputs that the kernel updates in place. `floats`: integer
    operands become float32. `methods`: names on Tensor; `reflected`: the name with its two
    operands exchanged.
    """

    def declare(rule: Callable[P, Result]) -> Op[P]:
        record = Op(rule, kernel, attrs, outputs, aux, mutates, floats)
        OPS[record.name] = record
        for name in methods:
            setattr(Tensor, name, record)
        if reflected:
            setattr(Tensor, reflected, lambda self, other: record(other, self))  # type: ignore[call-arg]
        return record

    return declare


def method(fn: Callable[P, Any]) -> Callable[P, Any]:
    """Make a function of a tensor, composed of ops, a method of Tensor too."""
    setattr(Tensor, fn.__name__, fn)
    return fn


def check_dim(where: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front; error if a tensor of `ndim` dimensions has no such one."""
    if not isinstance(dim, int | np.integer):
        fail(where, "an integer dim", repr(dim), error=DTypeError)
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        fail(where, f"a dim from {-max(ndim, 1)} to {max(ndim, 1) - 1}", f"dim={dim}")
    return int(dim) % max(ndim, 1)
