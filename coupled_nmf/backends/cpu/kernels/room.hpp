// Memory for as long as a kernel runs: whole cache lines, not set unless it is asked for.
#pragma once
#include "views.hpp"

namespace coupled_nmf {

// in module.cpp and memory.hpp, compiled for any processor
[[noreturn]] void out_of_memory();
void* take_room(std::size_t bytes);
void give_room(void* data, std::size_t bytes) noexcept;

constexpr std::size_t LINE = 64;

template <class T>
class Room {
 public:
  INLINE explicit Room(Index size) : size_(size) { data_ = static_cast<T*>(take_room(bytes())); }
  INLINE Room(Index size, T value) : Room(size) {
    for (Index i = 0; i < size; ++i) data_[i] = value;
  }
  INLINE ~Room() { give_room(data_, bytes()); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  INLINE T& operator[](Index i) const { return data_[i]; }
  INLINE T* data() const { return data_; }
  INLINE Index size() const { return size_; }
  INLINE Span<T> span() const { return {data_, size_}; }
  INLINE Rows<T> rows(Index n_rows) const {
    return {data_, n_rows, n_rows ? size_ / n_rows : 0, n_rows ? size_ / n_rows : 0};
  }

 private:
  INLINE std::size_t bytes() const { return (static_cast<std::size_t>(size_) * sizeof(T) + LINE) / LINE * LINE; }

  T* data_;
  Index size_;
};

}  // namespace coupled_nmf
