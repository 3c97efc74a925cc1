"""Derives the constants of csrc/simd/math_coef.h; needs mpmath (half a minute).

    python tools/fit_math.py > csrc/simd/math_coef.h

Each table is a polynomial, or a quotient of two, with nearly the smallest possible maximum error.
The fit is weighted least squares on Chebyshev points, repeated with Lawson's update (weight times
error), which turns the least mean error into the least maximum error. The coefficients of the
lowest powers are rounded to the working type one after the other; those left are fitted again each
time and so absorb the rounding. The error printed with a table is that of the rounded
coefficients, evaluated exactly, relative to the function computed from them.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import mpmath
from mpmath import mpf

mpmath.mp.dps = 60

LN2 = mpmath.log(2)


# ---- the functions to be fitted, with the weight that makes the error relative to the result ----


def exp_tail(r):  # e^r = 1 + r + r^2 q(r); relative to e^r - 1, so that expm1 may use it
    return (mpmath.expm1(r) - r) / r**2, r**2 / mpmath.expm1(r)


def log_tail(z):  # log((1+s)/(1-s)) = 2s + s z q(z), z = s^2
    s = mpmath.sqrt(z)
    log = 2 * mpmath.atanh(s)
    return (log - 2 * s) / (s * z), s * z / log


def log_tail2(z):  # log((1+s)/(1-s)) = 2s + 2/3 s^3 + s^5 q(z)
    s = mpmath.sqrt(z)
    log = 2 * mpmath.atanh(s)
    return (log - 2 * s - 2 * s**3 / 3) / s**5, s**5 / log


def log2_odd(z):  # log2((1+s)/(1-s)) = s q(z)
    s = mpmath.sqrt(z)
    log = 2 * mpmath.atanh(s) / LN2
    return log / s, s / log


def exp2_all(r):  # 2^r = q(r)
    return mpf(2) ** r, mpf(2) ** -r


def erf_odd(z):  # erf(x) = x + x q(z), z = x^2
    x = mpmath.sqrt(z)
    return mpmath.erf(x) / x - 1, x / mpmath.erf(x)


def normal_tail(a):  # Phi(-a) = e^(-a^2/2) p(a) / (sqrt(2 pi) a p(a) + q(a))
    ratio = mpmath.exp(a * a / 2) * mpmath.erfc(a / mpmath.sqrt(2)) / 2
    return ratio, 1 / ratio


def sin_tail(z):  # sin(r) = r + r^3 q(z), z = r^2
    r = mpmath.sqrt(z)
    return (mpmath.sin(r) - r) / r**3, r**3 / mpmath.sin(r)


def cos_tail(z):  # cos(r) = 1 - r^2/2 + r^4 q(z)
    r = mpmath.sqrt(z)
    return (mpmath.cos(r) - 1 + r**2 / 2) / r**4, r**4 / mpmath.cos(r)


def atan_tail(z):  # atan(s) = s + s z q(z), z = s^2
    s = mpmath.sqrt(z)
    return (mpmath.atan(s) - s) / (s * z), s * z / mpmath.atan(s)


@dataclass
class Table:
    name: str
    formula: str
    function: Callable
    interval: tuple
    degree: int
    # A quotient p / (slope x p + q): the degree of q, whose constant is 1.
    below: int = 0
    slope: mpf = mpf(0)  # noqa: RUF009
    fixed: dict = field(default_factory=dict)  # power -> value in p


def tables(single):
    """The tables of one working type, in the order of the header."""

    def pick(f, d):
        return f if single else d

    # A reduced argument may lie a little outside its interval: its quotient was rounded too.
    margin = mpf("1.0002")
    r = LN2 / 2 * margin
    yield Table("exp", "e^r = 1 + r + r^2 exp(r), |r| <= ln(2)/2", exp_tail, (-r, r), pick(4, 9))

    s_max = (mpmath.sqrt(2) - 1) / (mpmath.sqrt(2) + 1)
    z = (mpf(0), s_max**2)
    log = "log((1+s)/(1-s))"
    yield Table("log", f"{log} = 2s + s z log(z), z = s^2", log_tail, z, pick(2, 6))

    one = (mpf(0), mpf(1))
    yield Table("erf", "erf(x) = x + x erf(z), z = x^2, |x| <= 1", erf_odd, one, pick(6, 12))

    end = pick("13.2", "37.7")
    yield Table(
        "tail",
        f"Phi(-a) = e^(-a^2/2) p / (sqrt_2pi a p + q), 0 <= a <= {end}",
        normal_tail,
        (mpf(0), mpf(end)),
        pick(4, 10),
        below=pick(3, 9),
        slope=pick(to_single, to_double)(mpmath.sqrt(2 * mpmath.pi)),
        fixed={0: mpf("0.5")},
    )

    z4 = (mpf(0), (mpmath.pi / 4 * margin) ** 2)
    yield Table("sin", "sin(r) = r + r^3 sin(z), z = r^2, |r| <= pi/4", sin_tail, z4, pick(2, 5))
    yield Table("cos", "cos(r) = 1 - z/2 + z^2 cos(z)", cos_tail, z4, pick(2, 5))

    z8 = (mpf(0), (mpmath.tan(mpmath.pi / 8) * margin) ** 2)
    yield Table("atan", "atan(s) = s + s z atan(z), z = s^2", atan_tail, z8, pick(4, 10))

    if not single:  # pow, of both types, works in double
        yield Table("log_dd", f"{log} = 2s + 2/3 s^3 + s^5 log_dd(z)", log_tail2, z, 7)
        yield Table("log2_f", "log2((1+s)/(1-s)) = s log2_f(z), for float32", log2_odd, z, 4)
        half = (-margin / 2, margin / 2)
        yield Table("exp2_f", "2^r = exp2_f(r), |r| <= 1/2, for float32", exp2_all, half, 7)


# ---- fitting ------------------------------------------------------------------------------------


def to_single(x):
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def to_double(x):
    return mpf(float(x))


def toward_zero(x, bits):
    e = mpmath.floor(mpmath.log(abs(x), 2)) + 1 - bits
    return mpmath.sign(x) * mpmath.floor(abs(x) * mpf(2) ** -e) * mpf(2) ** e


def chebyshev_points(low, high, count):
    for i in range(count):
        y = mpmath.cos(mpmath.pi * (i + mpf(1) / 2) / count)
        yield low + (high - low) * (1 + y) / 2


def horner(coefficients, x):
    value = mpf(0)
    for c in reversed(coefficients):
        value = value * x + c
    return value


def sample(table):
    """Points, values and error weights; over the long interval of a quotient, crowded near 0."""
    count = 16 * (table.degree + table.below + 2)
    low, high = table.interval
    if table.below:
        k = mpf(2)
        points = [k * v / (1 - v) for v in chebyshev_points(low, high / (high + k), count)]
    else:
        points = list(chebyshev_points(low, high, count))
    pairs = [table.function(x) for x in points]
    return points, [f for f, _ in pairs], [abs(w) for _, w in pairs]


def solve(points, values, weights, unknown, known, table):
    """Least squares of p (1 - slope x f) = f q, unknown and known: (0 for p or 1 for q, power)."""
    size = len(unknown)

    def column(x, f, part, power):
        return x**power * (1 - table.slope * x * f if part == 0 else -f)

    normal, right = mpmath.zeros(size, size), mpmath.zeros(size, 1)
    for x, f, w in zip(points, values, weights, strict=False):
        row = [column(x, f, *which) for which in unknown]
        rest = f - sum(c * column(x, f, *which) for which, c in known.items())
        w2 = w * w
        for i in range(size):
            wr = w2 * row[i]
            right[i] += wr * rest
            for j in range(i + 1):
                normal[i, j] += wr * row[j]
    for i in range(size):
        for j in range(i):
            normal[j, i] = normal[i, j]
    return dict(zip(unknown, mpmath.lu_solve(normal, right), strict=False))


def fit(table, to_type, start_rounds=24, refit_rounds=3):
    """The coefficients of p and q, rounded to the type, and the maximum error."""
    points, values, scale = sample(table)
    powers = [(0, k) for k in range(table.degree + 1)]
    powers += [(1, k) for k in range(1, table.below + 1)]
    known = {(0, k): to_type(v) for k, v in table.fixed.items()}
    lawson = [mpf(1)] * len(points)
    denominator = [mpf(1)] * len(points)

    def split(found):
        p = [found[0, k] for k in range(table.degree + 1)]
        q = [mpf(1)] + [found[1, k] for k in range(1, table.below + 1)]
        return p, q

    def quotient(found, x):
        p, q = (horner(c, x) for c in split(found))
        return p, table.slope * x * p + q

    def errors(found):
        result = []
        for x, f, s in zip(points, values, scale, strict=False):
            above, below = quotient(found, x)
            result.append(abs(above / below - f) * s)
        return result

    rounds = start_rounds
    while True:
        unknown = [p for p in powers if p not in known]
        best = None
        for _ in range(rounds):
            weights = [
                s * mpmath.sqrt(v) / d for s, v, d in zip(scale, lawson, denominator, strict=False)
            ]
            found = {**known, **solve(points, values, weights, unknown, known, table)}
            denominator = [quotient(found, x)[1] for x in points]
            error = errors(found)
            if best is None or max(error) < best[0]:
                best = (max(error), found)
            mean = sum(v * e for v, e in zip(lawson, error, strict=False)) / sum(lawson)
            lawson = [v * (e / mean) + mpf("1e-6") for v, e in zip(lawson, error, strict=False)]
        rounds = refit_rounds
        found = best[1]
        # The three lowest powers one by one; what is left matters less and is rounded at once.
        lowest = min(unknown, key=lambda p: p[1])
        known[lowest] = to_type(found[lowest])
        if lowest[1] >= 3 or len(unknown) == 1:
            known.update({p: to_type(found[p]) for p in unknown})
            return *split(known), max(errors(known))


# ---- printing -----------------------------------------------------------------------------------


def literal(x, single):
    if single:
        for digits in range(1, 18):
            text = f"{float(x):.{digits}g}"
            if to_single(mpf(text)) == x:
                break
    else:
        text = repr(float(x))
    if not any(c in text for c in ".e"):
        text += ".0"
    return text + "f" * single


def wrap(head, items, tail, width=100):
    lines, line = [], head
    for i, item in enumerate(items):
        item += ", " if i + 1 < len(items) else tail
        if len(line + item.rstrip()) > width:
            lines.append(line.rstrip())
            line = " " * 6
        line += item
    return "\n".join([*lines, line])


def parts(x, bits, single):
    """x as a sum: terms of the given numbers of bits, and a last one of full precision."""
    result = []
    for b in bits:
        e = mpmath.floor(mpmath.log(abs(x), 2)) + 1
        head = mpmath.floor(x * mpf(2) ** (b - e)) / mpf(2) ** (b - e)
        result.append(head)
        x -= head
    return [*result, (to_single if single else to_double)(x)]


def print_type(single):
    name, bits = ("float", 24) if single else ("double", 53)
    to_type = to_single if single else to_double

    def constant(key, value, comment):
        print(f"  static constexpr {name} {key} = {literal(to_type(value), single)};  // {comment}")

    print(f"template <>\nstruct Coef<{name}> {{")
    constant("log2_e", 1 / LN2, "log2(e)")
    high, low = parts(LN2, [15 if single else 32], single)
    constant("ln2_hi", high, "ln(2), so short that e * ln2_hi is exact")
    constant("ln2_lo", low, "ln(2) - ln2_hi")
    constant("ln2", LN2, "ln(2)")
    large = mpf(2) ** (128 if single else 1024) * (1 - mpf(2) ** -bits)
    small = mpf(2) ** (-126 if single else -1022)
    constant("exp_max", toward_zero(mpmath.log(large), bits), "the last x with finite e^x")
    constant("exp_min", toward_zero(mpmath.log(small), bits), "the first x with normal e^x")
    constant("sqrt_2", mpmath.sqrt(2), "sqrt(2)")
    constant("sqrt_2_over_pi", mpmath.sqrt(2 / mpmath.pi), "sqrt(2 / pi)")
    constant("sqrt_2pi", mpmath.sqrt(2 * mpmath.pi), "sqrt(2 pi)")
    constant("inv_sqrt_2pi", 1 / mpmath.sqrt(2 * mpmath.pi), "1 / sqrt(2 pi)")
    constant("two_pi", 2 * mpmath.pi, "2 pi")
    constant("two_over_pi", 2 / mpmath.pi, "2 / pi")
    constant("pio4", mpmath.pi / 4, "pi/4")
    constant("pio2", mpmath.pi / 2, "pi/2")
    constant("pio2_lo", mpmath.pi / 2 - to_type(mpmath.pi / 2), "pi/2 - pio2")
    constant("tan_pi_8", mpmath.tan(mpmath.pi / 8), "tan(pi/8)")
    if not single:
        for i, value in enumerate(parts(mpmath.pi / 2, [26, 26, 26], single)):
            constant(f"pio2_{i}", value, f"pi/2, part {i}, of 26 bits")
        high, low = parts(mpf(2) / 3, [53], single)
        constant("two_thirds_hi", high, "2/3")
        constant("two_thirds_lo", low, "2/3 - two_thirds_hi")
    for table in tables(single):
        p, q, error = fit(table, to_type)
        print(f"\n  // {table.formula}.")
        print(f"  // Error {float(error * mpf(2) ** bits):.2g} * 2^-{bits}.")
        for suffix, values in (("_p", p), ("_q", q)) if table.below else (("", p),):
            head = f"  static constexpr {name} {table.name}{suffix}[] = {{"
            print(wrap(head, [literal(v, single) for v in values], "};"), flush=True)
    print("};")


def main():
    print(
        """// Generated by tools/fit_math.py, which says how. Do not edit.
//
// Coef<T>: the constants of the functions in math.h; polynomials from the lowest power.
// clang-format off
#pragma once

namespace nnf {
namespace {

template <class T>
struct Coef;
"""
    )
    print_type(single=True)
    print()
    print_type(single=False)
    print("\n}  // namespace\n}  // namespace nnf")


if __name__ == "__main__":
    main()
