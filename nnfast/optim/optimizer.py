"""What all optimizers share: parameter groups, state, saving and loading."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ClassVar

import numpy as np

from nnfast import _core
from nnfast.errors import ArgumentError, DTypeError, StateError, fail
from nnfast.graph.backward import clear_gradient
from nnfast.graph.hooks import RemovableHandle
from nnfast.graph.mode import enable_grad, tracing
from nnfast.graph.trace import follow, follow_gradients, refreshed
from nnfast.ops.record import Op
from nnfast.ops.update import SCALARS
from nnfast.tensor import Tensor, as_array, float32, float64, wrap


def _or(new: Any, old: Any) -> Any:
    return old if new is None else new


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step with the hooks around it."""

    @wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if (trace := tracing()) is not None:
            trace.guards.attribute(self, "_hooks")
        if not self._hooks:
            return step(self, *args, **kwargs)
        if trace is not None:
            raise trace.give_up(f"it calls the hooks of {type(self).__name__}")
        args = (self, *args)
        for hook in self._of("step_pre"):
            args, kwargs = _or(hook(self, args, kwargs), (args, kwargs))
        result = step(*args, **kwargs)
        for hook in self._of("step_post"):
            hook(self, args, kwargs)
        return result

    return hooked


class Optimizer:
    """Base of all optimizers.

    `param_groups` is a list of dicts: "params" and the options of that group. `state` maps each
    parameter to a dict of its buffers. A subclass names the op of its update and the numbers that
    it takes, `hyper`; `_check` looks at the options of a group, `_initial` says which buffers the
    op takes, by the names of its inputs, and what they begin with.

    `how`: PyTorch's foreach, fused and capturable make no difference here, where every update is
    one pass over memory and part of a plan.

    >>> import nnfast
    >>> w = nnfast.nn.Parameter(nnfast.ones(1))
    >>> optimizer = nnfast.optim.SGD([{"params": [w], "lr": 0.5}])
    >>> w.sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.5])
    """

    op: ClassVar[Op[Any]]
    hyper: ClassVar[Any]  # a NamedTuple, of options mostly

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def __init__(
        self, params: Any, defaults: dict[str, Any], how: dict[str, Any] | None = None
    ) -> None:
        for name, value in (how or {}).items():
            if name not in ("foreach", "fused", "capturable", "differentiable"):
                self._fail(f"options {', '.join(defaults)}", f"'{name}'", error=DTypeError)
            if name == "differentiable" and value:
                self._fail("differentiable=False", "True", "write the update with ops.")
        self.defaults = defaults
        self._hooks: tuple[tuple[str, Callable[..., Any]], ...] = ()  # when, and what to call
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        if isinstance(params, Tensor | dict | str) or not isinstance(params, Iterable):
            self._fail(
                "an iterable of parameters or of dicts",
                type(params).__name__,
                "use model.parameters(), or [parameter].",
                DTypeError,
            )
        groups = list(params)
        if not groups:
            self._fail("at least one parameter", "an empty iterable")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own; those left out are the defaults."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            self._fail("a dict with 'params'", repr(param_group), error=DTypeError)
        params = param_group["params"]
        if isinstance(params, set):
            self._fail("parameters in an order", "a set", "use a list.", DTypeError)
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]  # of model.named_parameters()
        params = [p[1] if isinstance(p, tuple) else p for p in params]
        seen = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                self._fail("tensors as parameters", type(p).__name__, error=DTypeError)
            if p.dtype not in (float32, float64):
                self._fail("float32 or float64 parameters", str(p.dtype), error=DTypeError, p=p)
            if not p.is_leaf:
                self._fail("leaves", "a result of an op", "use x.detach().requires_grad_().", p=p)
            if id(p) in seen:
                self._fail("each parameter once", "one twice", "leave out the repeated one.", p=p)
            seen.add(id(p))
        group = {"params": params, **({"param_names": names} if names else {}), **self.defaults}
        group.update((k, v) for k, v in param_group.items() if k != "params")
        self._take_rate(group)
        self._check(group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                clear_gradient(p, set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        `closure`, if given, computes the loss and its gradients first; its result is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        follow_gradients(self._params())
        for group in self.param_groups:
            self._update(group)
        if (trace := tracing()) is not None:
            self._guard(trace.guards)
        return loss

    def _guard(self, guards: _core.Guards) -> None:
        """A plan takes for granted which groups, parameters and buffers there are."""
        guards.attribute(self, "param_groups")
        guards.attribute(self, "state")
        for group in self.param_groups:
            guards.entry(group, "params")
            guards.items(group["params"])
        for held in (self.param_groups, self.state, *self.state.values()):
            guards.items(held)

    def _take_rate(self, group: dict[str, Any]) -> None:
        """The number of a learning rate that is given as a tensor."""
        lr = group.get("lr")
        if isinstance(lr, Tensor):
            if lr.array.size != 1:
                self._fail("a tensor of one element as lr", f"shape {lr.shape}")
            group["lr"] = lr.item()

    def _check(self, group: dict[str, Any]) -> None:
        """Raise if an option of the group makes no sense."""

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        """The buffers that a parameter of the group needs, and what they begin with."""
        raise NotImplementedError

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        """The options of the group under the names that `hyper` has."""
        return group

    def _update(self, group: dict[str, Any]) -> None:
        """One step for the parameters of the group."""
        self._run(group, self._ready(group), lambda: self._options(group))

    def _ready(self, group: dict[str, Any]) -> list[Tensor]:
        """The parameters of the group that have a gradient, their buffers made."""
        follow(lambda: tuple(self._initial(group)), group, _options_of(group))
        initial = self._initial(group)
        params = [p for p in group["params"] if p.grad is not None]
        if initial:
            for p in params:
                self._fill(p, initial)
        return params

    def _fill(self, p: Tensor, initial: dict[str, float]) -> None:
        """Make the buffers of a parameter that are not there yet."""
        state = self.state[p]
        for name, value in initial.items():
            if name not in state:
                if name in SCALARS:
                    array = np.array(value, SCALARS[name])
                else:  # zeros take no memory before they are used
                    array = np.zeros(p.shape, p.dtype)
                    if value:
                        array.fill(value)
                state[name] = wrap(array)

    def _run(
        self,
        group: dict[str, Any],
        params: list[Tensor],
        options: Callable[[], dict[str, Any]],
        of_group: bool = True,
    ) -> None:
        """Run the op on each of the parameters; a plan asks for the options before each run, or
        only if those of the group have changed, where they are made of these alone."""
        names = self.hyper._fields

        def read() -> list[float]:
            now = options()
            return [now[name] for name in names]

        if not params:
            return
        made_of = (group, _options_of(group)) if of_group else ()
        hyper = refreshed(read, (len(names),), float64, *made_of)
        op, used = type(self).op, self._initial(group)
        inputs = op.inputs[2:]
        for p in params:
            state = self.state[p] if used else {}
            rest = [
                hyper if name == "hyper" else state[name] if name in used else None
                for name in inputs
            ]
            op(p, p.grad, *rest)

    # ---- saving ---------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: buffers}, "param_groups": [{options, "params": numbers}]}.

        Parameters are numbered in order through all groups. Buffers are not copied.
        """
        for hook in self._of("state_dict_pre"):
            hook(self)
        numbers = {id(p): i for i, p in enumerate(self._params())}
        found = {
            "state": {numbers[id(p)]: dict(s) for p, s in self.state.items() if id(p) in numbers},
            "param_groups": [
                {**group, "params": [numbers[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }
        for hook in self._of("state_dict_post"):
            found = _or(hook(self, found), found)
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned, here or in an optimizer of the same parameters.

        Buffers are copied, in the dtype of their parameter. Nothing changes if it does not fit.
        """
        for hook in self._of("load_state_dict_pre"):
            state_dict = _or(hook(self, state_dict), state_dict)
        groups = self._loaded_groups(state_dict)
        params = dict(zip((n for g in groups for n in g["params"]), self._params(), strict=True))
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for number, values in state_dict["state"].items():
            if number not in params:
                self._fail("state of the groups' parameters", f"state of parameter {number!r}")
            p = params[number]
            state[p] = {name: self._loaded(name, v, p) for name, v in values.items()}
        for group, mine in zip(groups, self.param_groups, strict=True):
            group["params"] = mine["params"]
        self.param_groups, self.state = groups, state
        for hook in self._of("load_state_dict_post"):
            hook(self)

    def _loaded_groups(self, state_dict: dict[str, Any]) -> list[dict[str, Any]]:
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= state_dict.keys():
            self._fail("a dict with 'state' and 'param_groups'", "another", error=DTypeError)
        saved = state_dict["param_groups"]
        sizes = [len(g["params"]) for g in self.param_groups]
        found = [len(g["params"]) for g in saved]
        if sizes != found:
            self._fail(f"groups of {sizes} parameters", f"groups of {found}")
        groups = [{**mine, **g} for mine, g in zip(self.param_groups, saved, strict=True)]
        for group in groups:
            self._take_rate(group)
            self._check(group)
        return groups

    def _loaded(self, name: str, value: Any, p: Tensor) -> Any:
        """A saved value: a buffer like the parameter, or a plain number."""
        where = f"{type(self).__name__}.load_state_dict"
        if name in SCALARS:
            return wrap(np.array(as_array(value, where).item(), SCALARS[name]))
        if value is None or isinstance(value, bool | int | float):
            return value
        array = as_array(value, where)
        if array.shape != p.shape and hasattr(self, "op"):
            self._fail(f"'{name}' of its parameter's shape {p.shape}", f"shape {array.shape}")
        return wrap(np.array(array, p.dtype, order="C"))

    def _params(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    # ---- hooks ----------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) before `step`; it may return (args, kwargs) for it.

        The first of args is the optimizer.

        A compiled function that meets a hook of a step runs eagerly.

        >>> import nnfast
        >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
        >>> handle = opt.register_step_pre_hook(lambda opt, args, kwargs: print("now"))
        >>> opt.step()
        now
        >>> handle.remove()
        """
        return self._register("step_pre", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) after `step`."""
        return self._register("step_post", hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer) before `state_dict`."""
        return self._register("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer, state_dict) after `state_dict`; it may return another dict."""
        return self._register("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer, state_dict) before loading; it may return another dict."""
        return self._register("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer) after loading."""
        return self._register("load_state_dict_post", hook, prepend)

    def _register(self, when: str, hook: Any, prepend: bool = False) -> RemovableHandle:
        if not callable(hook):
            self._fail("a function", type(hook).__name__, error=DTypeError)
        entry = (when, hook)
        self._hooks = (entry, *self._hooks) if prepend else (*self._hooks, entry)

        def remove() -> None:
            self._hooks = tuple(h for h in self._hooks if h is not entry)

        return RemovableHandle(remove)

    def _of(self, when: str) -> list[Callable[..., Any]]:
        return [hook for kind, hook in self._hooks if kind == when]

    # ---- checks ---------------------------------------------------------------------------

    def _fail(
        self,
        expected: str,
        got: str,
        hint: str = "",
        error: type[ArgumentError] | type[DTypeError] | type[StateError] = ArgumentError,
        **values: Any,
    ) -> Any:
        fail(type(self).__name__, expected, got, hint, error, **values)

    def _check_numbers(self, group: dict[str, Any], *names: str) -> None:
        """These options are numbers >= 0."""
        for name in names:
            self._check_number(name, group[name])

    def _check_number(self, name: str, value: Any, below: float = np.inf) -> None:
        if not isinstance(value, int | float | np.integer | np.floating):
            self._fail(f"a number as {name}", repr(value), error=DTypeError)
        if not value >= 0:
            self._fail(f"{name} >= 0", f"{name}={value}")
        if value >= below:
            self._fail(f"{name} < {below}", f"{name}={value}")

    def _check_pair(self, group: dict[str, Any], name: str, parts: str) -> tuple[Any, Any]:
        pair = group[name]
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            self._fail(f"{name} = ({parts})", repr(pair), error=DTypeError)
        return pair[0], pair[1]

    def _check_betas(self, group: dict[str, Any]) -> None:
        for i, beta in enumerate(self._check_pair(group, "betas", "beta1, beta2")):
            self._check_number(f"betas[{i}]", beta, below=1)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


def _options_of(group: dict[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in group if name not in ("params", "param_names"))


Optimizer.step = _with_hooks(Optimizer.step)  # type: ignore[method-assign]
