// One's complement sums (RFC 1071): the checksum of IPv4, TCP and UDP.
//
// A sum is taken over 16-bit words as they lie in memory, in this machine's byte order: swapping the bytes of
// every word swaps those of the sum (RFC 1071, 2 B), so a sum stored in the same order is correct on either
// kind of machine without any swapping. A number in host order enters a sum through htons().

#ifndef TAPFD_FRAMES_CHECKSUM_H_
#define TAPFD_FRAMES_CHECKSUM_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tapfd {

// Sums of up to 4 GiB each can be added to one another without overflow; FoldSum() brings the result to 16
// bits.
using ChecksumSum = uint64_t;

// An odd last byte counts as a word whose second byte is zero, so only the last of several pieces may be odd.
ChecksumSum SumBytes(const uint8_t* data, size_t length);
// The same, and copies the bytes. `to` and `from` must not overlap.
ChecksumSum CopyAndSum(uint8_t* to, const uint8_t* from, size_t length);

// For a few bytes of a length known to the compiler: headers.
template <size_t kLength>
inline ChecksumSum SumHeader(const uint8_t* data) {
  static_assert(kLength % 4 == 0, "headers are made of 32-bit words");
  ChecksumSum sum = 0;
  for (size_t at = 0; at < kLength; at += 4) {
    uint32_t words;
    std::memcpy(&words, data + at, sizeof words);
    sum += words;
  }
  return sum;
}

// 0xffff if the sum covers data with a correct checksum of its own; 0 only if every byte was zero.
inline uint16_t FoldSum(ChecksumSum sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// The value of a checksum field, in memory order.
inline uint16_t ChecksumOf(ChecksumSum sum) {
  return static_cast<uint16_t>(~FoldSum(sum));
}

// Adding a word's complement removes the word from a sum.
inline ChecksumSum Negated(uint16_t word) {
  return static_cast<uint16_t>(~word);
}

}  // namespace tapfd

#endif  // TAPFD_FRAMES_CHECKSUM_H_
