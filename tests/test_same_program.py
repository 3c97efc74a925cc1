"""A program as people write it for PyTorch runs after its import is changed, to the same losses."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest


def trained(library: str) -> tuple[list[float], dict[str, np.ndarray]]:
    """Losses and weights of the program with `library` as torch."""
    torch = import_module(library)
    nn, F = import_module(f"{library}.nn"), import_module(f"{library}.nn.functional")
    swa_utils = import_module(f"{library}.optim.swa_utils")

    class RoundThrough(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return torch.round(x)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return dy

    class Net(nn.Module):
        def __init__(self, d: int = 8, device: Any = None, dtype: Any = None) -> None:
            super().__init__()
            where = {"device": device, "dtype": dtype}
            self.emb = nn.Embedding(20, d, padding_idx=0, max_norm=2.0, **where)
            self.pos = nn.Parameter(torch.zeros(1, 6, d, **where))
            layer = nn.TransformerEncoderLayer(d, 2, 16, 0.0, batch_first=True, **where)
            self.encoder = nn.TransformerEncoder(layer, 2)
            self.head = nn.utils.parametrizations.weight_norm(nn.Linear(d, 5, **where))
            self.register_buffer("scale", torch.tensor(1.5, device=device, dtype=dtype))
            self.apply(self._init)

        def _init(self, module: Any) -> None:
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

        def forward(self, ids: Any) -> Any:
            mask = ids.eq(0)
            x = self.emb(ids) + self.pos[:, : ids.size(1)]
            x = self.encoder(x, src_key_padding_mask=mask)
            w = F.softmax(x.mean(-1).masked_fill(mask, float("-inf")), dim=-1, dtype=torch.float64)
            x = torch.einsum("bt,btd->bd", w, x)
            return self.head(x + RoundThrough.apply(x) / 8) * self.scale

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Net(device=device, dtype=torch.float64).to(device)
    rng = np.random.default_rng(0)
    model.load_state_dict(
        {
            k: torch.tensor(rng.standard_normal(tuple(v.shape)) / 2)
            for k, v in model.state_dict().items()
        }
    )
    average = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=3e-3,
        foreach=True,
    )
    rates = torch.optim.lr_scheduler
    schedule = rates.SequentialLR(
        optimizer,
        [rates.LinearLR(optimizer, 0.1, total_iters=3), rates.CosineAnnealingLR(optimizer, 10)],
        milestones=[3],
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    x = torch.tensor(rng.integers(1, 20, (16, 6)))
    x[:, 4:] = 0
    y = x[:, 0].remainder(5).long()
    losses = []
    for _ in range(8):
        model.train()
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
        losses.append(loss.item())
    model.eval()
    with torch.inference_mode():
        losses.append(loss_of(average(x), y).item())
    return losses, {k: v.detach().numpy() for k, v in average.state_dict().items()}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_program_for_pytorch_runs() -> None:
    losses, weights = trained("nnfast")
    assert losses[-2] < losses[0] and np.isfinite(losses).all()
    pytest.importorskip("torch")
    their_losses, their_weights = trained("torch")
    np.testing.assert_allclose(losses, their_losses, rtol=1e-9)
    assert weights.keys() == their_weights.keys()
    for key, value in weights.items():
        np.testing.assert_allclose(value, their_weights[key], rtol=1e-6, atol=1e-9)
