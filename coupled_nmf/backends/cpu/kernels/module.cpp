// The module of compiled kernels: which instructions they use, and what of them Python sees. Arrays are checked in
// `bindings.hpp` and become views; kernels run without the GIL.
#include <nanobind/stl/vector.h>

#include <new>

#include "bindings.hpp"
#include "choice.hpp"
#include "memory.hpp"
#include "numbers.hpp"

namespace coupled_nmf {

void out_of_memory() { throw std::bad_alloc(); }

namespace {

Choice choice;

template <class T>
void bind_tile(nb::module_& module, const char* name) {
  nb::class_<HeldTile<T>>(module, name)
      .def(nb::init<Index>(), nb::arg("n_rows"))
      .def_prop_ro("n_features", &HeldTile<T>::n_features)
      .def_prop_ro("n_bytes", &HeldTile<T>::n_bytes)
      .def("add_dense", &HeldTile<T>::add_dense, nb::arg("array").noconvert(), nb::arg("first"))
      .def("add_sparse", &HeldTile<T>::add_sparse, nb::arg("stored").noconvert(), nb::arg("indices").noconvert(),
           nb::arg("indptr").noconvert(), nb::arg("first"), nb::arg("width"));
}

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
  return choice.table->of_float;
}
template <>
const Kernels<double>& kernels<double>() {
  return choice.table->of_double;
}

}  // namespace coupled_nmf

NB_MODULE(_compiled, module) {
  using namespace coupled_nmf;
  nb::set_leak_warnings(false);  // a tile that lives when Python ends is no leak
  choice = chosen();
  module.def(
      "instructions", [] { return choice.name; }, "The instruction set that the kernels in use are compiled for.");
  module.def(
      "all_instructions",
      [] {
        std::vector<std::string> names;
        for (const Choice& one : choices()) names.emplace_back(one.name);
        return names;
      },
      "Those that this build and this processor have, the best last.");
  module.attr("PANEL") = PANEL;
  module.attr("DOT_COLUMNS") = choice.table->of_float.dot_columns;
  module.attr("OUTER_ROWS") = choice.table->of_float.outer_rows;
  module.attr("LARGE") = LARGE;
  module.attr("SMALLEST") = nb::make_tuple(double(Numbers<float>::smallest), Numbers<double>::smallest);
  module.attr("LOWEST") = nb::make_tuple(double(Numbers<float>::lowest), Numbers<double>::lowest);
  bind_tile<float>(module, "SingleTile");
  bind_tile<double>(module, "DoubleTile");
  bind_moves(module);
  bind_small(module);
  bind_solves(module);
  bind_looks(module);
  bind_divergence(module);
}
