// Recurrent layers, all steps of one direction. The input's product is made before, that of the
// weight's gradient after, each for all steps at once; here is what has to go step by step.
//   rnn:  (x, h0, w, sizes?) -> y, h, h_prev             x: (rows, n), w: (n, n)
//   gru:  (x, h0, w, b?, sizes?) -> y, h, gates, h_prev  x: (rows, 3 n), w: (3 n, n)
//   lstm: (x, h0, c0, w, sizes?) -> y, h, c, gates, h_prev, c_prev
// Rows of the same step lie together, N of them, or as many as sizes says, which never grows:
// then the first rows of the batch go on. h_prev and c_prev: the states before each row. A plan may
// write y or gates over an x of that shape, and backward dx over y or gates.
//
// Rows of the batch know nothing of each other, so a task takes some of them through all steps
// and no thread waits for another. The weight is packed once; its panels stay in L2.
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/gemm.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr double kCell = 20;        // work of the functions of one gate, see parallel_for
constexpr int64_t kFewestRows = 4;  // of a task: a tile of fewer waits for memory
constexpr int64_t kRowTasks = 2;    // that a small batch is cut into

// They may be the same.
template <class T>
void copy(T* to, const T* from, int64_t n) {
  if (to != from) std::memcpy(to, from, size_t(n) * sizeof(T));
}

// Which rows belong to which step.
struct Steps {
  int64_t rows, batch, count;
  const int64_t* sizes;  // null: all of the batch in each step
  bool down;             // from the last to the first

  Steps(const View& x, const View& state, const View& given, bool reverse)
      : rows(x.dim(0)),
        batch(state.dim(0)),
        count(given   ? given.size
              : batch ? rows / batch
                      : 0),
        sizes(given ? given.ptr<int64_t>() : nullptr),
        down(reverse) {}

  int64_t size(int64_t step, int64_t left) const {
    const int64_t n = least(least(batch, left), sizes ? sizes[step] : batch);
    return n < 0 ? 0 : n;
  }

  // Calls f(row, n) for each step: its first row, and how many of the batch it has.
  template <class F>
  void each(F&& f) const {
    int64_t row = down ? rows : 0;
    for (int64_t s = 0; s < count; ++s) {
      const int64_t n = size(down ? count - 1 - s : s, down ? row : rows - row);
      if (down) row -= n;
      f(row, n);
      if (!down) row += n;
    }
  }
};

// A matrix K x N, packed once for many products from the left.
template <class T>
class Packed {
 public:
  Packed(int64_t K, int64_t N, int64_t batch)
      : K_(K), N_(N), cols_(round_up(N, kn_.nr)), batch_(batch) {}

  // Elements of workspace.
  int64_t items(int workers) const { return K_ * cols_ + workers * scratch_items(); }

  // Element (k, j) lies at b[k * rs + j * cs].
  void pack(const T* b, int64_t rs, int64_t cs, void* workspace) {
    panels_ = static_cast<T*>(workspace);
    const int64_t step = kPackPanels * kn_.nr, strips = ceil_div(N_, step);
    parallel_for(ceil_div(K_, kKC) * strips, double(K_) * N_ * kPackOne, [&](int64_t t, int) {
      const int64_t k = t / strips * kKC, j = t % strips * step, kc = least(kKC, K_ - k);
      kn_.pack_b(kc, least(step, N_ - j), b + k * rs + j * cs, rs, cs,
                 panels_ + k * cols_ + j * kc);
    });
  }

