// Super-frames and batches with changed bytes, truncated lengths and wrong vnet headers, under
// AddressSanitizer and UndefinedBehaviorSanitizer, with all memory of the exact size. Takes the number of
// mutations.

#include <algorithm>
#include <array>
#include <memory>

#include "coalesce_oracle.h"
#include "random_spec.h"

using tapfd::Segmenter;
using tapfd::SegmentFault;
using tapfd::VnetHeader;

namespace {

struct Counts {
  std::array<uint64_t, tapfd::kSegmentFaults> faults{};
  uint64_t segments = 0;
  uint64_t joined = 0;
};

uint16_t Interesting(Random& random, uint16_t value) {
  static const uint16_t kValues[] = {0, 1, 2, 6, 8, 16, 20, 34, 54, 255, 256, 0x7fff, 0x8000, 0xfffe, 0xffff};
  switch (random.Below(4)) {
    case 0:
      return kValues[random.Below(sizeof kValues / sizeof kValues[0])];
    case 1:
      return static_cast<uint16_t>(value + random.Below(9) - 4);
    case 2:
      return static_cast<uint16_t>(random.Below(200));
    default:
      return static_cast<uint16_t>(random.Next());
  }
}

void MutateHeader(Random& random, VnetHeader& header) {
  switch (random.Below(6)) {
    case 0:
      header.flags = static_cast<uint8_t>(random.Below(8));
      break;
    case 1: {
      static const uint8_t kTypes[] = {0, 1, 3, 4, 5, 0x81, 0x84, 0x85, 0x20, 0xff};
      header.gso_type = kTypes[random.Below(sizeof kTypes)];
      break;
    }
    case 2:
      header.gso_size = Interesting(random, header.gso_size);
      break;
    case 3:
      header.checksum_start = Interesting(random, header.checksum_start);
      break;
    case 4:
      header.checksum_offset = Interesting(random, header.checksum_offset);
      break;
    default:
      header.header_length = Interesting(random, header.header_length);
  }
}

// Mostly in the headers, where it matters; and once in a while the length in them made to fit the frame
// again, so that what comes after it is reached.
void MutateFrame(Random& random, Bytes& frame, const FrameSpec& spec) {
  SpecOffsets at = OffsetsOf(spec);
  uint32_t changes = random.Below(4);
  for (uint32_t i = 0; i < changes && !frame.empty(); ++i) {
    auto bound = static_cast<uint32_t>(std::min(frame.size(), at.payload + 4));
    uint8_t& byte = frame[random.Below(bound)];
    byte = random.OneIn(2) ? static_cast<uint8_t>(random.Next())
                           : byte ^ static_cast<uint8_t>(1U << random.Below(8));
  }
  if (random.OneIn(4)) frame.resize(random.Below(static_cast<uint32_t>(frame.size()) + 20));
  size_t length_at = at.network + (spec.version == 4 ? 2 : 4);
  size_t min_bytes = at.network + (spec.version == 4 ? 0 : 40);
  if (random.OneIn(2) && frame.size() >= min_bytes && frame.size() > length_at + 1) {
    frame[length_at] = static_cast<uint8_t>((frame.size() - min_bytes) >> 8);
    frame[length_at + 1] = static_cast<uint8_t>(frame.size() - min_bytes);
  }
}

struct Prepared {
  FrameSpec spec;
  VnetHeader header;
  Bytes frame;
};

Prepared Prepare(Random& random) {
  Prepared made;
  made.spec = RandomSpec(random, random.OneIn(2));
  SpecOffsets at = OffsetsOf(made.spec);
  Bytes payload = RandomBytes(random, random.Below(random.OneIn(100) ? 60000 : 700));
  made.frame = BuildFrame(made.spec, payload.data(), payload.size(), true);
  made.header.flags = VnetHeader::kNeedsChecksum;
  made.header.gso_type = made.spec.protocol == 17 ? VnetHeader::kGsoUdp
                         : made.spec.version == 4 ? VnetHeader::kGsoTcpV4
                                                  : VnetHeader::kGsoTcpV6;
  made.header.gso_size = static_cast<uint16_t>(random.Between(1, payload.size() > 3000 ? 3000 : 200));
  made.header.header_length = static_cast<uint16_t>(at.payload);
  made.header.checksum_start = static_cast<uint16_t>(at.transport);
  made.header.checksum_offset = made.spec.protocol == 6 ? 16 : 6;
  return made;
}

void FuzzSegment(Random& random, const Prepared& original, Counts& counts) {
  VnetHeader header = original.header;
  Bytes frame = original.frame;
  do {
    if (random.OneIn(2)) {
      MutateHeader(random, header);
    } else {
      MutateFrame(random, frame, original.spec);
    }
  } while (random.OneIn(3));
  bool ethernet = random.OneIn(20) ? !original.spec.ethernet : original.spec.ethernet;

  size_t length = frame.size();
  std::unique_ptr<uint8_t[]> exact(new uint8_t[length]);
  std::copy(frame.begin(), frame.end(), exact.get());
  Segmenter segmenter;
  SegmentFault fault = segmenter.Begin(header, exact.get(), length, ethernet);
  counts.faults[static_cast<size_t>(fault)] += 1;
  CHECK(fault == SegmentFault::kNone || segmenter.done(), "a fault, and something to emit");
  uint64_t bytes = 0;
  // A gso_size of 1 produces thousands of frames; some of them are enough.
  for (int turn = 0; turn < 8 && !segmenter.done(); ++turn) {
    size_t size = segmenter.room() + random.Below(300);
    std::unique_ptr<uint8_t[]> memory(new uint8_t[size]);
    uint32_t capacity = random.Between(1, 4);
    std::unique_ptr<uint32_t[]> spans(new uint32_t[2 * capacity]);
    tapfd::Slab slab{memory.get(), size, 0};
    uint32_t count = segmenter.Emit(slab, spans.get(), capacity);
    CHECK(count > 0, "room for a frame, and none emitted");
    for (uint32_t i = 0; i < count; ++i) {
      CHECK(size_t{spans[2 * i]} + spans[2 * i + 1] <= slab.used && slab.used <= size, "past the slab");
      bytes += spans[2 * i + 1];
    }
    counts.segments += count;
  }
  CHECK(!segmenter.done() || fault != SegmentFault::kNone || bytes >= length, "bytes were lost");
}

// One round is as many mutations as there are frames in the batch.
uint32_t FuzzCoalesce(Random& random, tapfd::Coalescer& coalescer, Counts& counts, uint64_t seed) {
  FrameSpec spec = RandomSpec(random, true);
  std::vector<Bytes> frames;
  uint32_t count = random.Between(2, 12);
  uint32_t payload_bytes = random.Below(200);
  for (uint32_t i = 0; i < count; ++i) {
    Bytes payload(payload_bytes, static_cast<uint8_t>(i));
    frames.push_back(BuildFrame(spec, payload.data(), payload.size()));
    spec.sequence += payload_bytes;
    spec.id += 1;
    if (random.OneIn(2)) MutateFrame(random, frames.back(), spec);
    // With its checksums right, a frame goes further.
    SpecOffsets at = OffsetsOf(spec);
    if (random.OneIn(2) && frames.back().size() >= at.payload) {
      MendChecksums(frames.back(), at, spec.version, spec.protocol);
    }
  }
  Plan plan = CheckPlan(coalescer, {random.OneIn(20) ? !spec.ethernet : spec.ethernet, true}, frames, seed);
  counts.joined += frames.size() - plan.units;
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t mutations = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100000;
  Counts counts;
  Random random(2024);
  tapfd::Coalescer coalescer(16);
  uint64_t done = 0;
  Prepared prepared;
  for (uint64_t round = 0; done < mutations; ++round) {
    if (round % 64 == 0) prepared = Prepare(random);
    FuzzSegment(random, prepared, counts);
    ++done;
    if (round % 16 == 0) done += FuzzCoalesce(random, coalescer, counts, round);
  }
  for (size_t i = 0; i < counts.faults.size(); ++i)
    CHECK(counts.faults[i] > 100, "fault %zu was hardly seen", i);
  CHECK(counts.joined > done / 100, "only %lu frames were joined", counts.joined);
  std::printf("%lu mutations: %lu without fault, %lu segments, %lu frames joined\n", done, counts.faults[0],
              counts.segments, counts.joined);
}
