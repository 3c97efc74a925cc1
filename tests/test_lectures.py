"""The lectures' own programs, with `import nnfast` in place of NumPy's or PyTorch's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn, optim
from nnfast.nn import functional as F
from tests.plans import planned

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR = np.array([0, 1, 1, 0], np.float32)


def noisy_xor(n: int, noise: float = 0.1) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    which = rng.integers(0, 4, n)
    x = CORNERS[which] + noise * rng.standard_normal((n, 2)).astype(np.float32)
    return nnfast.from_numpy(x), nnfast.from_numpy(XOR[which][:, None])


def half_moons(n: int, noise: float = 0.1) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, n)
    label = rng.integers(0, 2, n)
    x = np.stack([np.cos(angle), np.sin(angle)], 1)
    x = np.where(label[:, None], [1, 0.5] - x, x) + noise * rng.standard_normal((n, 2))
    y = label[:, None].astype(np.float32)
    return nnfast.from_numpy(x.astype(np.float32)), nnfast.from_numpy(y)


# ---- 003: PyTorch, neural network module ----------------------------------------------------


class NNet(nn.Module):
    """As in the lecture: its layers for XOR, more of them for the homework."""

    def __init__(self, hidden: int = 2, activation: Any = nn.Sigmoid) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(2, hidden),
            activation(),
            nn.Linear(hidden, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: nnfast.Tensor) -> nnfast.Tensor:
        return self.model(x.float())


def trained(net: nn.Module, x: Any, y: Any, steps: int, lr: float) -> float:
    """Train on all points at once; the part of them that is right."""
    optimizer = optim.Adam(net.parameters(), lr=lr)
    loss_of = nn.BCELoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step = planned(step)
    for _ in range(steps):
        step(x, y)
    return float(((net(x) > 0.5).float() == y).float().mean().item())


def test_xor_net() -> None:
    x, y = noisy_xor(200)
    nnfast.manual_seed(1)
    assert trained(NNet(), x, y, 1500, 0.05) == 1.0


def test_a_net_without_activations_cannot_learn_xor() -> None:
    x, y = noisy_xor(200)
    nnfast.manual_seed(1)
    assert trained(NNet(30, nn.Identity), x, y, 300, 0.05) < 0.8


def test_half_moons() -> None:
    x, y = half_moons(200)
    nnfast.manual_seed(0)
    assert trained(NNet(30, nn.Tanh), x, y, 1000, 0.03) == 1.0


# ---- 001, 002: hand-set nets, universal approximation, ridge regression ---------------------


def hand_set(weights: Any) -> nn.Sequential:
    """A net of perceptrons: two hidden, one output."""
    net = nn.Sequential(nn.Perceptron(2, 2), nn.Perceptron(2))
    for p, value in zip(net.parameters(), weights, strict=True):
        p.data = nnfast.tensor(value)
    return net


def test_hand_set_xor() -> None:
    """OR, and not AND."""
    weights = ([[1.0, 1.0], [1.0, 1.0]], [-0.5, -1.5], [[1.0, -1.0]], [-0.5])
    net = hand_set(weights)
    assert net(nnfast.from_numpy(CORNERS)).squeeze(1).tolist() == XOR.tolist()


def test_hand_set_same_pixel() -> None:
    """Both lit, or neither: h1 = i1 + i2 >= 2, h2 = -i1 - i2 >= 0, o = h1 + h2 >= 1."""
    weights = ([[1.0, 1.0], [-1.0, -1.0]], [-1.5, 0.5], [[1.0, 1.0]], [-0.5])
    net = hand_set(weights)
    assert net(nnfast.from_numpy(CORNERS)).squeeze(1).tolist() == (1 - XOR).tolist()


@pytest.mark.parametrize("name", ["square", "sin", "abs", "step"])
def test_universal_approximation_with_three_hidden_units(name: str) -> None:
    """As in Bishop, figure 5.3: 50 points from -1 to 1 (sin: of 3 x), tanh units."""
    x = np.linspace(-1, 1, 50)[:, None]
    target = {"square": x**2, "sin": np.sin(3 * x), "abs": abs(x), "step": (x > 0) * 1.0}[name]
    nnfast.manual_seed(2)
    net = nn.Sequential(nn.Linear(1, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    optimizer = optim.LBFGS(net.parameters(), max_iter=400, line_search_fn="strong_wolfe")
    xs, ys = nnfast.from_numpy(x), nnfast.from_numpy(target)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(net(xs), ys)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert closure().item() < 1e-3


def test_ridge_regression_gradients() -> None:
    """J = (w.x + b - y)^2 + c w.w: dJ/dw = -2 r x + 2 c w, dJ/db = -2 r of r = y - w.x - b."""
    rng = np.random.default_rng(0)
    x, w0, y, c = rng.standard_normal(5), rng.standard_normal(5), 0.7, 0.1
    w = nnfast.tensor(w0, requires_grad=True)
    b = nnfast.tensor(np.array(0.3), requires_grad=True)
    prediction = (w * nnfast.from_numpy(x)).sum() + b
    residual = y - prediction
    objective = residual**2 + c * (w * w).sum()
    objective.backward()
    r = y - w0 @ x - 0.3
    np.testing.assert_allclose(w.grad, -2 * r * x + 2 * c * w0, rtol=1e-13)
    np.testing.assert_allclose(b.grad, -2 * r, rtol=1e-13)


def test_ridge_regression_finds_the_closed_form() -> None:
    """Of many points: w = (X^T X / n + c I)^-1 X^T y / n."""
    rng = np.random.default_rng(0)
    X, y, c = rng.standard_normal((40, 3)), rng.standard_normal(40), 0.1
    w = nnfast.zeros(3, dtype=nnfast.float64, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    @planned
    def step() -> Any:
        optimizer.zero_grad()
        r = (nnfast.from_numpy(X) @ w.unsqueeze(1)).squeeze(1) - nnfast.from_numpy(y)
        loss = (r * r).mean() + c * (w * w).sum()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(300):
        step()
    want = np.linalg.solve(X.T @ X / 40 + c * np.eye(3), X.T @ y / 40)
    np.testing.assert_allclose(w.detach(), want, atol=1e-9)


# ---- 000: forward pass of a 3-layer net; single neurons -------------------------------------


def test_forward_pass_of_three_layers() -> None:
    rng = np.random.default_rng(0)
    shapes = [(3, 1), (4, 3), (4, 1), (4, 4), (4, 1), (1, 4), (1, 1)]
    arrays = [rng.standard_normal(s) for s in shapes]

    def forward(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, m: Any) -> Any:
        f = lambda x: 1.0 / (1.0 + m.exp(-x))
        h1 = f(m.matmul(W1, x) + b1)
        h2 = f(m.matmul(W2, h1) + b2)
        return m.matmul(W3, h2) + b3

    got = forward(*map(nnfast.from_numpy, arrays), nnfast)
    np.testing.assert_allclose(got, forward(*arrays, np), rtol=1e-14)


@pytest.mark.parametrize("gate", [[0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 0]])
def test_a_perceptron_learns_gates_within_its_bound(gate: list[int]) -> None:
    """Mistakes <= (R / margin)^2: R^2 = 3, margin at least 1 / (2 sqrt(2.25 + 2))."""
    neuron, mistakes = nn.Perceptron(2), 0.0
    for _ in range(100):
        wrong = neuron.learn(nnfast.from_numpy(CORNERS), nnfast.tensor(gate), lr=0.5).item()
        mistakes += wrong
        if wrong == 0:
            break
    assert wrong == 0 and mistakes <= 3 * 4 * 4.25
    assert neuron(nnfast.from_numpy(CORNERS)).squeeze(1).tolist() == gate


def test_rosenblatts_update_in_numbers() -> None:
    neuron = nn.Perceptron(2)
    x, d = nnfast.tensor([[1.0, 2.0], [3.0, -1.0], [-1.0, -1.0]]), nnfast.tensor([1, 0, 0])
    # y = 0: w = (1, 2), b = 1; then w.x + b = 2 > 0: w = (-2, 3), b = 0; then -1: right.
    assert neuron.learn(x, d).item() == 2
    assert neuron.weight.tolist() == [[-2.0, 3.0]] and neuron.bias.tolist() == [0.0]


def test_a_perceptron_cannot_learn_xor() -> None:
    neuron = nn.Perceptron(2)
    x, d = nnfast.from_numpy(CORNERS), nnfast.from_numpy(XOR)
    assert all(neuron.learn(x, d).item() > 0 for _ in range(50))


def test_adaline_follows_the_delta_rule_and_finds_the_line() -> None:
    rng = np.random.default_rng(0)
    x, (w, b) = rng.standard_normal((20, 3)).astype(np.float32), (np.float32([1, -2, 0.5]), 0.25)
    d = x @ w + np.float32(b)
    neuron = nn.Adaline(3)
    first = neuron.learn(nnfast.from_numpy(x[:1]), nnfast.from_numpy(d[:1]), lr=0.1)
    np.testing.assert_allclose(neuron.weight.detach().numpy()[0], 0.1 * d[0] * x[0], rtol=1e-6)
    np.testing.assert_allclose(first.item(), d[0] ** 2, rtol=1e-6)
    for _ in range(100):
        neuron.learn(nnfast.from_numpy(x), nnfast.from_numpy(d), lr=0.1)
    np.testing.assert_allclose(neuron.weight.detach().numpy()[0], w, atol=1e-4)
    np.testing.assert_allclose(neuron.bias.item(), b, atol=1e-4)


@pytest.mark.parametrize("cls", [nn.Perceptron, nn.Adaline])
def test_neurons_learn_inside_a_plan(cls: Any) -> None:
    a, b = cls(2, 2), cls(2, 2)
    x = nnfast.from_numpy(CORNERS)
    d = nnfast.from_numpy(np.array([[0, 1], [0, 1], [0, 1], [1, 0]], np.float32))
    learn = planned(lambda x, d: b.learn(x, d, lr=0.1))
    for _ in range(5):
        assert learn(x, d).item() == a.learn(x, d, lr=0.1).item()
    assert a.weight.tolist() == b.weight.tolist() and a.bias.tolist() == b.bias.tolist()


def test_neurons_refuse_other_shapes() -> None:
    with pytest.raises(nnfast.NNFastError, match=r"input \(N, 2\) and target \(N, 1\)"):
        nn.Perceptron(2).learn(nnfast.ones(3, 2), nnfast.ones(4))


# ---- 004: initialization, dropout -----------------------------------------------------------


def six_layers(scale: Any, f: Any, width: int = 512) -> list[float]:
    """Standard deviations of the activations of each layer."""
    nnfast.manual_seed(0)
    dims = [width] * 7
    hs = []
    x = nnfast.randn(16, dims[0])
    for Din, Dout in pairwise(dims):
        W = scale(Din) * nnfast.randn(Din, Dout)
        x = f(x.matmul(W))
        hs.append(x)
    return [h.std().item() for h in hs]


def test_initialization_of_six_layers() -> None:
    """Of width 4096 in the lecture; here 512, and the scales so that the same happens."""
    tanh, relu = nnfast.tanh, nnfast.relu
    small = six_layers(lambda n: 0.01 * (4096 / n) ** 0.5, tanh)
    assert small[0] > 0.4 and small[-1] < 0.1 and sorted(small, reverse=True) == small
    large = six_layers(lambda n: 0.05 * (4096 / n) ** 0.5, tanh)
    assert min(large) > 0.75  # saturated: close to -1 or 1
    xavier = six_layers(lambda n: 1 / n**0.5, tanh)
    assert xavier[-1] > 0.25
    assert six_layers(lambda n: 1 / n**0.5, relu)[-1] < 0.2
    kaiming = six_layers(lambda n: (2 / n) ** 0.5, relu)
    assert 0.5 < kaiming[-1] / kaiming[0] < 1.5


def dropout_net() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    shapes = [(30, 10), (30, 1), (30, 30), (30, 1), (2, 30), (2, 1)]
    return tuple(nnfast.from_numpy(rng.uniform(0, 0.2, s)) for s in shapes)


@pytest.mark.parametrize("inverted", [False, True])
def test_dropout_programs(inverted: bool) -> None:
    """Vanilla and inverted dropout, as in the lecture: prediction is the mean of the training."""
    nnfast.manual_seed(0)
    W1, b1, W2, b2, W3, b3 = dropout_net()
    p = 0.5
    scale = p if inverted else 1.0

    def train_step(X: Any) -> Any:
        H1 = nnfast.maximum(0, nnfast.matmul(W1, X) + b1)
        U1 = (nnfast.rand(*H1.shape) < p).double() / scale
        H1 = H1 * U1
        H2 = nnfast.maximum(0, nnfast.matmul(W2, H1) + b2)
        U2 = (nnfast.rand(*H2.shape) < p).double() / scale
        H2 = H2 * U2
        return nnfast.matmul(W3, H2) + b3

    def predict(X: Any) -> Any:
        s = 1.0 if inverted else p
        H1 = nnfast.maximum(0, nnfast.matmul(W1, X) + b1) * s
        H2 = nnfast.maximum(0, nnfast.matmul(W2, H1) + b2) * s
        return nnfast.matmul(W3, H2) + b3

    X = nnfast.ones(10, 4000, dtype=nnfast.float64)
    outs = train_step(X)
    # All weights are positive, so ReLU is linear here and the mean over the masks exact.
    error = outs.mean(1) - predict(X)[:, 0]
    assert ((error / outs.std(1)).abs() < 4 / 4000**0.5).numpy().all()
