// Bindings of what finds F for a given H, under the Frobenius loss.
#include "bindings.hpp"

namespace coupled_nmf {
namespace {

// A new array of the first numbers of a vector.
nb::object as_array(std::vector<Index>&& numbers, Index n) {
  auto* kept = new std::vector<Index>(std::move(numbers));
  nb::capsule owner(kept, [](void* one) noexcept { delete static_cast<std::vector<Index>*>(one); });
  const std::size_t shape[1] = {std::size_t(n)};
  return nb::cast(nb::ndarray<nb::numpy, Index>(kept->data(), 1, shape, owner));
}

template <class T>
void invert(Matrix<const double> gram, Matrix<T> inverse) {
  const auto found = rows(inverse, "inverse", Index(inverse.shape(0)), Index(inverse.shape(0)));
  const auto own_gram = rows(gram, "gram", found.n_rows, found.n_rows);
  nb::gil_scoped_release release;
  kernels<T>().invert(own_gram, found);
}

template <class T>
nb::object solve_rows(Matrix<T> V, Matrix<const T> gram, Matrix<const T> inverse, Matrix<const T> cross, double tol,
                      int max_rounds) {
  const auto v = rows(V, "V");
  const auto own_gram = rows(gram, "gram", v.n_columns, v.n_columns);
  const auto own_inverse = rows(inverse, "inverse", v.n_columns, v.n_columns);
  const auto wanted = rows(cross, "cross", v.n_rows, v.n_columns);
  std::vector<Index> waiting(std::size_t(v.n_rows) + 1);
  Index n = 0;
  {
    nb::gil_scoped_release release;
    n = kernels<T>().solve_rows(v, own_gram, own_inverse, wanted, T(tol), max_rounds, waiting.data());
  }
  return as_array(std::move(waiting), n);
}

template <class T>
void pivot_rows(Matrix<T> V, Matrix<const double> gram, Matrix<const T> cross, Vector<const Index> some, double ridge,
                double tol) {
  const auto v = rows(V, "V");
  const auto own_gram = rows(gram, "gram", v.n_columns, v.n_columns);
  const auto wanted = rows(cross, "cross", v.n_rows, v.n_columns);
  const Order chosen = order_of(some, v.n_rows);
  nb::gil_scoped_release release;
  kernels<T>().pivot_rows(v, own_gram, wanted, chosen, ridge, tol);
}

template <class T>
void solve_alone(const HeldTile<T>& tile, Vector<const Index> bounds, Vector<const Index> some,
                 Matrix<const bool> absent, Matrix<const T> Ht, Vector<const double> alpha, Cube<const double> grams,
                 double l1, double l2, Matrix<const T> cross, double noise, double few, Matrix<T> F) {
  const Index k = Index(F.shape(1)), n = tile.n_rows();
  const Bounds blocks = bounds_of(bounds, tile.n_features());
  const Order chosen = order_of(some, n);
  const auto lacks = rows(absent, "absent", n, blocks.n_blocks());
  const auto turned = rows(Ht, "Ht", tile.n_features(), k);
  const auto a = span(alpha, "alpha", blocks.n_blocks());
  const auto own_grams = stack(grams, "grams", blocks.n_blocks(), k, k);
  const auto wanted = rows(cross, "cross", n, k);
  const auto f = rows(F, "F", n, k);
  nb::gil_scoped_release release;
  kernels<T>().solve_alone(tile.tile(), blocks, chosen, lacks, turned, a.data, own_grams, l1, l2, wanted, noise, few,
                           f);
}

template <class T>
void bind_for(nb::module_& module) {
  bind(module, "invert", invert<T>, {"gram", "inverse"});
  bind(module, "solve_rows", solve_rows<T>, {"V", "gram", "inverse", "cross", "tol", "max_rounds"});
  bind(module, "pivot_rows", pivot_rows<T>, {"V", "gram", "cross", "rows", "ridge", "tol"});
  bind(module, "solve_alone", solve_alone<T>,
       {"tile", "bounds", "rows", "absent", "Ht", "alpha", "grams", "l1", "l2", "cross", "noise", "few", "F"});
}

}  // namespace

void bind_solves(nb::module_& module) {
  bind_for<float>(module);
  bind_for<double>(module);
}

}  // namespace coupled_nmf
