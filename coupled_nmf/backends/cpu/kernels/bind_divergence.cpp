// Bindings of the Kullback–Leibler loss.
#include "bindings.hpp"
#include "flushed.hpp"

namespace coupled_nmf {
namespace {

template <class T>
Divisors<T> divisors(const Matrix<const T>& H, const Matrix<const double>& sums, const Vector<const double>& alpha,
                     Index width, Index n_blocks) {
  const Index k = Index(H.shape(0));
  return {rows(H, "H", k, width), rows(sums, "sums", n_blocks, k), span(alpha, "alpha", n_blocks).data};
}

template <class T>
void move_divergence_tile(int n_sweeps, const HeldTile<T>& tile, Vector<const Index> bounds, Vector<const Index> order,
                          Matrix<const bool> absent, Matrix<const T> H, Matrix<const T> R, Matrix<const double> sums,
                          Vector<const double> alpha, double l1, double l2, Vector<const double> weights, Matrix<T> F,
                          Matrix<T> other, double beta, Matrix<T> FtQ, Matrix<double> Fsums, Vector<double> extras) {
  const Index k = Index(H.shape(0)), n = tile.n_rows(), width = tile.n_features();
  const Bounds blocks = bounds_of(bounds, width);
  const Order some = order_of(order, n);
  const auto lacks = rows(absent, "absent", n, blocks.n_blocks());
  const Divisors<T> by = divisors<T>(H, sums, alpha, width, blocks.n_blocks());
  const auto r = rows(R, "R", k, width);
  const Weights w = weights_of(weights, n);
  const auto f = rows(F, "F", n, k), to = rows(other, "other", n, k), moments = rows(FtQ, "FtQ", k, width);
  const auto totals = rows(Fsums, "Fsums", blocks.n_blocks(), k);
  const auto out = span(extras, "extras", 2);
  nb::gil_scoped_release release;
  const Flushed flushed;
  kernels<T>().move_divergence_tile(n_sweeps, tile.tile(), blocks, some, lacks, by, r, T(l1), T(l2), w, f, to, T(beta),
                                    moments, totals, out.data);
}

template <class T>
double move_components(Index fixed, Vector<const Index> bounds, Matrix<const double> parts, Matrix<const double> Fsums,
                       Matrix<const double> penalties, Vector<const double> alpha, Matrix<const T> H, Matrix<T> other,
                       double beta, double next_beta, Matrix<T> point, Matrix<T> R, Matrix<double> sums, Index first,
                       Index last) {
  const Index k = Index(H.shape(0)), width = Index(H.shape(1));
  const Bounds blocks = bounds_of(bounds, width);
  const Index n_blocks = blocks.n_blocks();
  const auto by_block = rows(penalties, "penalties", n_blocks, 4);
  require(n_blocks == 1 || by_block.stride == 4, "penalties must be contiguous");
  const Components<T> on{rows(parts, "parts", k, width),
                         rows(Fsums, "Fsums", n_blocks, k),
                         reinterpret_cast<const moves::BlockPenalty*>(by_block.data),
                         span(alpha, "alpha", n_blocks).data,
                         rows(H, "H", k, width),
                         rows(other, "other", k, width),
                         rows(point, "point", k, width),
                         rows(R, "R", k, width),
                         rows(sums, "sums", n_blocks, k)};
  require(0 <= first && first <= last && last <= width, "columns must be there");
  nb::gil_scoped_release release;
  const Flushed flushed;
  return kernels<T>().move_components(on, blocks, fixed, T(beta), T(next_beta), first, last);
}

template <class T>
void solve_divergence_tile(const HeldTile<T>& tile, Vector<const Index> bounds, Vector<const Index> near,
                           Matrix<const bool> absent, Matrix<const T> H, Matrix<const double> sums,
                           Vector<const double> alpha, Cube<const double> grams, double l1, double l2,
                           Vector<const double> weights, double tol, Matrix<T> F, Vector<double> losses,
                           Vector<double> squares, Vector<double> logs, Vector<double> totals) {
  const Index k = Index(H.shape(0)), n = tile.n_rows(), width = tile.n_features();
  const Bounds blocks = bounds_of(bounds, width);
  const Order order = order_of(near, n);
  const auto lacks = rows(absent, "absent", n, blocks.n_blocks());
  const Divisors<T> by = divisors<T>(H, sums, alpha, width, blocks.n_blocks());
  const auto own_grams = stack(grams, "grams", blocks.n_blocks(), k, k);
  const Weights w = weights_of(weights, n);
  const auto f = rows(F, "F", n, k);
  const Index n_blocks = blocks.n_blocks();
  const BlockSums out{span(losses, "losses", n_blocks).data, span(squares, "squares", n_blocks).data,
                      span(logs, "logs", n_blocks).data, span(totals, "totals", n_blocks).data};
  nb::gil_scoped_release release;
  const Flushed flushed;
  kernels<T>().solve_divergence_tile(tile.tile(), blocks, order, lacks, by, own_grams, l1, l2, w, tol, f, out);
}

template <class T>
void bind_for(nb::module_& module) {
  bind(module, "move_divergence_tile", move_divergence_tile<T>,
       {"n_sweeps", "tile", "bounds", "order", "absent", "H", "R", "sums", "alpha", "l1", "l2", "weights", "F", "other",
        "beta", "FtQ", "Fsums", "extras"});
  bind(module, "move_components", move_components<T>,
       {"fixed", "bounds", "parts", "Fsums", "penalties", "alpha", "H", "other", "beta", "next_beta", "point", "R",
        "sums", "first", "last"});
  bind(module, "solve_divergence_tile", solve_divergence_tile<T>,
       {"tile", "bounds", "near", "absent", "H", "sums", "alpha", "grams", "l1", "l2", "weights", "tol", "F",
        "losses", "squares", "logs", "totals"});
}

}  // namespace

void bind_divergence(nb::module_& module) {
  bind_for<float>(module);
  bind_for<double>(module);
}

}  // namespace coupled_nmf
