// The two products that a factorization is made of. Everything that costs time in one is of their shapes: dot products
// of a few rows with a few others, all contiguous, and a few rows times numbers, added to a few others. The sums stay
// in registers.
#pragma once
#include "lanes.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr Index CHUNK_BYTES =
    4096;  // of a row of x: what dots leave in the first cache, and long enough that adding up costs little

// out[j, r] += the lanes of sums[j R + r], a vector of sums at a time.
template <class T, int R, int C, int FIRST>
INLINE void add_sums(const typename Lanes<T>::Vector* sums, T* out, Index os) {
  if constexpr (FIRST < R * C) {
    constexpr int LEFT = R * C - FIRST, SOME = LEFT < Lanes<T>::COUNT ? LEFT : Lanes<T>::COUNT;
    const typename Lanes<T>::Vector added = add_up<T, SOME, Lanes<T>::COUNT>(sums + FIRST);
#pragma GCC unroll 16
    for (int i = 0; i < SOME; ++i) out[(FIRST + i) / R * os + (FIRST + i) % R] += added[i];
    add_sums<T, R, C, FIRST + SOME>(sums, out, os);
  }
}

// out[j, r] += Σ_i x[r, i] h[j, i] for r < R, j < C, i < n, n a vector or more. Of the rows at `ahead`, A are asked
// for.
template <class T, int R, int C, int A>
INLINE void add_dot_block(const T* x, Index xs, const T* h, Index hs, Index n, T* out, Index os, const T* ahead) {
  using L = Lanes<T>;
  typename L::Vector sums[C * R] = {};
  const Index whole = n / L::COUNT * L::COUNT;
  for (Index i = 0; i < whole; i += L::COUNT) {
    typename L::Vector xv[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      xv[r] = C > 1 ? L::load_once(x + r * xs + i) : L::load(x + r * xs + i);
      if (r < A) __builtin_prefetch(ahead + r * xs + i, 0, 2);
    }
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j) {
      const typename L::Vector hv = L::load(h + j * hs + i);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[j * R + r] += xv[r] * hv;
    }
  }
  if (whole < n) {  // the last vector begins early, and what was seen before counts as zero
    const Index start = n - L::COUNT, repeated = whole - start;
    typename L::Vector xv[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) xv[r] = L::without_first(L::load(x + r * xs + start), repeated);
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j) {
      const typename L::Vector hv = L::load(h + j * hs + start);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[j * R + r] += xv[r] * hv;
    }
  }
  add_sums<T, R, C, 0>(sums, out, os);
}

// As above, for k columns, some at a time. The rows of x that come next are asked for by all of these blocks, a few
// rows each: asked for by the first alone, they would come no faster, and the others would leave the memory idle.
template <class T, int R, bool AHEAD>
void add_some_dots(const T* x, Index xs, const T* h, Index hs, Index k, Index n, T* out, Index os) {
  const Index blocks = (k + DOT_COLUMNS - 1) / DOT_COLUMNS, share = (R + blocks - 1) / blocks;
  for (Index block = 0; block < blocks; ++block) {
    const Index j = k * block / blocks, end = k * (block + 1) / blocks, asked = block * share;
    const T* ahead = x + (R + asked) * xs;
    for_count<DOT_COLUMNS>(end - j, [&](auto columns) __attribute__((always_inline)) {
      constexpr int C = decltype(columns)::value;
      const auto add = [&](auto rows) __attribute__((always_inline)) {
        add_dot_block<T, R, C, decltype(rows)::value>(x, xs, h + j * hs, hs, n, out + j * os, os, ahead);
      };
      if (!AHEAD || asked >= R)
        add(Number<0>{});
      else if constexpr (AHEAD)
        for_count<R>(share, add);
    });
  }
}