  // c (m x N) = or += a (m x K), rows side by side but for those of c, which are ldc apart; m is
  // at most rows(). Tiles are of like height.
  void multiply(int64_t m, const T* a, T* c, int64_t ldc, bool add, int worker) const {
    T* packed = panels_ + K_ * cols_ + worker * scratch_items();
    const int64_t tile = ceil_div(m, ceil_div(m, kn_.mr));
    for_blocks(0, K_, [&](int64_t k, int64_t kc) {
      for (int64_t i = 0, p = 0; i < m; i += tile, p += kn_.mr * kc)
        kn_.pack_a(least(tile, m - i), kc, a + i * K_ + k, K_, 1, T(1), packed + p);
      for (int64_t j = 0; j < N_; j += kn_.nr)
        for (int64_t i = 0, p = 0; i < m; i += tile, p += kn_.mr * kc)
          kn_.gemm_tile(kc, packed + p, panels_ + k * cols_ + j * kc, c + i * ldc + j, ldc,
                        int(least(tile, m - i)), int(least(kn_.nr, N_ - j)), add || k > 0, nullptr);
    });
  }

  // Rows of the batch that a task takes.
  int64_t rows() const {
    const int64_t part = ceil_div(batch_, kRowTasks);
    return part < kFewestRows ? kFewestRows : least(part, 16);
  }

  double work() const { return double(K_) * N_ * kMultiplyAdd; }

 private:
  int64_t scratch_items() const { return round_up(round_up(rows(), kn_.mr) * least(K_, kKC), 16); }

  const Kernels<T>& kn_ = kernels<T>();
  const int64_t K_, N_, cols_, batch_;
  T* panels_ = nullptr;
};

// Calls begin(r, m) for some rows of the batch, then step(row, r, m, worker) for each of their
// steps: m rows, the first of them row r of the batch and `row` of all.
template <class T, class Begin, class Step>
void run_steps(const Steps& steps, const Packed<T>& weight, int64_t n, int gates, Begin begin,
               Step step) {
  const int64_t part = weight.rows();
  const double work = double(steps.rows) * (weight.work() + double(n) * gates * kCell);
  parallel_for(ceil_div(steps.batch, part), work, [&](int64_t task, int worker) {
    const int64_t r = task * part, m = least(part, steps.batch - r);
    begin(r, m);
    steps.each([&](int64_t row, int64_t active) {
      if (active > r) step(row + r, r, least(m, active - r), worker);
    });
  });
}

bool reversed(const OpArgs& args) { return args.attributes<RecurrentAttrs>().reverse != 0; }

template <class T>
void map(Map f, int64_t n, const T* a, const T* b, T* y) {
  kernels<T>().map[int(f)]({n, a, b, nullptr, 1, 1, 0, y, {}});
}

// The weight of w (N x K, as layers keep it) as it multiplies states, or their gradients.
template <class T>
Packed<T> for_states(const View& w, int64_t batch) {
  return {w.dim(1), w.dim(0), batch};
}
template <class T>
Packed<T> for_gradients(const View& w, int64_t batch) {
  return {w.dim(0), w.dim(1), batch};
}

// ---- forward ------------------------------------------------------------------------------

template <class T>
void run_rnn(const OpArgs& args) {
  const View *in = args.in, *out = args.out;
  const Steps steps(in[0], in[1], in[3], reversed(args));
  const int64_t n = in[1].dim(1);
  const Map f = args.attributes<RecurrentAttrs>().relu ? Map::relu : Map::tanh;
  T *y = out[0].ptr<T>(), *h = out[1].ptr<T>(), *h_prev = out[2].ptr<T>();
  Packed<T> weight = for_states<T>(in[2], steps.batch);
  weight.pack(in[2].ptr<T>(), 1, n, args.workspace);
  run_steps<T>(
      steps, weight, n, 1,
      [&](int64_t r, int64_t m) { copy(h + r * n, in[1].ptr<T>() + r * n, m * n); },
      [&](int64_t row, int64_t r, int64_t m, int worker) {
        T *z = y + row * n, *state = h + r * n;
        copy(z, in[0].ptr<T>() + row * n, m * n);
        copy(h_prev + row * n, state, m * n);
        weight.multiply(m, state, z, n, true, worker);
        map<T>(f, m * n, z, nullptr, z);
        copy(state, z, m * n);
      });
}

