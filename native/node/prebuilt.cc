// prebuilt.cc: what only the addons have that `npm run prebuilds` compiles: an ELF note with the hash of the
// sources, by which a prebuild of other sources is told from one of these
// (scripts/prebuilds/source-hash.mjs), and no demangler.

#ifdef TAPFD_SOURCE_HASH

#include <cstddef>
#include <cstdint>

#define TAPFD_TEXT(token) #token
#define TAPFD_VALUE_TEXT(macro) TAPFD_TEXT(macro)

namespace tapfd {

namespace {

struct SourceNote {
  uint32_t name_bytes;
  uint32_t hash_bytes;
  uint32_t type;
  char name[8];
  char hash[68];
};

// The linker keeps what is in a section with such a name, although nothing refers to it.
[[gnu::used, gnu::section(".note.tapfd"), gnu::aligned(4)]] const SourceNote kSourceNote = {
    sizeof "tapfd", sizeof TAPFD_VALUE_TEXT(TAPFD_SOURCE_HASH) - 1, 1, "tapfd",
    TAPFD_VALUE_TEXT(TAPFD_SOURCE_HASH)};

}  // namespace

}  // namespace tapfd

// The C++ library inside would bring its demangler, 70 KB, to name the type of an exception that nobody
// caught. This addon is compiled without exceptions. A name that cannot be demangled is printed as it is.
extern "C" char* __cxa_demangle(const char*, char*, size_t*, int* status) {
  if (status != nullptr) *status = -2;
  return nullptr;
}

#endif
