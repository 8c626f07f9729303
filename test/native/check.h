// The drivers' checks and random numbers, which are the same in each run, so that a failure can be repeated.

#ifndef TAPFD_TEST_CHECK_H_
#define TAPFD_TEST_CHECK_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>

// Ends the program, for the test that runs it to fail. `context` says what was being tried.
#define CHECK(condition, ...)                                                        \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not so: %s\n  ", __FILE__, __LINE__, #condition); \
      std::fprintf(stderr, __VA_ARGS__);                                             \
      std::fprintf(stderr, "\n");                                                    \
      std::exit(1);                                                                  \
    }                                                                                \
  } while (false)

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  // 0 to `bound` - 1.
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>((Next() >> 32) * bound >> 32); }
  uint32_t Between(uint32_t min, uint32_t max) { return min + Below(max - min + 1); }
  bool OneIn(uint32_t chances) { return Below(chances) == 0; }

 private:
  uint64_t state_;
};

#endif  // TAPFD_TEST_CHECK_H_
