// Rows with gaps, copied with their gaps filled by F H: where few entries are missing, by chunks, each gap by a dot
// product of its own; where many are, by strips, all of F H is made, and x taken where it is there.
#pragma once
#include "chunks.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// What squares of filled gaps count: α of each column (all alike, if they are of one block), and each lane's weight
// (none: all 1).
struct Counts {
  const double* alpha;
  bool is_one_block;
  Span<const double> weights;
};

// Set the listed places of a chunk to F H; return Σ w α x² over them, if asked for. `Ht` is H turned, from the chunk's
// first column on.
template <class T, bool WITH_SQUARES>
double fill_gaps(Span<const std::uint16_t> places, const Upright<T>& f, const T* Ht, const Counts& counts, T* chunk) {
  using L = Lanes<T>;
  static_assert(PANEL * CHUNK <= 1 << 16, "a place in a chunk has 16 bits");
  const bool is_plain = counts.is_one_block && counts.weights.size == 0;
  WideSums<T> squares;
  for (Index e = 0; e < places.size; e += L::COUNT) {
    std::uint16_t own[L::COUNT] = {};
    const std::uint16_t* some = places.data + e;
    const Index n = smaller<Index>(L::COUNT, places.size - e);
    if (n < L::COUNT) {
      for (Index i = 0; i < n; ++i) own[i] = some[i];
      some = own;
    }
    alignas(LINE) T found[L::COUNT];
    L::store(found, dots_of<T>(
                        f.stride, [&](int i) __attribute__((always_inline)) { return f.row(some[i] / CHUNK); },
                        [&](int i) __attribute__((always_inline)) { return Ht + some[i] % CHUNK * f.stride; }));
    for (Index i = n; i < L::COUNT; ++i) found[i] = 0;
    const volatile T* one = found;  // or GCC scatters, which is slower
    for (Index i = 0; i < n; ++i) chunk[some[i] / CHUNK * CHUNK_STRIDE + some[i] % CHUNK] = one[i];
    if (!WITH_SQUARES) continue;
    if (!is_plain)
      for (Index i = 0; i < n; ++i) {
        const double count = counts.alpha[some[i] % CHUNK] * weight_of(counts.weights, some[i] / CHUNK);
        found[i] *= T(std::sqrt(count));
      }
    squares.add(L::load(found) * L::load(found));
  }
  return squares.total() * (is_plain ? counts.alpha[0] : 1.0);
}

// Copy n numbers, and ask for those that are copied next but one.
template <class T>
INLINE void copy_numbers(const T* x, const T* later, Index n, T* out) {
  using L = Lanes<T>;
  const Index whole = n / L::COUNT * L::COUNT;
  for (Index i = 0; i < whole; i += L::COUNT) {
    __builtin_prefetch(later + i, 0, 2);
    L::store(out + i, L::load(x + i));
  }
  for (Index i = whole; i < n; ++i) out[i] = x[i];
}

// Copy a chunk of some rows; absent blocks become zero.
template <class T>
void copy_chunk(const Part<T>& part, Span<const Index> some, Index start, Index n, const bool* absent, Bounds bounds,
                T* chunk) {
  for (Index lane = 0; lane < some.size; ++lane) {
    const T *x = part.row(some[lane]), *later = part.row(some[smaller(lane + 2, some.size - 1)]);
    T* out = chunk + lane * CHUNK_STRIDE - start;
    for_blocks_of(bounds, part, start, n, [&](Index block, Index first, Index last) {
      if (absent[block])
        for (Index i = first; i < last; ++i) out[i] = 0;
      else
        copy_numbers(x + first, later + first, last - first, out + first);
    });
  }
}

// From row to row of a strip that is copied: the last strip of a chunk also takes what would be narrower than a vector,
// of 16 numbers at most.
constexpr Index STRIP_STRIDE = STRIP + 16;

// `work` gets the strips of a chunk, a vector wide or more: where in it one begins, and its length.
template <class T, class Work>
INLINE void for_strips(Index n, Work work) {
  static_assert(STRIP + Lanes<T>::COUNT <= STRIP_STRIDE);
  for (Index start = 0; start < n;) {
    const Index width = n - start < STRIP + Lanes<T>::COUNT ? n - start : STRIP;
    work(start, width);
    start += width;
  }
}

// Some lanes of a strip of a panel's rows, and where they are copied to: `out` is where the panel's first lane would
// be.
template <class T>
struct Strip {
  Index begin, end;  // lanes
  Index start, n;    // columns of the part
  T* out;
  Index stride;
};

