#include "frames/checksum.h"

// A prebuilt addon runs on every x86-64, so support for wider vectors is checked at run time.
#if defined(__x86_64__) && !defined(TAPFD_BASELINE_CHECKSUM)
#define TAPFD_CHECKSUM_AVX2 1
#include <cpuid.h>
#endif

namespace tapfd {

namespace {

// Vectors in the compiler's notation (GCC, Clang): SSE2, AVX2 or NEON, depending on the function's target.
using Vector16 = uint64_t __attribute__((vector_size(16)));

constexpr uint64_t kLowHalf = 0xffffffff;

// By reference, because a wide vector as a return value belongs to an ABI that the caller may not have.
template <bool kCopy, typename T>
[[gnu::always_inline]] inline void Take(T& value, uint8_t* to, const uint8_t* from) {
  std::memcpy(&value, from, sizeof value);
  if (kCopy) std::memcpy(to, &value, sizeof value);
}

// The remainder, shorter than a vector.
template <bool kCopy>
[[gnu::always_inline]] inline ChecksumSum SumRest(uint8_t* to, const uint8_t* from, size_t length) {
  ChecksumSum sum = 0;
  size_t at = 0;
  for (; length - at >= 8; at += 8) {
    uint64_t words;
    Take<kCopy>(words, to + at, from + at);
    sum += (words & kLowHalf) + (words >> 32);
  }
  if (length - at >= 4) {
    uint32_t words;
    Take<kCopy>(words, to + at, from + at);
    sum += words;
    at += 4;
  }
  if (length - at >= 2) {
    uint16_t words;
    Take<kCopy>(words, to + at, from + at);
    sum += words;
    at += 2;
  }
  if (length > at) {
    uint16_t word = 0;
    std::memcpy(&word, from + at, 1);
    if (kCopy) to[at] = from[at];
    sum += word;
  }
  return sum;
}

// Each 64-bit lane sums 32-bit halves: 2^32 of them fit before it could overflow. Four vectors per iteration,
// in two pairs of sums, so that the additions do not wait for one another.
template <bool kCopy, typename Vector>
[[gnu::always_inline]] inline ChecksumSum SumVectors(uint8_t* to, const uint8_t* from, size_t length) {
  constexpr size_t kStep = sizeof(Vector);
  Vector low_a{}, low_b{}, high_a{}, high_b{};
  size_t at = 0;
  for (; length - at >= 4 * kStep; at += 4 * kStep) {
    Vector a, b, c, d;
    Take<kCopy>(a, to + at, from + at);
    Take<kCopy>(b, to + at + kStep, from + at + kStep);
    Take<kCopy>(c, to + at + 2 * kStep, from + at + 2 * kStep);
    Take<kCopy>(d, to + at + 3 * kStep, from + at + 3 * kStep);
    low_a += (a & kLowHalf) + (b & kLowHalf);
    high_a += (a >> 32) + (b >> 32);
    low_b += (c & kLowHalf) + (d & kLowHalf);
    high_b += (c >> 32) + (d >> 32);
  }
  for (; length - at >= kStep; at += kStep) {
    Vector a;
    Take<kCopy>(a, to + at, from + at);
    low_a += a & kLowHalf;
    high_a += a >> 32;
  }
  Vector lanes = (low_a + low_b) + (high_a + high_b);
  ChecksumSum sum = SumRest<kCopy>(to + at, from + at, length - at);
  for (size_t i = 0; i < kStep / sizeof(uint64_t); ++i) sum += lanes[i];
  return sum;
}

#if TAPFD_CHECKSUM_AVX2
using Vector32 = uint64_t __attribute__((vector_size(32)));

// The processor and the system both. Not __builtin_cpu_supports, which does not link everywhere (musl).
bool HasAvx2() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) return false;
  unsigned low, high;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr unsigned kSavesVectors = 0x6;  // the system saves SSE and AVX registers (Intel SDM vol. 1, 13.3)
  if ((low & kSavesVectors) != kSavesVectors) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_AVX2) != 0;
}

const bool has_avx2 = HasAvx2();

constexpr size_t kMinAvx2Bytes = 4 * sizeof(Vector32);

template <bool kCopy>
[[gnu::target("avx2")]] ChecksumSum SumAvx2(uint8_t* to, const uint8_t* from, size_t length) {
  return SumVectors<kCopy, Vector32>(to, from, length);
}
#endif

template <bool kCopy>
[[gnu::always_inline]] inline ChecksumSum Sum(uint8_t* to, const uint8_t* from, size_t length) {
#if TAPFD_CHECKSUM_AVX2
  if (length >= kMinAvx2Bytes && has_avx2) return SumAvx2<kCopy>(to, from, length);
#endif
  return SumVectors<kCopy, Vector16>(to, from, length);
}

}  // namespace

// `to` is never written here: passing `data` avoids arithmetic on a null pointer.
ChecksumSum SumBytes(const uint8_t* data, size_t length) {
  return Sum<false>(const_cast<uint8_t*>(data), data, length);
}

ChecksumSum CopyAndSum(uint8_t* to, const uint8_t* from, size_t length) {
  return Sum<true>(to, from, length);
}

}  // namespace tapfd
