#include "ops/conv_choice.h"

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>

#include "ops/conv2d_direct.h"
#include "ops/conv2d_winograd.h"

namespace nnf {

namespace {

constexpr const char* kNames[] = {
#define NNF_CONV(name) #name,
    NNF_CONV_ALGORITHMS
#undef NNF_CONV
};
constexpr const char* kDirections[] = {"conv2d", "conv2d_input", "conv2d_weight"};
constexpr int kCount = sizeof kNames / sizeof kNames[0];

std::atomic<int> forced{-1};
std::atomic<bool> shown{false};

bool applies(ConvAlgorithm a, ConvDirection d, const ConvLayer& s) {
  const auto test = conv_method(a, d).applies;
  return test && test(s);
}

constexpr int64_t kNarrow = 4;    // channels whose border costs little, though strides skip pixels
constexpr int64_t kFew = 64;      // channels for which panels of 1 x 1 convolutions do not pay
constexpr int64_t kMore = 192;    // of the other side, at most, where these are few
constexpr int64_t kImage = 1024;  // pixels, at least, of 1 x 1 convolutions read in place
constexpr int64_t kTiny = 128;    // or weights, at most
constexpr int64_t kLanes = 16;    // of float32 with AVX-512: the choice is the same on every ISA

// Work on all elements of a pixel of the result, in multiply-adds, as measured: what of the peak is
// reached, and what each pixel, or each vector of its results, costs besides. Only those that see
// the same taps are compared.
constexpr double kNever = 1e30;
constexpr double kStart = 25;                      // of a vector of results by channels
constexpr int64_t kSmallImage = 256, kDeep = 512;  // whose panels cost more than they bring

double direct_work(ConvDirection d, const ConvLayer& s) {
  const bool forward = d == ConvDirection::forward;
  const double rows = forward ? s.O : s.C, K = double(forward ? s.C : s.O) * s.taps();
  const int64_t pixels = forward ? s.OW : s.W;
  const bool strided = s.at.sh > 1 || s.at.sw > 1;
  const bool few = least(s.O, s.C) <= kFew && most(s.O, s.C) <= kMore;
  const bool in_place = few && (s.OH * s.OW >= kImage || s.O * s.C < kTiny);
  if (s.taps() == 1 && !in_place) return kNever;
  if (strided && !forward && (rows > 8 || s.taps() <= s.at.sh * s.at.sw)) return kNever;
  if (strided && forward && s.C > kNarrow) return kNever;
  return K * rows * round_up(pixels, kLanes) / double(pixels) / 0.85;
}

double channels_work(ConvDirection d, const ConvLayer& s) {
  const bool forward = d == ConvDirection::forward;
  const int64_t rows = forward ? s.O : s.C;
  const double K = double(forward ? s.C : s.O) * s.taps();
  const double phases = forward ? 1 : double(s.at.sh * s.at.sw);
  const bool small = s.H * s.W <= kSmallImage && K >= kDeep;
  if (is_pointwise(s) ? !small : !forward && s.taps() <= phases) return kNever;
  return double(round_up(rows, kLanes)) * (K / 0.97 + kStart * phases);
}

double gemm_work(ConvDirection d, const ConvLayer& s) {
  const bool forward = d == ConvDirection::forward;
  const double rows = forward ? s.O : s.C, K = double(forward ? s.C : s.O) * s.taps();
  return K * (rows + 16) / 0.8;
}

// The gradient of the weight, in vector operations for a pixel of dy, as measured: the pixels that
// each tap sees are found for each strip of channels of large images, few accumulators wait for
// each other, and dy is turned.
double channels_weight_work(const ConvShape& s) {
  constexpr int64_t kStrip = 64;
  const double V = ceil_div(s.O, kLanes), CV = s.C * V;
  const double found = s.OH * s.OW <= kSmallImage ? 0 : 4.0 * ceil_div(s.O, kStrip);
  const double rows = taps_inside(s.OH, s.H, s.at.ph, s.KH, s.at.dh, s.at.sh) / double(s.OH);
  const double cols = taps_inside(s.OW, s.W, s.at.pw, s.KW, s.at.dw, s.at.sw) / double(s.OW);
  return rows * cols * (std::max({CV, 2 * V, 4.0}) / 0.95 + found) + 22 * V;
}

double gemm_weight_work(const ConvShape& s) {
  return double(s.C * s.taps()) * (s.O / 14.0 + 1.5) + 50;
}

ConvAlgorithm choose_weight(const ConvShape& s) {
  constexpr int64_t kMany = 128, kWide = 1024;
  constexpr int64_t kShort = 16, kLong = 48;  // channels for which rows of pixels are read in place
  const bool can = s.OW <= kWide && applies(ConvAlgorithm::channels, ConvDirection::weight, s);
  if (is_pointwise(s)) {
    const bool full = s.O > kFew || 3 * round_up(s.O, kLanes) < 4 * s.O;
    if (can && full && s.C >= kMany) return ConvAlgorithm::channels;
    return s.C <= (s.OW < kLanes ? kShort : kLong) ? ConvAlgorithm::direct : ConvAlgorithm::gemm;
  }
  if (s.OH * s.OW == 0) return ConvAlgorithm::gemm;
  const double direct = direct_weight_work(s), gemm = gemm_weight_work(s);
  if (can && channels_weight_work(s) < std::min(direct, gemm)) return ConvAlgorithm::channels;
  return direct < gemm ? ConvAlgorithm::direct : ConvAlgorithm::gemm;
}

}  // namespace

const ConvMethod& conv_method(ConvAlgorithm a, ConvDirection d) {
  static constexpr const ConvMethod* methods[] = {
#define NNF_CONV(name) conv_##name,
      NNF_CONV_ALGORITHMS
#undef NNF_CONV
  };
  return methods[int(a)][int(d)];
}

ConvAlgorithm choose_conv(ConvDirection d, const ConvShape& s) {
  if (s.at.transformed) return ConvAlgorithm::winograd;
  const int wanted = forced.load(std::memory_order_relaxed);
  if (wanted >= 0 && applies(ConvAlgorithm(wanted), d, s)) return ConvAlgorithm(wanted);
  if (applies(ConvAlgorithm::depthwise, d, s)) return ConvAlgorithm::depthwise;
  if (applies(ConvAlgorithm::winograd, d, s) && winograd_pays(d, s)) return ConvAlgorithm::winograd;
  if (d == ConvDirection::weight) return choose_weight(s);
  const double direct = direct_work(d, s), gemm = gemm_work(d, s);
  const double channels = applies(ConvAlgorithm::channels, d, s) ? channels_work(d, s) : kNever;
  if (channels < direct && channels < gemm) return ConvAlgorithm::channels;
  return direct < gemm ? ConvAlgorithm::direct : ConvAlgorithm::gemm;
}

std::vector<std::string> conv_algorithms() { return {kNames, kNames + kCount}; }

bool force_conv(const std::string& name) {
  for (int i = 0; i < kCount; ++i) {
    if (name != kNames[i]) continue;
    forced.store(i);
    return true;
  }
  forced.store(-1);
  return name.empty();
}

void show_conv_choices(bool show) { shown.store(show); }

void show_conv_choice(ConvDirection d, ConvAlgorithm a, const ConvShape& s) {
  if (!shown.load(std::memory_order_relaxed)) return;
  std::fprintf(stderr,
               "nnfast: %s: %s for (%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64
               "), weight (%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "), stride (%" PRId64
               ", %" PRId64 "), groups %" PRId64 "\n",
               kDirections[int(d)], kNames[int(a)], s.N, s.G * s.C, s.H, s.W, s.G * s.O, s.C, s.KH,
               s.KW, s.at.sh, s.at.sw, s.G);
}

}  // namespace nnf
