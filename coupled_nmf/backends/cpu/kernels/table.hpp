// What kernels.cpp has for each instruction set: functions for both dtypes. choice.hpp takes one of the tables.
#pragma once
#include "arguments.hpp"

namespace coupled_nmf {

using Order = Span<const Index>;     // rows
using Weights = Span<const double>;  // of rows; none: all 1

template <class T>
struct Kernels {
  // products
  void (*add_dots)(const T*, Index, Index, Index, const T*, Index, Index, T*, Index);
  void (*add_outers)(const T*, Index, Index, const T*, Index, Index, Index, T*, Index);
  void (*add_to)(double*, const T*, Index);
  // moves
  void (*move_tile)(const Rule&, Tile<T>, Rows<const T>, Rows<const T>, T, T, Rows<T>, Rows<T>, T, T, Weights, Rows<T>,
                    Rows<T>, double*);
  double (*move_columns)(const Rule&, Rows<const double>, Stack<const T>, const T*, const Index*, Rows<T>, Rows<T>, T,
                         T, const double*, Rows<T>, Stack<T>, Index, Index);
  double (*move_both)(const Small<T>&, const Rule&, const Rule&, Rows<const T>, Rows<const T>, Rows<T>, Rows<T>,
                      Rows<T>, Rows<T>, T, T, Rows<T>, Stack<double>, double&);
  void (*move_gappy_tile)(const Rule&, Tile<T>, Bounds, Order, const Gaps&, const GapPlaces&, Rows<const T>,
                          Rows<const T>, const double*, Stack<const T>, T, T, Rows<T>, Rows<T>, T, T, Weights, Rows<T>,
                          Stack<T>, double*);
  void (*move_divergence_tile)(int, Tile<T>, Bounds, Order, Rows<const bool>, const Divisors<T>&, Rows<const T>, T, T,
                               Weights, Rows<T>, Rows<T>, T, Rows<T>, Rows<double>, double*);
  double (*move_components)(const Components<T>&, Bounds, Index, T, T, Index, Index);
  void (*move_sparse_tile)(const Rule&, Tile<T>, Rows<const T>, Rows<const T>, T, T, Rows<T>, Rows<T>, T, T, Weights,
                           Rows<T>, Rows<T>, double*);
  void (*sum_columns)(Tile<T>, Rows<const T>, Index, Index, Rows<double>);
  void (*turn_over)(Rows<const T>, Rows<T>);
  // passes over X
  void (*multiply_tile)(Tile<T>, Rows<const T>, Rows<T>);
  void (*power_tile)(Tile<T>, Rows<const T>, Rows<T>);
  void (*multiply_gappy_tile)(Tile<T>, Bounds, Order, const Gaps&, Rows<const T>, Rows<T>);
  // F for a given H
  void (*invert)(Rows<const double>, Rows<T>);
  Index (*solve_rows)(Rows<T>, Rows<const T>, Rows<const T>, Rows<const T>, T, int, Index*);
  void (*pivot_rows)(Rows<T>, Rows<const double>, Rows<const T>, Order, double, double);
  void (*solve_alone)(Tile<T>, Bounds, Order, Rows<const bool>, Rows<const T>, const double*, Stack<const double>,
                      double, double, Rows<const T>, double, double, Rows<T>);
  void (*solve_divergence_tile)(Tile<T>, Bounds, Order, Rows<const bool>, const Divisors<T>&, Stack<const double>,
                                double, double, Weights, double, Rows<T>, const BlockSums&);
  // looks
  Index (*scan_tile)(Tile<T>, Bounds, Weights, double*, double*);
  Index (*find_gaps)(Tile<T>, Bounds, Weights, Rows<bool>, bool*, double*, double*, double*, double*);
  Index (*list_gaps)(Tile<T>, Bounds, Order, const Gaps&, Span<std::int64_t>, Span<std::uint16_t>);
  void (*residual_tile)(Tile<T>, Rows<const T>, Rows<const T>, Stack<const double>, Bounds, Weights, double*);
  void (*gappy_residual_tile)(Tile<T>, Bounds, Order, const Gaps&, Rows<T>, Rows<const T>, Stack<const double>, Weights,
                              double*);
  // what tests try the edges of
  int dot_columns, outer_rows;
};

struct Table {
  Kernels<float> of_float;
  Kernels<double> of_double;
};

// A namespace for each set that CMakeLists.txt knows; those that were built have a table.
namespace baseline {
extern const Table table;
}
namespace avx2 {
extern const Table table;
}
namespace avx512 {
extern const Table table;
}
namespace neon {
extern const Table table;
}

}  // namespace coupled_nmf