template <class T>
void run_gru(const OpArgs& args) {
  const View *in = args.in, *out = args.out;
  const Steps steps(in[0], in[1], in[4], reversed(args));
  const int64_t n = in[1].dim(1);
  const T* bias = in[3].ptr<T>();
  T *y = out[0].ptr<T>(), *h = out[1].ptr<T>(), *gates = out[2].ptr<T>();
  T* h_prev = out[3].ptr<T>();
  Packed<T> weight = for_states<T>(in[2], steps.batch);
  weight.pack(in[2].ptr<T>(), 1, n, args.workspace);
  run_steps<T>(
      steps, weight, n, 3,
      [&](int64_t r, int64_t m) { copy(h + r * n, in[1].ptr<T>() + r * n, m * n); },
      [&](int64_t row, int64_t r, int64_t m, int worker) {
        T *z = gates + row * 4 * n, *state = h + r * n;
        copy(h_prev + row * n, state, m * n);
        for (int64_t i = 0; bias && i < m; ++i) copy(z + i * 4 * n, bias, 3 * n);
        weight.multiply(m, state, z, 4 * n, bias != nullptr, worker);
        kernels<T>().gru_cell(m, n, in[0].ptr<T>() + row * 3 * n, z, state);
        copy(y + row * n, state, m * n);
      });
}

template <class T>
void run_lstm(const OpArgs& args) {
  const View *in = args.in, *out = args.out;
  const Steps steps(in[0], in[1], in[4], reversed(args));
  const int64_t n = in[1].dim(1);
  T *y = out[0].ptr<T>(), *h = out[1].ptr<T>(), *c = out[2].ptr<T>(), *gates = out[3].ptr<T>();
  T *h_prev = out[4].ptr<T>(), *c_prev = out[5].ptr<T>();
  Packed<T> weight = for_states<T>(in[3], steps.batch);
  weight.pack(in[3].ptr<T>(), 1, n, args.workspace);
  run_steps<T>(
      steps, weight, n, 5,
      [&](int64_t r, int64_t m) {
        copy(h + r * n, in[1].ptr<T>() + r * n, m * n);
        copy(c + r * n, in[2].ptr<T>() + r * n, m * n);
      },
      [&](int64_t row, int64_t r, int64_t m, int worker) {
        T *z = gates + row * 4 * n, *state = h + r * n, *cell = c + r * n;
        copy(z, in[0].ptr<T>() + row * 4 * n, m * 4 * n);
        copy(h_prev + row * n, state, m * n);
        copy(c_prev + row * n, cell, m * n);
        weight.multiply(m, state, z, 4 * n, true, worker);
        kernels<T>().lstm_cell(m, n, z, cell, state);
        copy(y + row * n, state, m * n);
      });
}

// ---- backward: the same steps in the other order ------------------------------------------

template <class T>
void run_rnn_backward(const OpArgs& args) {
  const View *in = args.in, *out = args.out;
  const Steps steps(in[0], in[1], in[4], !reversed(args));
  const int64_t n = in[1].dim(1);
  const bool relu = args.attributes<RecurrentAttrs>().relu;
  const Map f = relu ? Map::relu_backward : Map::tanh_backward;
  const T *dy = in[0].ptr<T>(), *y = in[2].ptr<T>();
  T *dx = out[0].ptr<T>(), *dh = out[1].ptr<T>();
  Packed<T> weight = for_gradients<T>(in[3], steps.batch);
  weight.pack(in[3].ptr<T>(), n, 1, args.workspace);
  run_steps<T>(
      steps, weight, n, 1,
      [&](int64_t r, int64_t m) { copy(dh + r * n, in[1].ptr<T>() + r * n, m * n); },
      [&](int64_t row, int64_t r, int64_t m, int worker) {
        T *dz = dx + row * n, *state = dh + r * n;
        map<T>(Map::add, m * n, state, dy + row * n, state);
        map<T>(f, m * n, state, y + row * n, dz);
        weight.multiply(m, dz, state, n, false, worker);
      });
}

