#include "isa/choose.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdint>
#include <initializer_list>

#include "kernels/table.h"

namespace nnf {

namespace {

bool always() { return true; }

#if defined(__x86_64__)
struct CpuidLeaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidLeaf cpuid(unsigned leaf) {
  CpuidLeaf r;
  __get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool has(unsigned reg, std::initializer_list<int> bits) {
  for (int b : bits)
    if (!(reg >> b & 1)) return false;
  return true;
}

// Register state that the operating system saves: a feature bit alone does not tell.
uint64_t saved_state() {
  if (!has(cpuid(1).ecx, {27})) return 0;  // OSXSAVE
  unsigned lo, hi;
  asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return uint64_t(hi) << 32 | lo;
}

bool has_avx2() {
  return has(cpuid(1).ecx, {12, 28}) &&  // FMA AVX
         has(cpuid(7).ebx, {5}) &&       // AVX2
         (saved_state() & 0x6) == 0x6;   // XMM YMM
}

bool has_avx512() {
  return has_avx2() && has(cpuid(7).ebx, {16, 17, 30, 31}) &&  // F DQ BW VL
         (saved_state() & 0xe6) == 0xe6;                       // and opmask, ZMM
}
#endif

const Isa* current = nullptr;

}  // namespace

const std::vector<Isa>& built_isas() {
  static const std::vector<Isa> isas = {
#if defined(__aarch64__)
      {"neon", always, &kernels_neon},  // the least that there is
#else
      {"baseline", always, &kernels_baseline},
#endif
#if defined(__x86_64__)
      {"avx2", has_avx2, &kernels_avx2},
      {"avx512", has_avx512, &kernels_avx512},
#endif
  };
  return isas;
}

std::vector<std::string> usable_isas() {
  std::vector<std::string> names;
  for (const Isa& isa : built_isas())
    if (isa.supported()) names.push_back(isa.name);
  return names;
}

std::string choose_isa(const std::string& cap) {
  const Isa* best = nullptr;
  bool found = cap.empty();
  for (const Isa& isa : built_isas()) {
    if (isa.supported()) best = &isa;
    if (cap == isa.name) {
      if (!isa.supported()) return "this machine cannot run '" + cap + "'";
      found = true;
      break;
    }
  }
  if (!found) return "no ISA is called '" + cap + "'";
  current = best;
  return "";
}

const Isa& current_isa() { return *current; }

template <>
const Kernels<float>& kernels() {
  return current->kernels->f32;
}
template <>
const Kernels<double>& kernels() {
  return current->kernels->f64;
}
template <>
const Kernels<int64_t>& kernels() {
  return current->kernels->i64;
}

}  // namespace nnf
