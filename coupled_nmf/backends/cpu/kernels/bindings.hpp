// The boundary: arrays of Python as typed views, whose dtype, dimensions, shape and strides are checked here; kernels
// check nothing.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "table.hpp"

namespace coupled_nmf {

namespace nb = nanobind;

template <class T>
const Kernels<T>& kernels();  // of the instructions that were chosen

template <class T, int DIMENSIONS>
using Array = nb::ndarray<T, nb::ndim<DIMENSIONS>, nb::device::cpu>;

template <class T>
using Vector = Array<T, 1>;
template <class T>
using Matrix = Array<T, 2>;
template <class T>
using Cube = Array<T, 3>;

inline void require(bool holds, const char* what) {
  if (!holds) throw nb::value_error(what);
}

template <class T>
Span<T> span(const Vector<T>& array, const char* name, Index size = -1) {
  require(array.shape(0) <= 1 || array.stride(0) == 1, (std::string(name) + " must be contiguous").c_str());
  require(size < 0 || Index(array.shape(0)) == size, (std::string(name) + " has not the right length").c_str());
  return {array.data(), Index(array.shape(0))};
}

// Weights of rows: one for each, or none.
inline Weights weights_of(const Vector<const double>& array, Index n_rows) {
  return span(array, "weights", array.shape(0) == 0 ? 0 : n_rows);
}

template <class T>
Rows<T> rows(const Matrix<T>& array, const char* name, Index n_rows = -1, Index n_columns = -1) {
  require(array.shape(0) == 0 || array.shape(1) <= 1 || array.stride(1) == 1,
          (std::string(name) + " must have rows whose numbers lie together").c_str());
  require((n_rows < 0 || Index(array.shape(0)) == n_rows) && (n_columns < 0 || Index(array.shape(1)) == n_columns),
          (std::string(name) + " has not the right shape").c_str());
  const bool flat = array.shape(0) <= 1;  // a stride that is not used may be anything
  return {array.data(), Index(array.shape(0)), Index(array.shape(1)),
          flat ? Index(array.shape(1)) : Index(array.stride(0))};
}

template <class T>
Stack<T> stack(const Cube<T>& array, const char* name, Index n, Index n_rows, Index n_columns) {
  require(Index(array.shape(0)) == n && Index(array.shape(1)) == n_rows && Index(array.shape(2)) == n_columns,
          (std::string(name) + " has not the right shape").c_str());
  const bool empty = n * n_rows * n_columns == 0;
  require(empty || ((n_columns == 1 || array.stride(2) == 1) && (n_rows == 1 || array.stride(1) == n_columns) &&
                    (n == 1 || array.stride(0) == n_rows * n_columns)),
          (std::string(name) + " must be contiguous").c_str());
  return {array.data(), n, n_rows, n_columns};
}

inline Bounds bounds_of(const Vector<const Index>& array, Index n_features) {
  const Bounds bounds{span(array, "bounds")};
  require(bounds.size >= 2 && bounds[0] == 0 && bounds[bounds.size - 1] == n_features,
          "bounds must begin at 0 and end with X");
  require(std::is_sorted(bounds.begin(), bounds.end()), "bounds must not fall");
  return bounds;
}

// Rows that are listed: each of them there.
inline Order order_of(const Vector<const Index>& array, Index n_rows) {
  const Order order = span(array, "rows");
  require(std::all_of(order.begin(), order.end(), [&](Index row) { return 0 <= row && row < n_rows; }),
          "a row is not there");
  return order;
}

inline Rule rule_of(const std::string& solver, int inner_sweeps, Index fixed, Index k) {
  require(solver == "hals" || solver == "mu", "solver must be 'hals' or 'mu'");
  require(inner_sweeps >= 0 && 0 <= fixed && fixed <= k, "a rule has sweeps, and fixes components that are there");
  return {solver == "hals" ? Solver::hals : Solver::mu, inner_sweeps, fixed};
}

// A tile of X, checked once; it keeps its arrays alive.
template <class T>
class HeldTile {
 public:
  explicit HeldTile(Index n_rows) : n_rows_(n_rows) {}

  void add_dense(const Matrix<const T>& array, Index first) {
    const Rows<const T> x = rows(array, "a part", n_rows_);
    put({x.data, x.stride, first, x.n_columns, nullptr, nullptr, 0});
    matrices_.push_back(array);
  }

  // That columns lie in the part was checked when they were copied.
  void add_sparse(const Vector<const T>& stored, const Vector<const std::int32_t>& indices,
                  const Vector<const std::int64_t>& indptr, Index first, Index width) {
    const Span<const std::int64_t> begins = span(indptr, "indptr", n_rows_ + 1);
    const Index n = std::min(span(stored, "stored").size, span(indices, "indices").size);
    require(begins[0] >= 0 && begins[n_rows_] <= n && std::is_sorted(begins.begin(), begins.end()),
            "indptr leaves the part");
    put({stored.data(), 0, first, width, indices.data(), begins.data, n});
    stored_.push_back(stored), indices_.push_back(indices), indptrs_.push_back(indptr);
  }

  Tile<T> tile() const { return {parts_.data(), Index(parts_.size()), n_rows_}; }
  Index n_features() const { return n_features_; }
  Index n_rows() const { return n_rows_; }

  // Of the arrays of sparse parts.
  std::size_t n_bytes() const {
    std::size_t bytes = 0;
    for (const Part<T>& part : parts_)
      if (part.is_sparse())
        bytes += part.n_stored * (sizeof(T) + sizeof(std::int32_t)) + (n_rows_ + 1) * sizeof(std::int64_t);
    return bytes;
  }

 private:
  void put(const Part<T>& part) {
    require(part.first == n_features_ && part.width >= 0, "parts must lie side by side");
    parts_.push_back(part);
    n_features_ += part.width;
  }

  Index n_rows_, n_features_ = 0;
  std::vector<Part<T>> parts_;
  std::vector<Matrix<const T>> matrices_;
  std::vector<Vector<const T>> stored_;
  std::vector<Vector<const std::int32_t>> indices_;
  std::vector<Vector<const std::int64_t>> indptrs_;
};

template <class Argument>
constexpr bool is_array = false;
template <class... Of>
constexpr bool is_array<nb::ndarray<Of...>> = true;

// Arrays are never converted, or what is written to them would be lost.
template <class Argument>
auto argument(const char* name) {
  if constexpr (is_array<std::decay_t<Argument>>)
    return nb::arg(name).noconvert();
  else
    return nb::arg(name);
}

template <class Function, class Result, class... Arguments, std::size_t... I>
void define(nb::module_& module, const char* name, Function function, Result (*)(Arguments...),
            const std::array<const char*, sizeof...(Arguments)>& names, std::index_sequence<I...>) {
  module.def(name, function, argument<Arguments>(names[I])...);
}

// Bind a function, with the names of its arguments.
template <class Result, class... Arguments>
void bind(nb::module_& module, const char* name, Result (*function)(Arguments...),
          const std::array<const char*, sizeof...(Arguments)>& names) {
  define(module, name, function, function, names, std::index_sequence_for<Arguments...>{});
}

void bind_moves(nb::module_& module);
void bind_small(nb::module_& module);
void bind_solves(nb::module_& module);
void bind_looks(nb::module_& module);
void bind_divergence(nb::module_& module);

}  // namespace coupled_nmf
