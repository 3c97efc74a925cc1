// Which instruction set runs. A ladder of clusters, not of single feature bits.
#pragma once

#include <string>
#include <vector>

namespace nnf {

struct KernelTable;

struct Isa {
  const char* name;
  bool (*supported)();         // by the processor and the operating system
  const KernelTable* kernels;  // compiled for it
};

// All that were built, worst first.
const std::vector<Isa>& built_isas();
// Names of those that this machine can run, worst first.
std::vector<std::string> usable_isas();
// The kernels in use. Chosen once at import: the best usable, capped by `cap` if not empty.
// Returns an error text, empty if all went well.
std::string choose_isa(const std::string& cap);
const Isa& current_isa();

}  // namespace nnf
