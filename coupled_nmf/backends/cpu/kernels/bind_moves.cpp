// Bindings of the moves of both factors, and of passes over X.
#include "bindings.hpp"
#include "room.hpp"

namespace coupled_nmf {
namespace {

template <class T>
void move_tile(const std::string& solver, int inner_sweeps, Index fixed, const HeldTile<T>& tile, Matrix<const T> R,
               Matrix<const T> gram, double l1, double l2, Matrix<T> F, Matrix<T> other, double beta, double next_beta,
               Vector<const double> weights, Matrix<T> FtX, Matrix<T> FtF, Vector<double> extras) {
  const Index k = Index(R.shape(0)), n = tile.n_rows(), width = tile.n_features();
  const Rule rule = rule_of(solver, inner_sweeps, fixed, k);
  const auto by = rows(R, "R", k, width), own_gram = rows(gram, "gram", k, k);
  const auto f = rows(F, "F", n, k), f_other = rows(other, "other", n, k);
  const auto moments = rows(FtX, "FtX", k, width), sums = rows(FtF, "FtF", k, k);
  const auto some = span(extras, "extras", 2);
  const Weights w = weights_of(weights, n);
  nb::gil_scoped_release release;
  kernels<T>().move_tile(rule, tile.tile(), by, own_gram, T(l1), T(l2), f, f_other, T(beta), T(next_beta), w, moments,
                         sums, some.data);
}

// A factor that is held turned: whole lines of memory, as kernels read it.
template <class T>
Rows<T> turned_rows(const Matrix<T>& array, const char* name, Index n, Index k) {
  const Rows<T> turned = rows(array, name, n);
  require(turned.n_columns >= k && turned.n_columns == turned.stride && turned.stride * sizeof(T) % LINE == 0,
          (std::string(name) + " has not rows of whole lines").c_str());
  return turned;
}

template <class T>
bool all_sparse(Tile<T> tile) {
  return std::all_of(tile.parts, tile.parts + tile.n_parts, [](const Part<T>& part) { return part.is_sparse(); });
}

template <class T>
void move_sparse_tile(const std::string& solver, int inner_sweeps, Index fixed, const HeldTile<T>& tile,
                      Matrix<const T> turned, Matrix<const T> gram, double l1, double l2, Matrix<T> F, Matrix<T> other,
                      double beta, double next_beta, Vector<const double> weights, Matrix<T> G, Matrix<T> FtF,
                      Vector<double> extras) {
  const Index k = Index(gram.shape(0)), n = tile.n_rows();
  const Rule rule = rule_of(solver, inner_sweeps, fixed, k);
  require(all_sparse(tile.tile()), "a part is not sparse");
  const auto by = turned_rows(turned, "turned", tile.n_features(), k);
  const auto own_gram = rows(gram, "gram", k, k);
  const auto f = rows(F, "F", n, k), f_other = rows(other, "other", n, k);
  const auto g = turned_rows(G, "G", n, k), sums = rows(FtF, "FtF", k, k);
  const auto some = span(extras, "extras", 2);
  const Weights w = weights_of(weights, n);
  nb::gil_scoped_release release;
  kernels<T>().move_sparse_tile(rule, tile.tile(), by, own_gram, T(l1), T(l2), f, f_other, T(beta), T(next_beta), w, g,
                                sums, some.data);
}

template <class T>
void sum_columns(const HeldTile<T>& columns, Matrix<const T> G, Index first, Index last, Matrix<double> FtX) {
  require(all_sparse(columns.tile()), "a part is not sparse");
  require(0 <= first && first <= last && last <= columns.n_rows(), "columns must be there");
  const auto sums = rows(FtX, "FtX", -1, columns.n_rows());
  const auto g = turned_rows(G, "G", columns.n_features(), sums.n_rows);
  nb::gil_scoped_release release;
  kernels<T>().sum_columns(columns.tile(), g, first, last, sums);
}

template <class T>
void turn_over(Matrix<const T> H, Matrix<T> turned) {
  const auto h = rows(H, "H");
  const auto out = turned_rows(turned, "turned", h.n_columns, h.n_rows);
  nb::gil_scoped_release release;
  kernels<T>().turn_over(h, out);
}

template <class T>
double move_columns(const std::string& solver, int inner_sweeps, Index fixed, Matrix<const double> FtX,
                    Cube<const T> grams, Vector<const T> l1s, Vector<const Index> edges, Matrix<T> H, Matrix<T> other,
                    double beta, double next_beta, Vector<const double> alpha, Matrix<T> R, Cube<T> HHts, Index first,
                    Index last) {
  const Index k = Index(H.shape(0)), width = Index(H.shape(1)), n = Index(grams.shape(0));
  const Rule rule = rule_of(solver, inner_sweeps, fixed, k);
  const auto moments = rows(FtX, "FtX", k, width);
  const auto own_grams = stack(grams, "grams", n, k, k);
  const auto groups = bounds_of(edges, width);
  require(groups.n_blocks() == n, "there must be a gram for each group");
  const auto h = rows(H, "H", k, width), h_other = rows(other, "other", k, width), r = rows(R, "R", k, width);
  const auto sums = stack(HHts, "HHts", n, k, k);
  const auto l1 = span(l1s, "l1s", n);
  const auto a = span(alpha, "alpha", width);
  require(0 <= first && first <= last && last <= width, "columns must be there");
  nb::gil_scoped_release release;
  return kernels<T>().move_columns(rule, moments, own_grams, l1.data, groups.data, h, h_other, T(beta), T(next_beta),
                                   a.data, r, sums, first, last);
}

template <class T>
void move_gappy_tile(const std::string& solver, int inner_sweeps, Index fixed, const HeldTile<T>& tile,
                     Vector<const Index> bounds, Vector<const Index> order, Matrix<const bool> absent,
                     Vector<const bool> scattered, Vector<const std::uint16_t> places, Vector<const Index> ends,
                     Matrix<const T> R, Matrix<const T> H, Vector<const double> alpha, Cube<const T> grams, double l1,
                     double l2, Matrix<T> F, Matrix<T> other, double beta, double next_beta,
                     Vector<const double> weights, Matrix<T> FtX, Cube<T> FtFs, Vector<double> extras) {
  const Index k = Index(R.shape(0)), n = tile.n_rows(), width = tile.n_features();
  const Rule rule = rule_of(solver, inner_sweeps, fixed, k);
  const Bounds blocks = bounds_of(bounds, width);
  const Order some = order_of(order, n);
  const Gaps gaps{rows(absent, "absent", n, blocks.n_blocks()), span(scattered, "scattered", n)};
  const GapPlaces listed{span(places, "places"), span(ends, "ends")};
  require(std::is_sorted(listed.ends.begin(), listed.ends.end()), "lists of gaps must not fall");
  require(listed.ends.size == 0 || listed.ends[0] >= 0, "lists of gaps must begin at 0");
  const Index end = listed.ends.size ? listed.ends[listed.ends.size - 1] : 0;
  require(end == listed.places.size, "lists of gaps must end with them");
  const auto by = rows(R, "R", k, width), h = rows(H, "H", k, width);
  const auto a = span(alpha, "alpha", blocks.n_blocks());
  const auto own_grams = stack(grams, "grams", blocks.n_blocks(), k, k);
  const auto f = rows(F, "F", n, k), f_other = rows(other, "other", n, k);
  const auto moments = rows(FtX, "FtX", k, width);
  const auto sums = stack(FtFs, "FtFs", blocks.n_blocks(), k, k);
  const auto out = span(extras, "extras", 2);
  const Weights w = weights_of(weights, n);
  nb::gil_scoped_release release;
  kernels<T>().move_gappy_tile(rule, tile.tile(), blocks, some, gaps, listed, by, h, a.data, own_grams, T(l1), T(l2), f,
                               f_other, T(beta), T(next_beta), w, moments, sums, out.data);
}

template <class T>
void multiply_tile(const HeldTile<T>& tile, Matrix<const T> R, Matrix<T> out) {
  const Index k = Index(R.shape(0));
  const auto by = rows(R, "R", k, tile.n_features());
  const auto found = rows(out, "out", tile.n_rows(), k);
  nb::gil_scoped_release release;
  kernels<T>().multiply_tile(tile.tile(), by, found);
}

template <class T>
void multiply_gappy_tile(const HeldTile<T>& tile, Vector<const Index> bounds, Vector<const Index> order,
                         Matrix<const bool> absent, Vector<const bool> scattered, Matrix<const T> R, Matrix<T> out) {
  const Index k = Index(R.shape(0)), n = tile.n_rows();
  const Bounds blocks = bounds_of(bounds, tile.n_features());
  const Order some = order_of(order, n);
  const Gaps gaps{rows(absent, "absent", n, blocks.n_blocks()), span(scattered, "scattered", n)};
  const auto by = rows(R, "R", k, tile.n_features());
  const auto found = rows(out, "out", n, k);
  nb::gil_scoped_release release;
  kernels<T>().multiply_gappy_tile(tile.tile(), blocks, some, gaps, by, found);
}

template <class T>
void power_tile(const HeldTile<T>& tile, Matrix<const T> R, Matrix<T> out) {
  const Index k = Index(R.shape(0));
  const auto by = rows(R, "R", k, tile.n_features());
  const auto found = rows(out, "out", k, tile.n_features());
  nb::gil_scoped_release release;
  kernels<T>().power_tile(tile.tile(), by, found);
}

template <class T>
void add_dots(Matrix<const T> x, Matrix<const T> h, Matrix<T> out) {
  const auto a = rows(x, "x"), b = rows(h, "h", -1, a.n_columns);
  const auto sums = rows(out, "out", b.n_rows, a.n_rows);
  nb::gil_scoped_release release;
  kernels<T>().add_dots(a.data, a.stride, a.n_rows, a.n_columns, b.data, b.stride, b.n_rows, sums.data, sums.stride);
}

template <class T>
void add_outers(Matrix<const T> f, Matrix<const T> x, Matrix<T> out) {
  const auto a = rows(f, "f"), b = rows(x, "x", a.n_columns);
  const auto sums = rows(out, "out", a.n_rows, b.n_columns);
  nb::gil_scoped_release release;
  kernels<T>().add_outers(a.data, a.stride, a.n_rows, b.data, b.stride, b.n_rows, b.n_columns, sums.data, sums.stride);
}

template <class T>
void add_to(Vector<double> total, Vector<const T> part) {
  const auto sums = span(total, "total");
  const auto some = span(part, "part", sums.size);
  nb::gil_scoped_release release;
  kernels<T>().add_to(sums.data, some.data, sums.size);
}

template <class T>
void bind_for(nb::module_& module) {
  bind(module, "move_tile", move_tile<T>,
       {"solver", "inner_sweeps", "fixed", "tile", "R", "gram", "l1", "l2", "F", "other", "beta", "next_beta",
        "weights", "FtX", "FtF", "extras"});
  bind(module, "move_columns", move_columns<T>,
       {"solver", "inner_sweeps", "fixed", "FtX", "grams", "l1s", "edges", "H", "other", "beta", "next_beta", "alpha",
        "R", "HHts", "first", "last"});
  bind(module, "move_sparse_tile", move_sparse_tile<T>,
       {"solver", "inner_sweeps", "fixed", "tile", "turned", "gram", "l1", "l2", "F", "other", "beta", "next_beta",
        "weights", "G", "FtF", "extras"});
  bind(module, "sum_columns", sum_columns<T>, {"columns", "G", "first", "last", "FtX"});
  bind(module, "turn_over", turn_over<T>, {"H", "turned"});
  bind(module, "move_gappy_tile", move_gappy_tile<T>,
       {"solver", "inner_sweeps", "fixed", "tile",      "bounds",  "order", "absent", "scattered",
        "places", "ends",         "R",     "H",         "alpha",   "grams", "l1",     "l2",
        "F",      "other",        "beta",  "next_beta", "weights", "FtX",   "FtFs",   "extras"});
  bind(module, "multiply_tile", multiply_tile<T>, {"tile", "R", "out"});
  bind(module, "multiply_gappy_tile", multiply_gappy_tile<T>,
       {"tile", "bounds", "order", "absent", "scattered", "R", "out"});
  bind(module, "power_tile", power_tile<T>, {"tile", "R", "out"});
  bind(module, "add_dots", add_dots<T>, {"x", "h", "out"});
  bind(module, "add_outers", add_outers<T>, {"f", "x", "out"});
  bind(module, "add_to", add_to<T>, {"total", "part"});
}

}  // namespace

void bind_moves(nb::module_& module) {
  bind_for<float>(module);
  bind_for<double>(module);
}

}  // namespace coupled_nmf
