#include "sys/freed_memory.h"

#include <cstdlib>
#include <mutex>

namespace tapfd {

void KeepFreedMemory() {
  // glibc keeps twice the size of the largest mapped block that was ever freed (mallopt(3),
  // M_TRIM_THRESHOLD). Freeing such a block raises that limit, and leaves a limit that the user has set in
  // force.
  constexpr size_t kBlockBytes = 16 << 20;
  static std::once_flag once;
  std::call_once(once, [] {
    void* volatile block = std::malloc(kBlockBytes);
    std::free(block);
  });
}

}  // namespace tapfd
