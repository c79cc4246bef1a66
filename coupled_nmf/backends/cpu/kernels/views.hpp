// Arrays as the kernels see them: where they begin, their shape, and their strides in numbers. They own nothing.
//
// What is written here is compiled once for each instruction set, and the linker would keep one of the copies: so all
// of it is inlined, always.
#pragma once
#include <cstddef>
#include <cstdint>

#define INLINE inline __attribute__((always_inline))

namespace coupled_nmf {

using Index = std::int64_t;

// An array of one dimension, contiguous.
template <class T>
struct Span {
  T* data;
  Index size;

  INLINE T& operator[](Index i) const { return data[i]; }
  INLINE T* begin() const { return data; }
  INLINE T* end() const { return data + size; }
};

// An array of two dimensions; numbers of a row lie together.
template <class T>
struct Rows {
  T* data;
  Index n_rows, n_columns, stride;

  INLINE T* operator[](Index row) const { return data + row * stride; }
};

// An array of three dimensions, contiguous.
template <class T>
struct Stack {
  T* data;
  Index n, n_rows, n_columns;

  INLINE Rows<T> operator[](Index i) const { return {data + i * n_rows * n_columns, n_rows, n_columns, n_columns}; }
};

// One part of a tile: columns `first` to `first + width` of X. Dense: `data` and the numbers from row to row. Sparse:
// all entries of the part, their columns in it, and where the rows begin.
template <class T>
struct Part {
  const T* data;
  Index stride, first, width;
  const std::int32_t* indices;
  const std::int64_t* indptr;
  Index n_stored;

  INLINE bool is_sparse() const { return indptr != nullptr; }
  INLINE const T* row(Index row) const { return data + row * stride; }
};

// The parts of a tile, side by side.
template <class T>
struct Tile {
  const Part<T>* parts;
  Index n_parts, n_rows;

  INLINE const Part<T>& operator[](Index p) const { return parts[p]; }
};

// Entries of a sparse part's row, and their columns in the part, after which those of later rows follow.
template <class T>
struct Stored {
  const T* data;
  const std::int32_t* columns;
  Index size, n_following;
};

template <class T>
INLINE Stored<T> stored_row(const Part<T>& part, Index row) {
  const Index first = part.indptr[row];
  return {part.data + first, part.indices + first, part.indptr[row + 1] - first, part.n_stored - part.indptr[row + 1]};
}

}  // namespace coupled_nmf
