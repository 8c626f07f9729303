// source_note.cc: an ELF note with the hash of the sources, in addons that `npm run prebuilds` compiles: by
// it a prebuild of other sources is told from one of these (scripts/prebuilds/source-hash.mjs).

#ifdef TAPFD_SOURCE_HASH

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

#endif
