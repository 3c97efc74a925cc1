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

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeAlias

import numpy as np

from nnfast import _core
from nnfast.errors import ArgumentError, DTypeError, fail
from nnfast.graph.node import Edge, Node
from nnfast.ops.operands import KINDS, convert
from nnfast.tensor import Tensor, bool_

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
    return Result(((_possible(shape), dtype),), attrs)


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
    return Result(((_possible(shape), x.array.dtype),), attrs, compute, True)


def _possible(shape: Sequence[int]) -> Shape:
    """`shape` as a tuple; raises if no memory could ever hold so many elements."""
    if math.prod([n or 1 for n in shape]) >= 2**59:
        fail("shape", "a result of fewer than 2**59 elements", f"shape {tuple(shape)}")
    return tuple(shape)


def computed(
    compute: Callable[..., np.ndarray], shape: Shape, dtype: Any, attrs: Any = None
) -> Result:
    """One output, computed by NumPy from the input arrays: for rare ops without a kernel."""
    return Result(((shape, dtype),), attrs, compute)


class _Rule(NamedTuple):
    fn: Callable[..., Any]
    needs: tuple[tuple[int, int], ...]  # (where from, which) of each parameter


# Where from; csrc/bind/node.cpp knows the numbers.
IN, OUT, DY, SHAPE, ATTRS, ATTR = range(6)


class Op(Generic[P], _core.Op):
    """The record of one op; calling it runs the op.

    Calls begin in csrc/bind/op.cpp. The ordinary one ends there too: tensors of fitting dtypes,
    numbers as operands, other arguments as in an earlier call with the same shapes, for which the
    shape rule's answer is remembered; so while a function is traced. All others come to `_call`.
    """

    def __init__(
        self,
        rule: Callable[P, Result],
        kernel: str | None,
        attrs: type | None,
        outputs: tuple[str, ...],
        aux: tuple[str, ...],
        mutates: tuple[str, ...],
        floats: bool,
        values: Callable[..., None] | None,
        bools: bool | None = False,
        over: Mapping[str, str] | None = None,
    ) -> None:
        self.name = self.__name__ = rule.__name__.lstrip("_")
        self.__doc__, self.__module__ = rule.__doc__, rule.__module__
        self.__wrapped__ = self.rule = rule
        self.outputs, self.mutates, self.floats = outputs, mutates, floats
        self.bools = bools
        self.values = values
        self.differentiable = [o not in aux for o in outputs]
        self._read_signature(rule)
        self.changes = [i for i, name in enumerate(self.inputs) if name in mutates]
        self.over = {outputs.index(y): self.inputs.index(x) for y, x in (over or {}).items()}
        self.attrs, self.kernel = attrs, kernel
        self.id, self._attrs_size = (-1, 0) if kernel is None else _KERNELS[kernel]
        self._layout = _layout(attrs)
        self._pack = getattr(attrs, "packed", None) or getattr(self._layout, "pack", None)
        self.integers: Callable[..., Any] | None = None  # called instead where no input is a float
        self.rules: dict[int, _Rule] = {}
        self.joint: _Rule | None = None
        super().__init__(
            rule, bytes(map(KINDS.index, self.kinds)), tuple(self.inputs), self.required, self.id,
            _bits(self.changes),
            _bits(i for i, yes in enumerate(self.differentiable) if yes), floats, values,
        )  # fmt: skip

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

    # ---- forward --------------------------------------------------------------------------

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        """Any call: convert the inputs, ask the shape rule, execute."""
        n = self.n_inputs
        given: Any = args[:n]
        if len(given) < n:
            given = self._bind(given, kwargs)
        if self.integers is not None and not any(map(is_float, given)):
            return self.integers(*given)
        inputs = convert(self, given)
        result = self.rule(*inputs, *args[n:], **kwargs)
        if self.values is not None:
            self.values(*inputs, *args[n:], **kwargs)
        y = self.execute(inputs, result)
        return OPS["cast"](y, bool_) if self.bools and all(map(_is_bool, given)) else y

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
        return self._run(inputs, result)

    def pack(self, attrs: Any) -> bytes:
        """The attributes as the kernel's struct; fields it was not given are 0."""
        packed = self._pack(*attrs) if self._pack is not None and attrs is not None else b""
        return packed.ljust(self._attrs_size, b"\0")

    def unpack(self, packed: bytes) -> Any:
        """The attributes that `pack` packed, where they are numbers."""
        return self.attrs._make(self._layout.unpack(packed))

    # ---- gradients ------------------------------------------------------------------------

    def vjp(self, **rules: Callable[..., Any]) -> None:
        """Gradient rules, one for each input that has one."""
        for name, fn in rules.items():
            self.rules[self.inputs.index(name)] = self._rule(fn)
        self._graded = _bits(self.rules)

    def vjp_joint(self, fn: Callable[..., Any], needs: Sequence[str] | None = None) -> None:
        """One rule for all inputs: returns a gradient or None for each.

        `needs`: the names of what it takes, in order, where its own parameters do not say.
        """
        self.joint = self._rule(fn, needs)
        self._graded = _bits(range(self.n_inputs))

    def _rule(self, fn: Callable[..., Any], needs: Sequence[str] | None = None) -> _Rule:
        names = needs or fn.__code__.co_varnames[: fn.__code__.co_argcount]
        return _Rule(fn, tuple(self._locate(n) for n in names))

    def _locate(self, name: str) -> tuple[int, int]:
        if name in self.inputs:
            return IN, self.inputs.index(name)
        if name in self.outputs:
            return OUT, self.outputs.index(name)
        if name.startswith("d") and name[1:] in self.outputs:
            return DY, self.outputs.index(name[1:])
        if name.endswith("_shape") and name[:-6] in self.inputs:
            return SHAPE, self.inputs.index(name[:-6])
        if name == "attrs":
            return ATTRS, 0
        fields: tuple[str, ...] = getattr(self.attrs, "_fields", ())
        if name in fields:
            return ATTR, fields.index(name)
        raise ArgumentError(self.name, f"expected a gradient rule of known names, got '{name}'.")

    def saves(self, wanted: int) -> tuple[list[int], list[int]]:
        """The inputs and the outputs that the gradient rules of these inputs (bits) need."""
        rules = [self.joint] if self.joint else [
            r for i, r in self.rules.items() if wanted >> i & 1
        ]  # fmt: skip
        needs = {need: None for r in rules for need in r.needs}
        return [i for where, i in needs if where == IN], [i for where, i in needs if where == OUT]

    def gradients(
        self, node: Node, dys: list[Tensor | None], edges: list[Edge]
    ) -> list[tuple[Edge, Tensor]]:
        """Pull the gradients of the outputs back through one node, along those edges not None."""
        return node.pull(self.rules, self.joint, dys, edges)


