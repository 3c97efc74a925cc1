"""Measured rows as lines of the terminal, as a summary, and as bench/RESULTS.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
Record = dict[str, Any]  # header, peaks, figures, rows: what --json writes

PEERS = ("numpy", "torch", "jax", "onnxruntime")
NOTES = Path(__file__).with_name("NOTES.md")  # why rows fall short; becomes part of the page
COLUMNS = (
    f"{'op':<25}{'shape':<44}{'isa':<9}{'T':<3}{'time':>8}{'spread':>7}{'GFLOP/s':>9}"
    f"{'GB/s':>7}{'peak':>6}{'error':>9} |" + "".join(f"{p[:8]:>9}" for p in (*PEERS, "best"))
)


def ratios(row: Row) -> dict[str, float]:
    """How many times nnfast's time each peer takes, by the best of its sides."""
    ours = row["sides"]["nnfast"]["time"]
    found: dict[str, float] = {}
    for side, result in row["sides"].items():
        library = side.partition(" ")[0]
        if library != "nnfast":
            found[library] = min(found.get(library, math.inf), result["time"] / ours)
    return found


def cells(row: Row) -> list[str]:
    """Time, spread, rates, part of the peak, error; the ratio to each peer and to the best."""
    ours, peers = row["sides"]["nnfast"], ratios(row)
    best = min(peers.values(), default=None)
    return [
        duration(ours["time"]),
        f"{ours['spread']:.0%}",
        f"{row['gflops']:.1f}" if row["gflops"] else "-",
        f"{row['gbs']:.1f}" if row["gbs"] else "-",
        f"{row['peak']:.0%}" if row["peak"] else "-",
        f"{ours['error']:.0e}",
        *("-" if r is None else f"{r:.2f}" for r in (*map(peers.get, PEERS), best)),
    ]


def line(row: Row) -> str:
    """A row as one line of the terminal."""
    time, spread, gflops, gbs, peak, error, *peers = cells(row)
    return (
        f"{row['op']:<24} {row['shape']:<43} {row['isa']:<9}{row['threads']:<3}{time:>8}"
        f"{spread:>7}{gflops:>9}{gbs:>7}{peak:>6}{error:>9} |" + "".join(f"{p:>9}" for p in peers)
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


# ---- summary --------------------------------------------------------------------------------


def groups(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows that belong together: of one group, ISA and number of threads."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"{row['group']}, {row['isa']}, threads {row['threads']}", []).append(row)
    return found


def means(rows: Iterable[Row]) -> dict[str, float]:
    """Geometric means of the ratios to each peer and to the best of each row."""
    found = [r for r in map(ratios, rows) if r]
    result = {
        peer: geometric_mean(r[peer] for r in found if peer in r)
        for peer in PEERS
        if any(peer in r for r in found)
    }
    return result | {"best": geometric_mean(min(r.values()) for r in found)} if found else {}


def worst_first(rows: Iterable[Row]) -> list[tuple[float, str, Row]]:
    """(ratio, to which peer, row) of the rows that have peers."""
    found = []
    for row in rows:
        peers = ratios(row)
        if peers:
            peer = min(peers, key=lambda p: peers[p])
            found.append((peers[peer], peer, row))
    return sorted(found, key=lambda item: item[0])


def summary(rows: list[Row]) -> Iterator[str]:
    """Geometric means of each group, the worst row, rows below 1.0."""
    for name, members in groups(rows).items():
        of = means(members)
        text = ", ".join(f"{peer} {mean:.2f}" for peer, mean in of.items())
        yield f"{name}: geometric mean of {len(members)} rows {text or 'without peers'}"
    found = worst_first(rows)
    if found:
        yield "worst row: " + _short(*found[0])
    below = [item for item in found if item[0] < 1]
    yield f"{len(below)} of {len(rows)} rows below 1.0"
    for item in below:
        yield "  " + _short(*item)


def _short(ratio: float, peer: str, row: Row) -> str:
    return f"{ratio:.2f} {peer}: {row['op']} {row['shape']}, {row['isa']}, threads {row['threads']}"


# ---- the page -------------------------------------------------------------------------------


def markdown(records: list[Record]) -> str:
    """One page of several runs; of a row measured twice the later one counts."""
    rows = {
        (r["group"], r["op"], r["shape"], r["isa"], r["threads"]): r
        for record in records
        for r in record["rows"]
    }
    parts = ["# Results", *_preface(records), *_overview(list(rows.values()))]
    figures = {k: v for record in records for k, v in record["figures"].items()}
    if figures:
        parts.append("## The process\n")
        parts += [f"- {name}: {value:.3g}" for name, value in figures.items()]
    for name, members in groups(rows.values()).items():
        parts += [f"\n## {name}\n", *_table(members)]
    return "\n".join(parts) + "\n"


def _preface(records: list[Record]) -> Iterator[str]:
    yield (
        "\nWritten by `python -m bench report`. Ratios are the peer's time over nnfast's, of one "
        "run in which both took turns: above 1, nnfast is faster. Best: of the peers, for each "
        "row. Peak: of the measured rate of multiply-adds or of memory, whichever limits more; "
        "convolutions count the operations of the direct algorithm. Error: norm-wise, against "
        "float64. Spread: of the median above the least time, which is the one shown.\n"
    )
    for key in dict.fromkeys(key for record in records for key in record["header"]):
        values = dict.fromkeys(r["header"][key] for r in records if key in r["header"])
        yield f"- {key}: {'; '.join(values)}"
    for where, peak in {k: v for r in records for k, v in r["peaks"].items()}.items():
        yield f"- peak, {where}: {peak}"


def _overview(rows: list[Row]) -> Iterator[str]:
    yield "\n## Geometric means\n"
    names = (*PEERS, "best")
    yield f"| group | rows | {' | '.join(names)} | worst | below 1.0 |"
    yield "| --- " * (len(names) + 4) + "|"
    for name, members in groups(rows).items():
        of, found = means(members), worst_first(members)
        texts = [f"{of[n]:.2f}" if n in of else "-" for n in names]
        worst = f"{found[0][0]:.2f}" if found else "-"
        below = sum(ratio < 1 for ratio, _, _ in found)
        yield f"| {name} | {len(members)} | {' | '.join(texts)} | {worst} | {below} |"
    yield "\n## Rows below 1.0\n"
    yield from (f"- {_short(*item)}" for item in worst_first(rows) if item[0] < 1)
    if NOTES.exists():
        yield "\n" + NOTES.read_text().rstrip()


def _table(rows: list[Row]) -> Iterator[str]:
    names = ("op", "shape", "time", "spread", "GFLOP/s", "GB/s", "peak", "error", *PEERS, "best")
    yield f"| {' | '.join(names)} |"
    yield "| --- | --- " + "| ---: " * (len(names) - 2) + "|"
    for row in rows:
        yield f"| {row['op']} | {row['shape']} | {' | '.join(cells(row))} |"
