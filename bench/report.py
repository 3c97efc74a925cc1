"""Turns measured rows into lines, and several of them into bench/RESULTS.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]

PEERS = ("numpy", "torch", "jax", "onnxruntime")
COLUMNS = (
    f"{'op':<16}{'shape':<38}{'isa':<9}{'T':<3}{'time':>9} {'spread':>6}{'GFLOP/s':>9}{'GB/s':>7}"
    f"{'peak':>6}{'error':>9} |" + "".join(f"{p[:8]:>9}" for p in (*PEERS, "best"))
)


def ratios(row: Row) -> dict[str, float]:
    """How many times the time of nnfast each peer takes, its best side."""
    ours = row["sides"]["nnfast"]["time"]
    found: dict[str, float] = {}
    for side, result in row["sides"].items():
        library = side.partition(" ")[0]
        if library != "nnfast":
            found[library] = min(found.get(library, math.inf), result["time"] / ours)
    return found


def line(row: Row) -> str:
    """A row as one line of the terminal."""
    ours, peers = row["sides"]["nnfast"], ratios(row)
    cells = [f"{peers[p]:.2f}" if p in peers else "-" for p in PEERS]
    cells.append(f"{min(peers.values()):.2f}" if peers else "-")
    return (
        f"{row['op']:<15} {row['shape']:<37} {row['isa']:<9}{row['threads']:<3}"
        f"{duration(ours['time']):>9} {ours['spread']:>6.1%}{row['gflops']:9.1f}{row['gbs']:7.1f}"
        f"{row['peak']:6.0%}{ours['error']:9.1e} |" + "".join(f"{c:>9}" for c in cells)
    )


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def geometric_mean(values: Iterable[float]) -> float:
    """exp of the mean of logs."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs))


def summary(rows: list[Row]) -> Iterable[str]:
    """Geometric means of each group, the worst row, rows below 1.0."""
    rated = [(r, ratios(r)) for r in rows]
    rated = [(r, p) for r, p in rated if p]
    for key in dict.fromkeys((r["group"], r["isa"], r["threads"]) for r, _ in rated):
        members = [p for r, p in rated if (r["group"], r["isa"], r["threads"]) == key]
        means = [
            f"{peer} {geometric_mean(p[peer] for p in members if peer in p):.2f}"
            for peer in PEERS
            if any(peer in p for p in members)
        ]
        best = geometric_mean(min(p.values()) for p in members)
        yield (
            f"{key[0]}, {key[1]}, threads {key[2]}: geometric mean of {len(members)} rows "
            f"{best:.2f} to the best ({', '.join(means)})"
        )
    if rated:
        worst, of_worst = min(rated, key=lambda rp: min(rp[1].values()))
        yield f"worst row: {min(of_worst.values()):.2f} {describe(worst)}"
    for r, p in rated:
        peer = min(p, key=lambda name: p[name])
        if p[peer] < 1:
            yield f"below 1.0: {p[peer]:.2f} to {peer}, {describe(r)}"


def describe(row: Row) -> str:
    """Which row it is."""
    return f"{row['op']} {row['shape']}, {row['isa']}, threads {row['threads']}"


def header(info: Mapping[str, Any]) -> Iterable[str]:
    """Machine, software and peaks."""
    for key, value in info.items():
        yield f"{key}: {value}"
