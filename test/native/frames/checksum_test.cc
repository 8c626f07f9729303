// native/frames/checksum.h against a sum computed byte by byte, at each length and alignment. Memory is of
// the exact size, so that AddressSanitizer detects a read or write past either end.

#include "frames/checksum.h"

#include <arpa/inet.h>

#include <algorithm>
#include <memory>

#include "frame_builder.h"

namespace {

void CheckAt(const Bytes& bytes, size_t offset, size_t length) {
  // The pieces end where their memory ends.
  std::unique_ptr<uint8_t[]> from(new uint8_t[offset + length]);
  std::unique_ptr<uint8_t[]> to(new uint8_t[offset + length]);
  std::copy_n(bytes.data(), offset + length, from.get());
  std::fill_n(to.get(), offset + length, 0xaa);

  uint16_t expected = PlainSum(from.get() + offset, length);
  uint16_t sum = tapfd::FoldSum(tapfd::SumBytes(from.get() + offset, length));
  CHECK(ntohs(sum) == expected, "length %zu at %zu: %04x, not %04x", length, offset, ntohs(sum), expected);
  uint16_t copied = tapfd::FoldSum(tapfd::CopyAndSum(to.get() + offset, from.get() + offset, length));
  CHECK(copied == sum, "copied: length %zu at %zu", length, offset);
  for (size_t i = 0; i < offset + length; ++i) {
    uint8_t byte = i < offset ? 0xaa : from[i];
    CHECK(to[i] == byte, "copied: length %zu at %zu, byte %zu", length, offset, i);
  }
}

}  // namespace

int main() {
  Random random(1);
  Bytes bytes = RandomBytes(random, 70000);
  int checked = 0;
  for (size_t length = 0; length <= 600; ++length) {
    for (size_t offset = 0; offset < 9; ++offset, ++checked) CheckAt(bytes, offset, length);
  }
  for (size_t length : {1448U, 9000U, 65535U, 65549U}) CheckAt(bytes, 1, length);

  // The largest and the smallest sum of words.
  Bytes ones(65536, 0xff);
  CheckAt(ones, 0, 65536);
  CheckAt(Bytes(64, 0), 0, 64);
  CHECK(tapfd::FoldSum(UINT64_MAX) == 0xffff, "every bit set");
  CHECK(tapfd::ChecksumOf(0) == 0xffff, "nothing");
  for (uint32_t word = 1; word < 65536; ++word) {
    uint64_t sum = 0x123456789abcU;
    auto raw = static_cast<uint16_t>(word);
    CHECK(tapfd::FoldSum(sum + raw + tapfd::Negated(raw)) == tapfd::FoldSum(sum), "%u taken out again", word);
  }
  uint8_t header[20];
  std::copy_n(bytes.data(), sizeof header, header);
  CHECK(tapfd::FoldSum(tapfd::SumHeader<20>(header)) == tapfd::FoldSum(tapfd::SumBytes(header, 20)),
        "header");
  std::printf("%d sums\n", checked);
}
