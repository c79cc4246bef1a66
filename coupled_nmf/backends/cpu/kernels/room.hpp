// Memory for as long as a kernel runs: whole cache lines, not set unless it is asked for.
#pragma once
#include <new>

#include "views.hpp"

namespace coupled_nmf {

[[noreturn]] void out_of_memory();  // in module.cpp, compiled for any processor

constexpr std::size_t LINE = 64;

template <class T>
class Room {
 public:
  INLINE explicit Room(Index size) : size_(size) {
    const std::size_t bytes = (static_cast<std::size_t>(size) * sizeof(T) + LINE) / LINE * LINE;
    data_ = static_cast<T*>(::operator new(bytes, std::align_val_t(LINE), std::nothrow));
    if (data_ == nullptr) out_of_memory();
  }
  INLINE Room(Index size, T value) : Room(size) {
    for (Index i = 0; i < size; ++i) data_[i] = value;
  }
  INLINE ~Room() { ::operator delete(data_, std::align_val_t(LINE)); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  INLINE T& operator[](Index i) const { return data_[i]; }
  INLINE T* data() const { return data_; }
  INLINE Index size() const { return size_; }
  INLINE Span<T> span() const { return {data_, size_}; }
  INLINE Rows<T> rows(Index n_rows) const { return {data_, n_rows, n_rows ? size_ / n_rows : 0, n_rows ? size_ / n_rows : 0}; }

 private:
  T* data_;
  Index size_;
};

}  // namespace coupled_nmf
