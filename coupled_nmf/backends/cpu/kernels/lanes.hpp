// Vectors of the instruction set that this is compiled for, by the vector extensions of GCC and Clang.
#pragma once
#include "views.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// Bytes of a vector; rows and columns of sums of a dot block; rows and vectors of an outer block; rows and vectors of
// combinations: what 32 registers hold, or 16.
#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64, DOT_ROWS = 6, DOT_COLUMNS = 4, OUTER_ROWS = 6, OUTER_VECTORS = 4;
#elif defined(__AVX2__)
constexpr int VECTOR_BYTES = 32, DOT_ROWS = 3, DOT_COLUMNS = 4, OUTER_ROWS = 3, OUTER_VECTORS = 4;
#elif defined(__aarch64__)
constexpr int VECTOR_BYTES = 16, DOT_ROWS = 6, DOT_COLUMNS = 4, OUTER_ROWS = 6, OUTER_VECTORS = 4;
#else
constexpr int VECTOR_BYTES = 16, DOT_ROWS = 3, DOT_COLUMNS = 4, OUTER_ROWS = 3, OUTER_VECTORS = 4;
#endif

template <class T>
struct Lanes {
  typedef T Vector __attribute__((vector_size(VECTOR_BYTES)));
  typedef T Loose __attribute__((vector_size(VECTOR_BYTES), aligned(alignof(T)), may_alias));  // anywhere in memory
  using Whole = __typeof__(Vector{} < Vector{});                                               // of comparisons
  static constexpr int COUNT = VECTOR_BYTES / sizeof(T);

  static INLINE Vector load(const T* place) { return *reinterpret_cast<const Loose*>(place); }
  static INLINE void store(T* place, Vector value) { *reinterpret_cast<Loose*>(place) = value; }
  static INLINE Vector splat(T number) { return Vector{} + number; }

  // A vector that stays in a register: GCC would read it from memory again each time that it is multiplied by, since a
  // fused multiply-add can, and loads are then what a product waits for.
  static INLINE Vector load_once(const T* place) {
    Vector vector = load(place);
#if defined(__FMA__)
    __asm__("" : "+v"(vector));
#endif
    return vector;
  }

  // The first n lanes of one vector, and the others of another.
  static INLINE Vector first_of(Vector one, Vector other, Index n) {
    Whole kept;
#pragma GCC unroll 64
    for (int lane = 0; lane < COUNT; ++lane) kept[lane] = lane >= n ? -1 : 0;
    return kept ? other : one;
  }

  // The vector with zeros in its first n lanes.
  static INLINE Vector without_first(Vector vector, Index n) {
    Whole kept;
#pragma GCC unroll 64
    for (int lane = 0; lane < COUNT; ++lane) kept[lane] = lane >= n ? -1 : 0;
    return kept ? vector : Vector{};
  }
};

// k, rounded up to whole vectors.
template <class T>
INLINE Index padded(Index k) {
  return (k + Lanes<T>::COUNT - 1) / Lanes<T>::COUNT * Lanes<T>::COUNT;
}

// Places 0, 1, ..., N − 1, as a type.
template <int... PLACE>
struct Places {};

template <int N, int... PLACE>
struct MakePlaces : MakePlaces<N - 1, N - 1, PLACE...> {};
template <int... PLACE>
struct MakePlaces<0, PLACE...> {
  using type = Places<PLACE...>;
};

// Of two vectors one behind the other: of every segment its first half, or (SHIFT = HALF) its second.
template <class V, int HALF, int SHIFT, int... PLACE>
INLINE V halves(V a, V b, Places<PLACE...>) {
  return __builtin_shufflevector(a, b, (PLACE / HALF * 2 * HALF + PLACE % HALF + SHIFT)...);
}

// One vector whose lanes are the sums of the lanes of each of `vectors`, at most as many as there are lanes: two are
// folded into one, segment by segment, which is less than half the work of one after the other.
template <class T, int COUNT, int SEGMENT>
INLINE typename Lanes<T>::Vector add_up(const typename Lanes<T>::Vector* vectors) {
  using V = typename Lanes<T>::Vector;
  if constexpr (SEGMENT == 1) {
    return vectors[0];
  } else {
    constexpr int HALF = SEGMENT / 2, LEFT = (COUNT + 1) / 2;
    using All = typename MakePlaces<Lanes<T>::COUNT>::type;
    V folded[LEFT];
#pragma GCC unroll 16
    for (int i = 0; i < LEFT; ++i) {
      const V a = vectors[2 * i], b = vectors[2 * i + 1 < COUNT ? 2 * i + 1 : 2 * i];  // an odd one, with itself
      folded[i] = halves<V, HALF, 0>(a, b, All{}) + halves<V, HALF, HALF>(a, b, All{});
    }
    return add_up<T, LEFT, HALF>(folded);
  }
}

// Code for every n from 1 to LARGEST, chosen at run time; `work` gets n as a type.
template <int N>
struct Number {
  static constexpr int value = N;
};

template <int LARGEST, class Work>
INLINE void for_count(Index n, Work work) {
  if constexpr (LARGEST > 0) {
    if (n == LARGEST)
      work(Number<LARGEST>{});
    else
      for_count<LARGEST - 1>(n, work);
  }
}

template <class T>
INLINE T larger(T a, T b) {  // a, if it is NaN
  return a < b ? b : a;
}

template <class T>
INLINE T smaller(T a, T b) {
  return b < a ? b : a;
}

}  // namespace coupled_nmf::INSTRUCTIONS
