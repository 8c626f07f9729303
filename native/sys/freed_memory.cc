#include "sys/freed_memory.h"

#include <cstdlib>
#include <mutex>

namespace tapfd {

void KeepFreedMemory() {
  // glibc keeps twice the largest piece that it mapped from the system and that was freed again (mallopt(3),
  // M_TRIM_THRESHOLD). To free one is what moves the limit and leaves a user's own setting in force.
  constexpr size_t kPieceBytes = 16 << 20;
  static std::once_flag once;
  std::call_once(once, [] {
    void* volatile piece = std::malloc(kPieceBytes);
    std::free(piece);
  });
}

}  // namespace tapfd
