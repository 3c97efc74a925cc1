"""State of modules and optimizers: dicts, extra state, and the hooks around them, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn, optim
from nnfast.errors import NNFastError
from nnfast.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)
from tests.plans import falls_back, planned


def small(lib: Any = nn) -> Any:
    return lib.Sequential(lib.Linear(2, 3), lib.Sequential(lib.BatchNorm1d(3)))


class Noting(nn.Module):
    """A module with extra state."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(1, 1)
        self.seen: Any = None

    def get_extra_state(self) -> Any:
        return {"seen": self.seen}

    def set_extra_state(self, state: Any) -> None:
        self.seen = state["seen"]


def test_keep_vars_and_destination() -> None:
    m, found = small(), {"first": 1}
    state = m.state_dict(destination=found, prefix="a.", keep_vars=True)
    assert state is found and list(state)[:2] == ["first", "a.0.weight"]
    assert state["a.0.weight"] is m[0].weight
    assert not m.state_dict()["0.weight"].requires_grad


def test_extra_state_goes_along() -> None:
    m = nn.Sequential(Noting())
    m[0].seen = 7
    state = m.state_dict()
    assert list(state) == ["0._extra_state", "0.inner.weight", "0.inner.bias"]
    other = nn.Sequential(Noting())
    assert other.load_state_dict(state) == ([], [])
    assert other[0].seen == 7
    del state["0._extra_state"]
    assert other.load_state_dict(state, strict=False).missing_keys == ["0._extra_state"]
    with pytest.raises(NNFastError, match="_extra_state"):
        other.load_state_dict(state)
    with pytest.raises(NNFastError, match="unexpected: '_extra_state'"):
        nn.ReLU().load_state_dict({"_extra_state": 1})


def test_assign_takes_memory_and_dtype() -> None:
    m, w = nn.Linear(2, 2), np.ones((2, 2))
    kept = m.weight
    m.load_state_dict({"weight": w, "bias": np.zeros(2, np.float32)}, assign=True)
    assert m.weight is kept and np.shares_memory(m.weight.array, w)
    assert m.weight.dtype == nnfast.float64 and m.weight.requires_grad


def hooked(lib: Any, log: list[Any]) -> Any:
    """A net with all hooks of state; they note when they are called."""
    m = small(lib)
    for name, part in m.named_modules():
        part.register_state_dict_pre_hook(lambda m, p, k: log.append(("pre", p, k)))
        part.register_state_dict_post_hook(lambda m, s, p, meta: log.append(("post", p, sorted(s))))
        part.register_load_state_dict_pre_hook(
            lambda m, s, p, *rest: log.append(("load", p, rest[1:]))
        )
        part.register_load_state_dict_post_hook(
            lambda m, keys, name=name: log.append(("loaded", name, tuple(keys)))
        )
    return m


def test_hooks_of_state_are_called_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    logs: list[list[Any]] = [[], []]
    for lib, log in zip((nn, torch.nn), logs, strict=True):
        m = hooked(lib, log)
        m.load_state_dict(m.state_dict())
    kinds = [[entry for entry in log if entry[0] != "load"] for log in logs]
    assert kinds[0] == kinds[1]
    paths = [[entry[1] for entry in log if entry[0] == "load"] for log in logs]
    assert paths[0] == paths[1] == ["", "0.", "1.", "1.0."]


def test_a_hook_before_loading_renames() -> None:
    m = small()
    state = {k.replace("0.weight", "0.w", 1): v for k, v in m.state_dict().items()}

    def rename(module: Any, found: Any, prefix: str, *rest: Any) -> None:
        if prefix + "w" in found:
            found[prefix + "weight"] = found.pop(prefix + "w")

    with pytest.raises(NNFastError, match=r"missing: '0.weight', '1.0.weight'"):
        m.load_state_dict(state)
    handles = [part.register_load_state_dict_pre_hook(rename) for part in (m[0], m[1][0])]
    assert m.load_state_dict(state) == ([], []) and "0.w" in state
    for handle in handles:
        handle.remove()
    with pytest.raises(NNFastError):
        m.load_state_dict(state)


def test_a_hook_after_loading_forgives() -> None:
    m = small()
    state = m.state_dict()
    del state["0.bias"]
    with pytest.raises(NNFastError):
        m.load_state_dict(state)
    m.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    assert m.load_state_dict(state) == ([], [])


def test_error_messages_of_hooks_refuse() -> None:
    m = small()
    before = m[0].weight.detach().numpy().copy()
    state = {k: v * 2 for k, v in m.state_dict().items()}
    m.register_load_state_dict_pre_hook(lambda m, s, p, meta, st, mi, un, bad: bad.append("no"))
    with pytest.raises(NNFastError, match="no"):
        m.load_state_dict(state, strict=False)
    assert (m[0].weight.detach().numpy() == before).all()


def test_hooks_of_state_leave_calls_alone() -> None:
    m = hooked(nn, [])
    planned(lambda x: m(x))(nnfast.ones(4, 2))


# ---- hooks of all modules -------------------------------------------------------------------


def test_hooks_of_all_modules() -> None:
    log: list[Any] = []
    m, x = small(), nnfast.ones(4, 2, requires_grad=True)
    handles = [
        register_module_forward_pre_hook(lambda m, a: log.append(("pre", type(m).__name__))),
        register_module_forward_hook(lambda m, a, y: log.append(("post", type(m).__name__))),
        register_module_full_backward_pre_hook(lambda m, g: log.append(("back", type(m).__name__))),
        register_module_full_backward_hook(
            lambda m, gi, go: log.append(("backed", type(m).__name__))
        ),
    ]
    m(x).sum().backward()
    forward = [
        ("pre", "Sequential"), ("pre", "Linear"), ("post", "Linear"), ("pre", "Sequential"),
        ("pre", "BatchNorm1d"), ("post", "BatchNorm1d"), ("post", "Sequential"),
        ("post", "Sequential"),
    ]  # fmt: skip
    assert log[:8] == forward and len(log) == 16
    for handle in handles:
        handle.remove()
    m(x)
    assert len(log) == 16


