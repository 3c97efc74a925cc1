// Winograd convolution as it is chosen: layers of stride 1 as they are, strided ones on their
// phases.
#include <type_traits>

#include "ops/conv2d_phases.h"
#include "ops/conv2d_winograd.h"
#include "ops/winograd_tiles.h"

namespace nnf {

namespace {

bool applies(const ConvLayer& s) {
  return winograd_applies(s) || (has_phases(s) && winograd_applies(phases_of(s)));
}

template <ConvDirection d>
int64_t workspace(const ConvShape& s, DType t) {
  const ConvMethod& way = winograd_unstrided[int(d)];
  if (s.at.sh == 1) return way.workspace(s, t);
  const Phases<float> p(s);
  return (p.image_items() + p.weight_items()) * item_size(t) + way.workspace(p.of, t);
}

// As the op, on copies of the image and the weight in phases.
template <class T>
void run_phases(ConvDirection d, const ConvShape& s, const OpArgs& args) {
  const Phases<T> p(s);
  T* image = static_cast<T*>(args.workspace);
  T* weight = image + p.image_items();
  View in[4], out = args.out[0];
  std::copy_n(args.in, args.n_in, in);
  View& x = d == ConvDirection::input ? out : in[d == ConvDirection::weight ? 1 : 0];
  View& w = d == ConvDirection::weight ? out : in[1];
  if (d != ConvDirection::input) p.split(x.ptr<T>(), image);
  if (d != ConvDirection::weight) p.split_weight(w.ptr<T>(), weight);
  x.data = image, x.size = p.image_items();
  w.data = weight, w.size = p.weight_items();
  OpArgs of = args;
  of.in = in, of.out = &out, of.workspace = weight + p.weight_items();
  winograd_unstrided[int(d)].run(p.of, of);
  if (d == ConvDirection::input) p.join(image, args.out[0].ptr<T>());
  if (d == ConvDirection::weight) p.join_weight(weight, args.out[0].ptr<T>());
}

template <ConvDirection d>
void run(const ConvShape& s, const OpArgs& args) {
  if (s.at.sh == 1) return winograd_unstrided[int(d)].run(s, args);
  for_float(args.out[0].dtype,
            [&](auto* null) { run_phases<std::remove_pointer_t<decltype(null)>>(d, s, args); });
}

template <ConvDirection d>
constexpr ConvMethod kMethod = {applies, workspace<d>, run<d>};

}  // namespace

// Strided layers, as measured: what copies cost, those of the weight shared by 8 images, and how
// near the peak the other ways come, which is less where they write few channels through a stride.
// A good part must be saved: it moves more memory, which two threads share.
bool winograd_pays(ConvDirection d, const ConvShape& s) {
  if (s.at.sh == 1) return winograd_work(d, s) < unstrided_work(d, s);
  const ConvShape of = phases_of(s);
  const double images = d == ConvDirection::weight ? s.N : 1;
  const double weights = (d == ConvDirection::weight ? 200.0 : 25.0) * s.O * of.C * of.taps();
  const double copies = 7.0 * s.at.sh * s.at.sw * images * of.C * of.H * of.W + weights;
  const double reached = d != ConvDirection::input ? 0.9 : least(s.C, 64) / 256.0 + 0.6;
  const double others = images * s.OH * s.OW * s.O * s.C * s.taps() / reached;
  return winograd_work(d, of) + copies < 0.8 * others;
}

const ConvMethod conv_winograd[3] = {kMethod<ConvDirection::forward>, kMethod<ConvDirection::input>,
                                     kMethod<ConvDirection::weight>};

}  // namespace nnf