template <class T>
void run_gru_backward(const OpArgs& args) {
  const View *in = args.in, *out = args.out;
  const Steps steps(in[0], in[1], in[5], !reversed(args));
  const int64_t n = in[1].dim(1);
  const T *dy = in[0].ptr<T>(), *gates = in[2].ptr<T>(), *h_prev = in[3].ptr<T>();
  T *dx = out[0].ptr<T>(), *ds = out[1].ptr<T>(), *dh = out[2].ptr<T>();
  Packed<T> weight = for_gradients<T>(in[4], steps.batch);
  weight.pack(in[4].ptr<T>(), n, 1, args.workspace);
  run_steps<T>(
      steps, weight, n, 1,
      [&](int64_t r, int64_t m) { copy(dh + r * n, in[1].ptr<T>() + r * n, m * n); },
      [&](int64_t row, int64_t r, int64_t m, int worker) {
        T *dz = ds + row * 3 * n, *state = dh + r * n;
        kernels<T>().gru_cell_backward(m, n, gates + row * 4 * n, h_prev + row * n, dy + row * n,
                                       state, dx + row * 3 * n, dz);
        weight.multiply(m, dz, state, n, true, worker);
      });
}

template <class T>
void run_lstm_backward(const OpArgs& args) {
  const View *in = args.in, *out = args.out;
  const Steps steps(in[0], in[1], in[6], !reversed(args));
  const int64_t n = in[1].dim(1);
  const T *dy = in[0].ptr<T>(), *gates = in[3].ptr<T>(), *c_prev = in[4].ptr<T>();
  T *dx = out[0].ptr<T>(), *dh = out[1].ptr<T>(), *dc = out[2].ptr<T>();
  Packed<T> weight = for_gradients<T>(in[5], steps.batch);
  weight.pack(in[5].ptr<T>(), n, 1, args.workspace);
  run_steps<T>(
      steps, weight, n, 2,
      [&](int64_t r, int64_t m) {
        copy(dh + r * n, in[1].ptr<T>() + r * n, m * n);
        copy(dc + r * n, in[2].ptr<T>() + r * n, m * n);
      },
      [&](int64_t row, int64_t r, int64_t m, int worker) {
        T *dz = dx + row * 4 * n, *state = dh + r * n;
        kernels<T>().lstm_cell_backward(m, n, gates + row * 4 * n, c_prev + row * n, dy + row * n,
                                        state, dc + r * n, dz);
        weight.multiply(m, dz, state, n, false, worker);
      });
}

// Bytes for the packed weight, which is input number `weight`.
int64_t workspace_of(const OpArgs& args, int weight, bool gradients) {
  const View& w = args.in[weight];
  const int64_t batch = args.in[1].dim(0);
  int64_t bytes = 0;
  for_float(w.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const Packed<T> p = gradients ? for_gradients<T>(w, batch) : for_states<T>(w, batch);
    bytes = p.items(num_threads()) * int64_t(sizeof(T));
  });
  return bytes;
}

}  // namespace

namespace ops {

#define NNF_RECURRENT(name, weight, gradients)                                                   \
  int64_t name##_workspace(const OpArgs& args) { return workspace_of(args, weight, gradients); } \
  void name(const OpArgs& args) {                                                                \
    for_float(args.in[0].dtype,                                                                  \
              [&](auto* t) { run_##name<std::remove_pointer_t<decltype(t)>>(args); });           \
  }
NNF_RECURRENT(rnn, 2, false)
NNF_RECURRENT(gru, 2, false)
NNF_RECURRENT(lstm, 3, false)
NNF_RECURRENT(rnn_backward, 3, true)
NNF_RECURRENT(gru_backward, 4, true)
NNF_RECURRENT(lstm_backward, 5, true)
#undef NNF_RECURRENT

}  // namespace ops

}  // namespace nnf
