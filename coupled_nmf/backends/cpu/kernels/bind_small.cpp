// Binding of both moves in one call: what stays from one iteration to the next is checked and held once.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include "bindings.hpp"

namespace coupled_nmf {
namespace {

using RuleTuple = std::tuple<std::string, int, Index>;

template <class T>
class HeldSmall {
 public:
  HeldSmall(const HeldTile<T>& tile, Index rows, Index columns, double l1, double l2, Vector<const double> weights,
            Vector<const Index> edges, Vector<const T> l1s, Vector<const double> alpha)
      : tile_(tile), weights_(weights), edges_(edges), l1s_(l1s), alpha_(alpha) {
    const Index width = tile.n_features();
    require(rows > 0 && columns > 0, "tiles and ranges must not be empty");
    const Bounds groups = bounds_of(edges, width);
    small_ = {{},
              rows,
              columns,
              T(l1),
              T(l2),
              weights_of(weights, tile.n_rows()),
              groups,
              span(l1s, "l1s", groups.n_blocks()).data,
              span(alpha, "alpha", width).data};
  }

  std::pair<double, double> move(const RuleTuple& rule_F, const RuleTuple& rule_H, Matrix<const T> R,
                                 Matrix<const T> gram, Matrix<T> F, Matrix<T> other_F, Matrix<T> H, Matrix<T> other_H,
                                 double beta, double next_beta, Matrix<T> further, Cube<double> HHts) const {
    const Index k = Index(R.shape(0)), n = tile_.n_rows(), width = tile_.n_features();
    Small<T> small = small_;
    small.tile = tile_.tile();
    require(small.edges[small.edges.n_blocks()] == width, "the tile has grown");
    const auto made = [&](const RuleTuple& rule) { return std::apply(rule_of, std::tuple_cat(rule, std::tuple(k))); };
    const Rule of_F = made(rule_F), of_H = made(rule_H);
    const auto by = rows(R, "R", k, width), own_gram = rows(gram, "gram", k, k);
    const auto f = rows(F, "F", n, k), f_other = rows(other_F, "other_F", n, k);
    const auto h = rows(H, "H", k, width), h_other = rows(other_H, "other_H", k, width);
    const auto r = rows(further, "further", k, width);
    const auto sums = stack(HHts, "HHts", small.edges.n_blocks(), k, k);
    double added;
    nb::gil_scoped_release release;
    const double energy = kernels<T>().move_both(small, of_F, of_H, by, own_gram, f, f_other, h, h_other, T(beta),
                                                 T(next_beta), r, sums, added);
    return {added, energy};
  }

 private:
  const HeldTile<T>& tile_;
  Small<T> small_;
  const Vector<const double> weights_;
  const Vector<const Index> edges_;
  const Vector<const T> l1s_;
  const Vector<const double> alpha_;
};

template <class T>
void bind_for(nb::module_& module, const char* name) {
  nb::class_<HeldSmall<T>>(module, name)
      .def(nb::init<const HeldTile<T>&, Index, Index, double, double, Vector<const double>, Vector<const Index>,
                    Vector<const T>, Vector<const double>>(),
           nb::arg("tile"), nb::arg("rows"), nb::arg("columns"), nb::arg("l1"), nb::arg("l2"),
           nb::arg("weights").noconvert(), nb::arg("edges").noconvert(), nb::arg("l1s").noconvert(),
           nb::arg("alpha").noconvert(), nb::keep_alive<1, 2>())  // its tile's arrays
      .def("move", &HeldSmall<T>::move, nb::arg("rule_F"), nb::arg("rule_H"), nb::arg("R").noconvert(),
           nb::arg("gram").noconvert(), nb::arg("F").noconvert(), nb::arg("other_F").noconvert(),
           nb::arg("H").noconvert(), nb::arg("other_H").noconvert(), nb::arg("beta"), nb::arg("next_beta"),
           nb::arg("further").noconvert(), nb::arg("HHts").noconvert());
}

}  // namespace

void bind_small(nb::module_& module) {
  bind_for<float>(module, "SingleSmall");
  bind_for<double>(module, "DoubleSmall");
}

}  // namespace coupled_nmf
