// Which of the tables that were built is used: the best that this processor runs, or the one that the environment says.
#pragma once
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "processor.hpp"
#include "table.hpp"

namespace coupled_nmf {

struct Choice {
  const char* name;
  const Table* table;
};

// The best comes last.
inline std::vector<Choice> choices() {
  [[maybe_unused]] const Processor processor = this_processor();
  std::vector<Choice> found;
#if HAS_BASELINE
  found.push_back({"baseline", &baseline::table});
#endif
#if HAS_AVX2
  if (processor.avx2) found.push_back({"avx2", &avx2::table});
#endif
#if HAS_AVX512
  if (processor.avx512) found.push_back({"avx512", &avx512::table});
#endif
#if HAS_NEON
  found.push_back({"neon", &neon::table});
#endif
  return found;
}

inline Choice chosen() {
  const std::vector<Choice> found = choices();
  const char* wanted = std::getenv("COUPLED_NMF_INSTRUCTIONS");
  if (wanted == nullptr || *wanted == '\0') return found.back();
  std::string names;
  for (const Choice& choice : found) {
    if (std::string(choice.name) == wanted) return choice;
    names += (names.empty() ? "" : ", ") + std::string(choice.name);
  }
  throw std::runtime_error("the environment variable COUPLED_NMF_INSTRUCTIONS is '" + std::string(wanted) +
                           "', which this processor and this build do not have; they have: " + names + ".");
}

}  // namespace coupled_nmf
