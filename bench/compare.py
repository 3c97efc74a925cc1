"""Two runs, row by row: what became faster and what slower."""

from __future__ import annotations

from bench.report import Record, Row, duration, geometric_mean, groups


def show(before: Record, after: Record) -> None:
    """Print both times of each row and their ratio, and the geometric mean of each group.

    Times of two runs drift by some percent: what counts is the ratio to the peers within a run,
    which stands behind.
    """
    old = {_key(row): row for row in before["rows"]}
    for name, rows in groups(after["rows"]).items():
        both = [(old[_key(row)], row) for row in rows if _key(row) in old]
        if not both:
            continue
        print(f"\n{name}")
        for a, b in both:
            times = f"{duration(_time(a)):>9} -> {duration(_time(b)):>9}"
            peers = "  ".join(
                f"{side} {a['sides'][side]['time'] / _time(a):.2f} -> {s['time'] / _time(b):.2f}"
                for side, s in b["sides"].items()
                if side != "nnfast" and side in a["sides"]
            )
            ratio = _time(a) / _time(b)
            print(f"{b['op']:<24} {b['shape']:<43} {times} {ratio:6.2f}x  {peers}")
        mean = geometric_mean(_time(a) / _time(b) for a, b in both)
        print(f"geometric mean of {len(both)} rows: {mean:.2f}x")
    new = {_key(row) for row in after["rows"]}
    print(f"\nonly before: {len(old.keys() - new)} rows; only after: {len(new - old.keys())}")


def _key(row: Row) -> tuple[str, str, str, int]:
    return row["op"], row["shape"], row["isa"], row["threads"]


def _time(row: Row) -> float:
    return float(row["sides"]["nnfast"]["time"])
