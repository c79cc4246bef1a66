// Bindings of looks at X and at residuals.
#include "bindings.hpp"

namespace coupled_nmf {
namespace {

template <class T>
Index scan_tile(const HeldTile<T>& tile, Vector<const Index> bounds, Vector<const double> weights,
                Vector<double> squares, Vector<double> totals) {
  const Bounds blocks = bounds_of(bounds, tile.n_features());
  const Weights w = weights_of(weights, tile.n_rows());
  const auto s = span(squares, "squares", blocks.n_blocks()), t = span(totals, "totals", blocks.n_blocks());
  nb::gil_scoped_release release;
  return kernels<T>().scan_tile(tile.tile(), blocks, w, s.data, t.data);
}

template <class T>
Index find_gaps(const HeldTile<T>& tile, Vector<const Index> bounds, Vector<const double> weights, Matrix<bool> absent,
                Vector<bool> scattered, Vector<double> missing, Vector<double> squares, Vector<double> totals,
                Vector<double> observed) {
  const Bounds blocks = bounds_of(bounds, tile.n_features());
  const Weights w = weights_of(weights, tile.n_rows());
  const auto lacks = rows(absent, "absent", tile.n_rows(), blocks.n_blocks());
  const auto marks = span(scattered, "scattered", tile.n_rows());
  const auto gaps = span(missing, "missing", tile.n_features());
  const auto s = span(squares, "squares", blocks.n_blocks()), t = span(totals, "totals", blocks.n_blocks()),
             o = span(observed, "observed", blocks.n_blocks());
  nb::gil_scoped_release release;
  return kernels<T>().find_gaps(tile.tile(), blocks, w, lacks, marks.data, gaps.data, s.data, t.data, o.data);
}

template <class T>
Index list_gaps(const HeldTile<T>& tile, Vector<const Index> bounds, Vector<const Index> order,
                Matrix<const bool> absent, Vector<const bool> scattered, Vector<std::int64_t> ends,
                Vector<std::uint16_t> places) {
  const Index n = tile.n_rows();
  const Bounds blocks = bounds_of(bounds, tile.n_features());
  const Order some = order_of(order, n);
  const Gaps gaps{rows(absent, "absent", n, blocks.n_blocks()), span(scattered, "scattered", n)};
  const auto own_ends = span(ends, "ends");
  const auto own_places = span(places, "places");
  nb::gil_scoped_release release;
  return kernels<T>().list_gaps(tile.tile(), blocks, some, gaps, own_ends, own_places);
}

template <class T>
void residual_tile(const HeldTile<T>& tile, Matrix<const T> F, Matrix<const T> H, Cube<const double> grams,
                   Vector<const Index> bounds, Vector<const double> weights, Vector<double> squares) {
  const Bounds blocks = bounds_of(bounds, tile.n_features());
  const auto f = rows(F, "F", tile.n_rows());
  const Index k = f.n_columns;
  const auto h = rows(H, "H", k, tile.n_features());
  const auto own_grams = stack(grams, "grams", blocks.n_blocks(), k, k);
  const Weights w = weights_of(weights, tile.n_rows());
  const auto s = span(squares, "squares", blocks.n_blocks());
  nb::gil_scoped_release release;
  kernels<T>().residual_tile(tile.tile(), f, h, own_grams, blocks, w, s.data);
}

template <class T>
void gappy_residual_tile(const HeldTile<T>& tile, Vector<const Index> bounds, Vector<const Index> order,
                         Matrix<const bool> absent, Vector<const bool> scattered, Matrix<T> F, Matrix<const T> H,
                         Cube<const double> grams, Vector<const double> weights, Vector<double> squares) {
  const Index n = tile.n_rows();
  const Bounds blocks = bounds_of(bounds, tile.n_features());
  const Order some = order_of(order, n);
  const Gaps gaps{rows(absent, "absent", n, blocks.n_blocks()), span(scattered, "scattered", n)};
  const auto f = rows(F, "F", n);
  const Index k = f.n_columns;
  const auto h = rows(H, "H", k, tile.n_features());
  const auto own_grams = stack(grams, "grams", blocks.n_blocks(), k, k);
  const Weights w = weights_of(weights, n);
  const auto s = span(squares, "squares", blocks.n_blocks());
  nb::gil_scoped_release release;
  kernels<T>().gappy_residual_tile(tile.tile(), blocks, some, gaps, f, h, own_grams, w, s.data);
}

template <class T>
void bind_for(nb::module_& module) {
  bind(module, "scan_tile", scan_tile<T>, {"tile", "bounds", "weights", "squares", "totals"});
  bind(module, "find_gaps", find_gaps<T>,
       {"tile", "bounds", "weights", "absent", "scattered", "missing", "squares", "totals", "observed"});
  bind(module, "list_gaps", list_gaps<T>, {"tile", "bounds", "order", "absent", "scattered", "ends", "places"});
  bind(module, "residual_tile", residual_tile<T>, {"tile", "F", "H", "grams", "bounds", "weights", "squares"});
  bind(module, "gappy_residual_tile", gappy_residual_tile<T>,
       {"tile", "bounds", "order", "absent", "scattered", "F", "H", "grams", "weights", "squares"});
}

}  // namespace

void bind_looks(nb::module_& module) {
  bind_for<float>(module);
  bind_for<double>(module);
}

}  // namespace coupled_nmf