def test_a_plan_meets_hooks_of_all_modules() -> None:
    m, seen = nn.Linear(2, 1), []
    step = nnfast.compile(lambda x: m(x))
    x = nnfast.ones(3, 2)
    step(x)
    with register_module_forward_hook(lambda m, a, y: seen.append(1)):
        falls_back(step, x, match="hooks")
    assert len(seen) == 2
    step(x)
    assert len(seen) == 2


# ---- optimizers -----------------------------------------------------------------------------


def stepped(lib: Any, w: Any, log: list[Any]) -> Any:
    opt = lib.SGD([w], lr=0.5)
    opt.register_step_pre_hook(lambda o, a, k: log.append(("pre", a, k)))
    opt.register_step_post_hook(lambda o, a, k: log.append(("post", a, k)))
    opt.register_state_dict_pre_hook(lambda o: log.append("save"))
    opt.register_state_dict_post_hook(lambda o, s: {**s, "more": 1})
    opt.register_load_state_dict_pre_hook(lambda o, s: log.append(sorted(s)))
    opt.register_load_state_dict_post_hook(lambda o: log.append("loaded"))
    opt.step()
    state = opt.state_dict()
    log.append(state.pop("more"))
    opt.load_state_dict(state)
    return opt


def test_hooks_of_optimizers() -> None:
    log: list[Any] = []
    opt = stepped(optim, nnfast.ones(1, requires_grad=True), log)
    assert log == [
        ("pre", (opt,), {}), ("post", (opt,), {}), "save", 1, ["param_groups", "state"], "loaded"
    ]  # fmt: skip
    torch = pytest.importorskip("torch")
    theirs: list[Any] = []
    other = stepped(torch.optim, torch.ones(1, requires_grad=True), theirs)
    assert [("pre", (other,), {}), ("post", (other,), {}), *log[2:]] == theirs


def test_a_hook_of_a_step_changes_its_arguments() -> None:
    w = nnfast.ones(1, requires_grad=True)
    opt = optim.LBFGS([w])

    def closure() -> Any:
        opt.zero_grad()
        loss = ((w - 3) ** 2).sum()
        loss.backward()
        return loss

    opt.register_step_pre_hook(lambda o, a, k: ((o, closure), {}))
    opt.step()
    assert abs(w.item() - 3) < 1e-3


def test_a_plan_meets_hooks_of_steps() -> None:
    w, seen = nnfast.ones(2, requires_grad=True), []
    opt = optim.SGD([w], lr=0.5)

    def step() -> Any:
        opt.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        opt.step()
        return loss

    fast = nnfast.compile(step)
    fast()
    opt.register_step_post_hook(lambda o, a, k: seen.append(1))
    falls_back(fast, match="hooks")
    assert len(seen) == 2


def test_an_optimizer_of_ones_own() -> None:
    class Own(optim.Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, dict(lr=lr))

        @nnfast.no_grad()
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state[p]
                    state["sum"] = state.get("sum", 0.0) + p.grad.sum()
                    p.add_(p.grad, alpha=-group["lr"])

    w = nnfast.ones(3, requires_grad=True)
    opt = Own([w], lr=0.1)
    (w * 2).sum().backward()
    opt.step()
    np.testing.assert_allclose(w.detach().numpy(), 0.8, rtol=1e-6)
    other = Own([w], lr=0.1)
    other.load_state_dict(opt.state_dict())
    assert other.state[w]["sum"].item() == 6.0


def test_compile_method_and_to() -> None:
    m, x = nn.Linear(2, 1), nnfast.ones(3, 2)
    y = m(x)
    m.compile()
    assert m(x).tolist() == y.tolist()
    assert m.to("cpu", nnfast.float64, non_blocking=True).weight.dtype == nnfast.float64
    assert m.to(device="cpu:0").to(dtype="float32").weight.dtype == nnfast.float32
    assert m.to(nnfast.ones(1, dtype=nnfast.float64)).bias.dtype == nnfast.float64
    for bad in ("cuda", nnfast.int64, "nothing"):
        with pytest.raises(NNFastError):
            nn.ReLU().to(bad)
    a, b = nn.Linear(1, 1), nn.Linear(1, 1)
    net = nn.Sequential(a, b, a)
    assert len(list(net.modules(remove_duplicate=False))) == 4
    memo = {a}
    assert [name for name, _ in net.named_modules(memo)] == ["", "1"] and net in memo
    net.set_submodule("3", nn.ReLU())
    with pytest.raises(NNFastError):
        net.set_submodule("4", nn.ReLU(), strict=True)


def test_buffers_by_assignment() -> None:
    m = nn.Module()
    m.a = nn.Buffer(nnfast.ones(2))
    m.b = nn.Buffer(nnfast.ones(2), persistent=False)
    assert list(m.state_dict()) == ["a"] and [n for n, _ in m.named_buffers()] == ["a", "b"]
    m.a = nnfast.zeros(2)
    assert list(m.state_dict()) == ["a"] and m.a.tolist() == [0.0, 0.0]
    assert m.to_empty(device="cpu") is m
    for call in (m.cuda, nnfast.ones(1).half, nnfast.ones(1).bfloat16):
        with pytest.raises(NNFastError):
            call()
    assert nn.ModuleList(None).state_dict() == {} and len(nn.ModuleDict(None)) == 0
