// prebuilt.cc: what only the addons have that `npm run prebuilds` compiles: an ELF note with the hash of the
// sources, by which a prebuild of other sources is told from one of these
// (scripts/prebuilds/source-hash.mjs), no demangler, and on arm64 a stack guard that nobody can know.

#ifdef TAPFD_SOURCE_HASH

#include <sys/auxv.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

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

#ifdef __aarch64__

// The compiler's own library would bring a guard with a value that everybody knows, in place of the C
// library's.
extern "C" {

uintptr_t __stack_chk_guard = 0;

// Before any other code of the addon. A first byte of zero ends a text that is copied over it.
[[gnu::constructor(101), gnu::no_stack_protector]] static void ChooseGuard() {
  std::memcpy(&__stack_chk_guard, reinterpret_cast<const void*>(getauxval(AT_RANDOM)),
              sizeof __stack_chk_guard);
  __stack_chk_guard &= ~uintptr_t{0xff};
}

// Nothing else calls psignal: whether it is needed shows whether the functions are guarded (targets.mjs).
[[noreturn]] void __stack_chk_fail() {
  psignal(SIGABRT, "tapfd: a buffer on the stack was overrun");
  std::abort();
}
}

#endif

#endif
