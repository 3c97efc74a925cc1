// Vector functions on the contract of vec.h: one text for every ISA, no branch on data.
//
//   math_exp.h   exp  exp2  expm1  sinh  cosh  sigmoid  tanh
//   math_log.h   log  log2  log1p
//   math_pow.h   pow
//   math_erf.h   erf  gelu  gelu_grad  gelu_tanh  gelu_tanh_grad
//   math_trig.h  sin  cos  tan  sincos_2pi
//   math_arc.h   atan2  atan  asin  acos  asinh  acosh  atanh
//   math_round.h floor  ceil  trunc  nearest  fmod  remainder  floor_divide
//   math_activation.h  silu  mish  softplus and their derivatives
//   math_coef.h  their constants, made by tools/fit_math.py
//
// NaN gives NaN; infinities and signed zeros give what C's functions of the same name give
// (ISO C, annex F). Kernels run with subnormal numbers flushed to zero, so a subnormal argument
// counts as 0 and a result below the smallest normal number is 0, or within one such number of
// what it should be.
//
// ISAs with FMA perform the same operations and give the same bits. The baseline rounds products
// before they are added; its results may differ in the last bits.
//
// "Max error" is measured, in units in the last place (ulp) of the exact result; where the baseline
// is worse, its figure follows. float32: every argument at which the function is not simple (pow:
// 20 million pairs, sin and cos: up to 1000, then every seventh); float64: 5 million arguments,
// against 113-bit arithmetic. Within a factor 2^8 of the smallest normal number the baseline's erf
// and gelu may be worse: a part of the sum is flushed there. tests/test_math.py keeps this true.
#pragma once

#include "simd/math_activation.h"
#include "simd/math_arc.h"
#include "simd/math_erf.h"
#include "simd/math_exp.h"
#include "simd/math_log.h"
#include "simd/math_pow.h"
#include "simd/math_round.h"
#include "simd/math_trig.h"