// Rows of a strip of x, what squares in each count, and what those in each column do.
template <class T>
struct Sources {
  const T* rows[PANEL];
  double weights[PANEL];
  T alpha[STRIP_STRIDE];
};

// out[r, i] = x[r, i] where it is there, else Σ_j f[r, j] h[j, i], for r < R, i of V vectors; `squares` gets what is
// filled, squared, times what it counts, but for the first `repeated` lanes.
template <class T, int R, int V, bool WITH_SQUARES>
INLINE void blend_block(const Upright<T>& f, const T* h, Index hs, const Sources<T>& x, Index row, Index i,
                        const Strip<T>& strip, Index repeated, WideSums<T>& squares) {
  using L = Lanes<T>;
  typename L::Vector sums[R * V] = {};
  for (Index j = 0; j < f.k; ++j) {
    typename L::Vector hv[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) hv[v] = L::load(h + j * hs + i + v * L::COUNT);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const typename L::Vector weight = L::splat(f.row(row + r)[j]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[r * V + v] += weight * hv[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    typename L::Vector own = {};
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const Index first = i + v * L::COUNT;
      const T* place = x.rows[row + r] + first;
      const typename L::Vector value = L::load(place), filling = sums[r * V + v];
      __builtin_prefetch(place + STRIP, 0, 3);
      const auto there = value == value;
      L::store(strip.out + (row + r) * strip.stride + first, there ? value : filling);
      const typename L::Vector filled = there ? typename L::Vector{} : filling;
      if (WITH_SQUARES) own += filled * filled * L::load(x.alpha + first);
    }
    if (WITH_SQUARES) squares.add(V == 1 && repeated ? L::without_first(own, repeated) : own, x.weights[row + r]);
  }
}

// Fill a strip, a vector wide or more, from the first column of `h` on; return Σ w α x² of what is filled.
template <class T, bool WITH_SQUARES>
double blend(const Upright<T>& f, const T* h, Index hs, const Sources<T>& x, const Strip<T>& strip) {
  constexpr Index lanes = Lanes<T>::COUNT, wide = OUTER_VECTORS * lanes;
  const Index n = strip.n;
  WideSums<T> squares;
  const auto columns = [&](auto vectors, Index i, Index repeated) __attribute__((always_inline)) {
    for (Index row = strip.begin; row < strip.end; row += OUTER_ROWS)
      for_count<OUTER_ROWS>(smaller<Index>(OUTER_ROWS, strip.end - row), [&](auto rows) __attribute__((always_inline)) {
        blend_block<T, decltype(rows)::value, decltype(vectors)::value, WITH_SQUARES>(f, h, hs, x, row, i, strip,
                                                                                     repeated, squares);
      });
  };
  Index i = 0;
  for (; n - i >= wide; i += wide) columns(Number<OUTER_VECTORS>{}, i, 0);
  for (; n - i >= lanes; i += lanes) columns(Number<1>{}, i, 0);
  if (i < n) columns(Number<1>{}, n - lanes, i - (n - lanes));  // the last vector begins early
  return squares.total();
}

// A strip with its gaps filled; absent blocks become zero. `counts` are those of the strip's columns.
template <class T, bool WITH_SQUARES>
double blend_strip(const Part<T>& part, Span<const Index> some, const bool* absent, Bounds bounds, const Upright<T>& f,
                   Rows<const T> H, const Counts& counts, const Strip<T>& strip) {
  Sources<T> x;
  for (Index lane = strip.begin; lane < strip.end; ++lane) {
    x.rows[lane] = part.row(some[lane]) + strip.start;
    if (WITH_SQUARES) x.weights[lane] = weight_of(counts.weights, lane);
  }
  if (WITH_SQUARES)
    for_blocks_of(bounds, part, strip.start, strip.n, [&](Index block, Index first, Index last) {
      for (Index i = first - strip.start; i < last - strip.start; ++i)  // of one block it comes last, in double
        x.alpha[i] = absent[block] ? T(0) : counts.is_one_block ? T(1) : T(counts.alpha[i]);
    });
  const double total = blend<T, WITH_SQUARES>(f, H.data + part.first + strip.start, H.stride, x, strip);
  for_blocks_of(bounds, part, strip.start, strip.n, [&](Index block, Index first, Index last) {
    for (Index lane = strip.begin; absent[block] && lane < strip.end; ++lane)
      for (Index i = first - strip.start; i < last - strip.start; ++i) strip.out[lane * strip.stride + i] = 0;
  });
  return counts.is_one_block ? total * counts.alpha[0] : total;
}

}  // namespace coupled_nmf::INSTRUCTIONS