// out[j, r] += Σ_i x[r, i] h[j, i]: x (rows, width), h (k, width), out (k, rows). With AHEAD, the rows that come next
// are asked for.
template <class T, bool AHEAD = true>
void add_dots(const T* x, Index xs, Index rows, Index width, const T* h, Index hs, Index k, T* out, Index os) {
  const Index chunks = larger<Index>(1, (width * Index(sizeof(T)) + CHUNK_BYTES - 1) / CHUNK_BYTES);
  for (Index chunk = 0; chunk < chunks; ++chunk) {
    const Index first = width * chunk / chunks, n = width * (chunk + 1) / chunks - first;
    const T *x_part = x + first, *h_part = h + first;
    if (n >= Lanes<T>::COUNT) {
      const Index whole = rows - rows % DOT_ROWS;
      for (Index r = 0; r < whole; r += DOT_ROWS)
        add_some_dots<T, DOT_ROWS, AHEAD>(x_part + r * xs, xs, h_part, hs, k, n, out + r, os);
      for (Index r = whole; r < rows; ++r)
        add_some_dots<T, 1, false>(x_part + r * xs, xs, h_part, hs, k, n, out + r, os);
    } else {
      for (Index j = 0; j < k; ++j)
        for (Index r = 0; r < rows; ++r) {
          T sum = 0;
          for (Index i = 0; i < n; ++i) sum += x_part[r * xs + i] * h_part[j * hs + i];
          out[j * os + r] += sum;
        }
    }
  }
}

// out[j, i] += Σ_r f[j, r] x[r, i] for j < R, r < n, i of V vectors, the first `repeated` lanes of whose first one
// are left alone.
template <class T, int R, int V>
INLINE void add_outer_block(const T* f, Index fs, const T* x, Index xs, Index n, T* out, Index os, Index repeated) {
  using L = Lanes<T>;
  typename L::Vector sums[R * V];
#pragma GCC unroll 8
  for (int j = 0; j < R; ++j) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sums[j * V + v] = L::load(out + j * os + v * L::COUNT);
  }
  for (Index r = 0; r < n; ++r) {
    typename L::Vector xv[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) xv[v] = L::load(x + r * xs + v * L::COUNT);
#pragma GCC unroll 8
    for (int j = 0; j < R; ++j) {
      const typename L::Vector weight = L::splat(f[j * fs + r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[j * V + v] += weight * xv[v];
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < R; ++j) {
    T* place = out + j * os;
    L::store(place, repeated ? L::first_of(L::load(place), sums[j * V], repeated) : sums[j * V]);
#pragma GCC unroll 8
    for (int v = 1; v < V; ++v) L::store(place + v * L::COUNT, sums[j * V + v]);
  }
}

template <class T, int V>
void add_some_outers(const T* f, Index fs, Index k, const T* x, Index xs, Index n, T* out, Index os, Index repeated) {
  const Index blocks = (k + OUTER_ROWS - 1) / OUTER_ROWS;
  for (Index block = 0; block < blocks; ++block) {
    const Index j = k * block / blocks, end = k * (block + 1) / blocks;
    for_count<OUTER_ROWS>(end - j, [&](auto rows) __attribute__((always_inline)) {
      add_outer_block<T, decltype(rows)::value, V>(f + j * fs, fs, x, xs, n, out + j * os, os, repeated);
    });
  }
}

// out[j, i] += Σ_r f[j, r] x[r, i]: f (k, rows), x (rows, width), out (k, width).
template <class T>
void add_outers(const T* f, Index fs, Index k, const T* x, Index xs, Index rows, Index width, T* out, Index os) {
  constexpr Index lanes = Lanes<T>::COUNT, panel = OUTER_VECTORS * lanes;
  Index i = 0;
  for (; width - i >= panel; i += panel) add_some_outers<T, OUTER_VECTORS>(f, fs, k, x + i, xs, rows, out + i, os, 0);
  if (i == width) return;
  const auto add = [&](Index place, Index vectors) __attribute__((always_inline)) {  // what is before i stays
    for_count<OUTER_VECTORS>(vectors, [&](auto some) __attribute__((always_inline)) {
      add_some_outers<T, decltype(some)::value>(f, fs, k, x + place, xs, rows, out + place, os,
                                                larger(i - place, Index(0)));
    });
  };
  const Index whole = (width - i) / lanes, vectors = (width - i + lanes - 1) / lanes;
  if (vectors * lanes <= width) {  // the last begin early, and leave what they repeat alone
    add(width - vectors * lanes, vectors);
    return;
  }
  if (whole > 0) {
    add(i, whole);
    i += whole * lanes;
    add(width - lanes, 1);
    return;
  }
  for (Index j = 0; j < k; ++j)
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < width; ++c) out[j * os + c] += f[j * fs + r] * x[r * xs + c];
}

// Add a tile's sums to those of all.
template <class T>
void add_to(double* total, const T* part, Index n) {
  for (Index i = 0; i < n; ++i) total[i] += double(part[i]);
}

}  // namespace coupled_nmf::INSTRUCTIONS
