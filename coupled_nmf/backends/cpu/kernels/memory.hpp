// Where rooms come from: large ones are kept by the thread that gave them back, since fresh pages cost as much as many
// a kernel's work on them.
#pragma once
#include <new>

#include "room.hpp"

namespace coupled_nmf {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1  // as GCC defines it
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t LARGE_ROOM = -1;  // none is: what is written beside a room would not be seen
#else
constexpr std::size_t LARGE_ROOM = 1 << 16;  // bytes; smaller ones the allocator keeps itself
#endif
constexpr std::size_t MOST_KEPT = 1 << 25;  // bytes, of a thread
constexpr int MOST_ROOMS = 8;

// Rooms that a thread may have again.
class KeptRooms {
 public:
  ~KeptRooms() {
    for (int i = 0; i < n_; ++i) ::operator delete(rooms_[i].data, std::align_val_t(LINE));
  }

  // One of exactly that size, or null.
  void* take(std::size_t bytes) {
    for (int i = 0; i < n_; ++i)
      if (rooms_[i].bytes == bytes) {
        void* data = rooms_[i].data;
        leave_out(i);
        return data;
      }
    return nullptr;
  }

  // Keep one in the place of those that were not taken for longest.
  void keep(void* data, std::size_t bytes) {
    while (n_ && (n_ == MOST_ROOMS || kept_ + bytes > MOST_KEPT)) {
      ::operator delete(rooms_[0].data, std::align_val_t(LINE));
      leave_out(0);
    }
    rooms_[n_++] = {data, bytes};
    kept_ += bytes;
  }

 private:
  struct Kept {
    void* data;
    std::size_t bytes;
  };

  void leave_out(int place) {
    kept_ -= rooms_[place].bytes;
    for (int i = place + 1; i < n_; ++i) rooms_[i - 1] = rooms_[i];
    --n_;
  }

  Kept rooms_[MOST_ROOMS] = {};
  int n_ = 0;
  std::size_t kept_ = 0;
};

inline thread_local KeptRooms kept_rooms;

void* take_room(std::size_t bytes) {
  if (bytes >= LARGE_ROOM)
    if (void* kept = kept_rooms.take(bytes)) return kept;
  void* data = ::operator new(bytes, std::align_val_t(LINE), std::nothrow);
  if (data == nullptr) out_of_memory();
  return data;
}

void give_room(void* data, std::size_t bytes) noexcept {
  if (bytes >= LARGE_ROOM && bytes <= MOST_KEPT)
    kept_rooms.keep(data, bytes);
  else
    ::operator delete(data, std::align_val_t(LINE));
}

}  // namespace coupled_nmf