def _is_bool(x: Any) -> bool:
    return isinstance(x, bool) or getattr(x, "dtype", None) == bool_


def is_float(x: Any) -> bool:
    """Whether it is a float or holds floats."""
    return isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"


def _bits(numbers: Iterable[int]) -> int:
    """One bit for each number."""
    return sum(1 << i for i in numbers)


_FORMAT = {"int": "q", "float": "d", "bool": "q"}


def _layout(attrs: type | None) -> struct.Struct | None:
    """A NamedTuple of numbers as in csrc/ops/attrs.h; None where it has others."""
    types = [] if attrs is None else [str(t) for t in _annotations(attrs)]
    if not types or any(t not in _FORMAT for t in types):
        return None
    return struct.Struct("".join(_FORMAT[t] for t in types))


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
    values: Callable[..., None] | None = None,
    bools: bool | None = False,
    over: Mapping[str, str] | None = None,
    methods: tuple[str, ...] = (),
    reflected: str = "",
) -> Callable[[Callable[P, Result]], Op[P]]:
    """Declare an op by its shape rule (see the head of this file).

    `kernel`: its name in csrc (none: the rule says how NumPy computes it). `aux`: outputs that
    carry no gradient. `mutates`: inputs that the kernel updates in place. `floats`: integer
    operands become float32. `values`: checks the values of the inputs at every call, with the
    arguments of the rule; the rule itself looks at shapes, dtypes and arguments alone, so that its
    answer for the same ones can be remembered. `bools`: of booleans alone it gives booleans, not
    integers; None: it refuses them. `over`: outputs that the kernel may write over an input, should
    it end there. `methods`: names on Tensor; `reflected`: the name with its two operands exchanged.
    """

    def declare(rule: Callable[P, Result]) -> Op[P]:
        record = Op(rule, kernel, attrs, outputs, aux, mutates, floats, values, bools, over)
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


def methods(**functions: Callable[..., Any]) -> None:
    """Make functions methods of Tensor under these names."""
    for name, fn in functions.items():
        setattr(Tensor, name, fn)


def check_dim(where: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front; error if a tensor of `ndim` dimensions has no such one."""
    if type(dim) is int and -ndim <= dim < ndim:  # nearly always
        return dim if dim >= 0 else dim + ndim
    if not isinstance(dim, int | np.integer):
        fail(where, "an integer dim", repr(dim), error=DTypeError)
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        fail(where, f"a dim from {-max(ndim, 1)} to {max(ndim, 1) - 1}", f"dim={dim}")
    return int(dim) % max(ndim, 1)


def check_dims(where: str, dims: Any, ndim: int) -> list[int]:
    """One dimension or several, counted from the front, each once."""
    given = dims if isinstance(dims, Sequence) and not isinstance(dims, str) else (dims,)
    known = [check_dim(where, d, ndim) for d in given]
    if len(set(known)) != len(known):
        fail(where, "each dim once", f"dim={dims}")
    return known
