// F for a given H of rows that miss single entries: each by a gram of its own.
#pragma once
#include "gaps.hpp"
#include "pivot.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr double CANCELLED = 1e-4;  // of a component's squares: where less is left, it is summed over what is there

// Gram of a row over the entries that are there: those of its blocks, less what is missing, or of what is there if that
// is less.
template <class T>
class OwnGram {
 public:
  INLINE OwnGram(Tile<T> tile, Bounds bounds, Rows<const T> Ht, const double* alpha, Stack<const double> grams)
      : tile_(tile),
        bounds_(bounds),
        Ht_(Ht),
        alpha_(alpha),
        grams_(grams),
        products_(Ht.n_columns),
        upright_(Ht.n_columns),
        panel_(Ht.n_columns),
        taken_(Ht.n_columns * Ht.n_columns),
        is_missing_(Ht.n_rows),
        listed_(Ht.n_rows + 1) {}

  // Return how many entries are there.
  INLINE Index make(Index row, const bool* absent, Rows<double> gram) {
    mark(row);
    const Index n_entries = sum(absent, gram);
    for (Index j = 0; j < gram.n_rows; ++j) {
      double whole = 0;
      for (Index block = 0; block < bounds_.n_blocks(); ++block) whole += absent[block] ? 0 : grams_[block][j][j];
      if (gram[j][j] < CANCELLED * whole) sum_there(j, absent, gram);
    }
    return n_entries;
  }

 private:
  INLINE Index sum(const bool* absent, Rows<double> gram) {
    Index n_entries = 0;
    products_.clear();
    set_zero(gram);
    for (Index block = 0; block < bounds_.n_blocks(); ++block) {
      if (absent[block]) continue;
      const Index first = bounds_[block], n = bounds_[block + 1] - first;
      const Index n_missing = list(first, n, true);
      const bool less = 2 * n_missing < n;
      n_entries += n - n_missing;
      if (less) add(grams_[block], gram);
      const Index n_listed = less ? n_missing : list(first, n, false);
      for (Index i = 0; i < n_listed; ++i) take(listed_[i], less ? -alpha_[block] : alpha_[block]);
    }
    add_taken();
    products_.put(taken_.rows(gram.n_rows));
    add(taken_.rows(gram.n_rows), gram);
    return n_entries;
  }

  // Sum a component's row and column of the gram over what is there.
  INLINE void sum_there(Index component, const bool* absent, Rows<double> gram) const {
    for (Index i = 0; i < gram.n_rows; ++i) gram[component][i] = 0;
    for (Index block = 0; block < bounds_.n_blocks(); ++block) {
      const Index first = bounds_[block], n_listed = absent[block] ? 0 : list(first, bounds_[block + 1] - first, false);
      for (Index e = 0; e < n_listed; ++e) {
        const T* h = Ht_[listed_[e]];
        const double weight = alpha_[block] * double(h[component]);
        for (Index i = 0; i < gram.n_rows; ++i) gram[component][i] += weight * double(h[i]);
      }
    }
    for (Index i = 0; i < gram.n_rows; ++i) gram[i][component] = gram[component][i];
  }

  // Mark the columns of a row's missing entries, but for sparse blocks that it lacks.
  INLINE void mark(Index row) {
    for (bool& mark : is_missing_.span()) mark = false;
    for (Index p = 0; p < tile_.n_parts; ++p) {
      const Entries<T> x = entries_of(tile_[p], row);
      bool* marks = is_missing_.data() + x.first;
      if (x.places)
        for (Index e = 0; e < x.size; ++e) marks[x.places[e]] = x.data[e] != x.data[e];
      else
        for (Index e = 0; e < x.size; ++e) marks[e] = x.data[e] != x.data[e];
    }
  }

  // List those of n columns that are missing, or those that are not; return how many there are.
  INLINE Index list(Index first, Index n, bool missing) const {
    Index n_listed = 0;
    for (Index column = first; column < first + n; ++column) {
      listed_[n_listed] = column;
      n_listed += is_missing_[column] == missing;
    }
    return n_listed;
  }

  template <class Some>
  static INLINE void add(Rows<Some> some, Rows<double> gram) {
    for (Index i = 0; i < gram.n_rows; ++i)
      for (Index j = 0; j < gram.n_columns; ++j) gram[i][j] += some[i][j];
  }

  // A column of H counts, times its weight.
  INLINE void take(Index column, double weight) {
    const T* h = Ht_[column];
    double* row = upright_.row(n_taken_);
    for (Index j = 0; j < Ht_.n_columns; ++j) row[j] = double(h[j]);
    weights_[n_taken_] = weight;
    if (++n_taken_ == PANEL) add_taken();
  }

  INLINE void add_taken() {
    transpose(upright_.data(), upright_.stride, n_taken_, Ht_.n_columns, panel_.data(), PANEL);
    for (Index lane = 0; lane < n_taken_; ++lane)
      for (Index j = 0; j < Ht_.n_columns; ++j) upright_.row(lane)[j] *= weights_[lane];
    products_.add_upright(panel_.view(), upright_, n_taken_);
    n_taken_ = 0;
  }

  const Tile<T> tile_;
  const Bounds bounds_;
  const Rows<const T> Ht_;
  const double* const alpha_;
  const Stack<const double> grams_;
  const GramSum<double> products_;
  const Upright<double> upright_;  // columns of H that count, at most a panel of them, then times their weights
  const Panel<double> panel_;
  const Room<double> taken_;
  const Room<bool> is_missing_;
  const Room<Index> listed_;
  double weights_[PANEL];
  Index n_taken_ = 0;
};

// Solve for `rows`, each by a gram of its own, from the entries of F that are above zero; `grams` (n_blocks, k, k) are
// those of whole blocks, with α.
//
// For a row of fewer entries than components `few` is added to its diagonal, times the largest. Then components are
// scaled to one length, and `noise` is added.
template <class T>
void solve_alone(Tile<T> tile, Bounds bounds, Span<const Index> rows, Rows<const bool> absent, Rows<const T> Ht,
                 const double* alpha, Stack<const double> grams, double l1, double l2, Rows<const T> cross,
                 double noise, double few, Rows<T> F) {
  const Index k = F.n_columns;
  OwnGram<T> grams_of(tile, bounds, Ht, alpha, grams);
  Pivots room(k);
  const Room<double> own(k * k), wanted(k), scales(k), v(k);
  const Rows<double> gram = own.rows(k);
  const Rows<const double> own_grams{own.data(), k, k, k};
  for (const Index row : rows) {
    const Index n_entries = grams_of.make(row, absent[row], gram);
    double most = 0;
    for (Index j = 0; j < k; ++j) most = larger(most, gram[j][j] + l2);
    for (Index j = 0; j < k; ++j) {
      gram[j][j] += n_entries < k && l2 == 0 ? few * most : l2;
      scales[j] = std::sqrt(moves::scale_of(gram[j][j], 0.0));
      wanted[j] = larger(double(cross[row][j]) - l1, 0.0) * scales[j];
      v[j] = scales[j] > 0 ? double(F[row][j]) / scales[j] : 0.0;
    }
    for (Index i = 0; i < k; ++i)
      for (Index j = 0; j < k; ++j) gram[i][j] *= scales[i] * scales[j];
    solve_row(room, v.data(), own_grams, wanted.data(), noise, noise);
    for (Index j = 0; j < k; ++j) F[row][j] = T(v[j] * scales[j]);
  }
}

}  // namespace coupled_nmf::INSTRUCTIONS
