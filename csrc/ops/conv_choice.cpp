#include "ops/conv_choice.h"

#include <atomic>
#include <cinttypes>
#include <cstdio>

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

// Direct computes whole vectors of pixels, gemm gathers panels: that costs as much as this many
// rows of the product (measured).
constexpr int64_t kGatherRows = 16;
constexpr int64_t kNarrow = 4;  // channels whose border costs little, though strides skip pixels
constexpr int64_t kFew = 64;    // channels for which panels of 1 x 1 convolutions do not pay
constexpr int64_t kLanes = 16;  // of float32 with AVX-512: the choice is the same on every ISA

bool direct_pays(ConvDirection d, const ConvLayer& s) {
  if (s.taps() == 1 && (d == ConvDirection::weight || s.O > kFew || s.C > kFew)) return false;
  if (d == ConvDirection::weight) return s.O <= 4 * kLanes || s.C <= kNarrow;
  const bool forward = d == ConvDirection::forward;
  const int64_t rows = forward ? s.O : s.C, pixels = forward ? s.OW : s.W;
  const bool strided = s.at.sh > 1 || s.at.sw > 1;
  if (strided && !forward) return rows <= kGatherRows / 2;
  if (strided && s.C > kNarrow) return false;
  return rows * (round_up(pixels, kLanes) - pixels) <= kGatherRows * pixels;
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
  if (direct_pays(d, s)) return ConvAlgorithm::direct;
  return ConvAlgorithm::gemm;
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
