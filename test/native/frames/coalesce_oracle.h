// What must hold for any plan of writes, whatever the frames: each frame is written once, in its flow's
// order, and a joined frame, split again, gives exactly the frames that went into it.

#ifndef TAPFD_TEST_COALESCE_ORACLE_H_
#define TAPFD_TEST_COALESCE_ORACLE_H_

#include <sys/uio.h>

#include <algorithm>
#include <memory>

#include "frame_builder.h"
#include "frames/coalesce.h"
#include "frames/segment.h"

struct Plan {
  uint32_t units = 0;
  std::vector<uint32_t> unit_of;  // of each frame
  // For frames of a joined unit; otherwise the frame's own number.
  std::vector<uint32_t> first_of;

  bool Together(uint32_t a, uint32_t b) const { return unit_of[a] == unit_of[b]; }
};

// A batch whose frames are each in an allocation of their exact size, if they have any bytes.
class Batch {
 public:
  explicit Batch(const std::vector<Bytes>& frames) {
    for (const Bytes& frame : frames) {
      memory_.emplace_back(new uint8_t[frame.size()]);
      std::copy(frame.begin(), frame.end(), memory_.back().get());
      parts_.push_back({memory_.back().get(), frame.size()});
    }
  }
  const struct iovec* parts() const { return parts_.data(); }
  uint32_t count() const { return static_cast<uint32_t>(parts_.size()); }

 private:
  std::vector<std::unique_ptr<uint8_t[]>> memory_;
  std::vector<struct iovec> parts_;
};

inline Bytes Gather(const struct iovec* parts, uint32_t count) {
  Bytes whole;
  for (uint32_t i = 0; i < count; ++i) {
    const auto* data = static_cast<const uint8_t*>(parts[i].iov_base);
    whole.insert(whole.end(), data, data + parts[i].iov_len);
  }
  return whole;
}

// Frames with DF and a constant id come back with increasing ids; `fixed_ids` marks such a unit.
inline void CheckJoined(const tapfd::WriteUnit& unit, const std::vector<Bytes>& frames, bool ethernet,
                        uint64_t seed) {
  Bytes whole = Gather(unit.parts, unit.part_count);
  tapfd::VnetHeader header;
  CHECK(whole.size() > sizeof header, "seed %lu: a write without a frame", seed);
  std::memcpy(&header, whole.data(), sizeof header);
  whole.erase(whole.begin(), whole.begin() + sizeof header);
  CHECK(header.gso_type != tapfd::VnetHeader::kGsoNone, "seed %lu: joined, but no super-frame", seed);
  CHECK(header.flags == tapfd::VnetHeader::kNeedsChecksum, "seed %lu: flags", seed);
  CHECK(whole.size() <= 65535 + 22, "seed %lu: %zu bytes", seed, whole.size());

  tapfd::Segmenter segmenter;
  auto fault = segmenter.Begin(header, whole.data(), whole.size(), ethernet);
  CHECK(fault == tapfd::SegmentFault::kNone, "seed %lu: fault %d", seed, static_cast<int>(fault));
  CHECK(segmenter.remaining() == unit.frame_count, "seed %lu: %u frames in, %u out", seed, unit.frame_count,
        segmenter.remaining());
  size_t payload_at = header.header_length;
  Bytes memory(whole.size() + unit.frame_count * (payload_at + 8));
  std::vector<uint32_t> spans(2 * unit.frame_count);
  tapfd::Slab slab{memory.data(), memory.size(), 0};
  CHECK(segmenter.Emit(slab, spans.data(), unit.frame_count) == unit.frame_count, "seed %lu: room", seed);

  size_t network = ethernet ? 14 : 0;
  if (ethernet) {
    while (whole[network - 2] == 0x81 || whole[network - 2] == 0x88) network += 4;
  }
  bool is_ipv4 = whole[network] >> 4 == 4;
  const Bytes& first = frames[unit.frames[0]];
  const Bytes& second = frames[unit.frames[1]];
  bool fixed_ids =
      is_ipv4 && first[network + 4] == second[network + 4] && first[network + 5] == second[network + 5];
  for (uint32_t i = 0; i < unit.frame_count; ++i) {
    Bytes cut(memory.begin() + spans[2 * i], memory.begin() + spans[2 * i] + spans[2 * i + 1]);
    const Bytes& frame = frames[unit.frames[i]];
    if (fixed_ids) {
      CHECK((frame[network + 6] & 0x40) != 0, "seed %lu: ids stay without DF", seed);
      // The id, and the checksum that covers it.
      for (size_t at : {4U, 5U}) cut[network + at] = first[network + at];
      for (size_t at : {10U, 11U}) cut[network + at] = frame[network + at];
      CHECK(PlainSum(&frame[network], 20) == 0xffff, "seed %lu: joined with a wrong IPv4 checksum", seed);
    }
    CHECK(cut == frame, "seed %lu: frame %u, in a unit of %u, would come out as another", seed,
          unit.frames[i], unit.frame_count);
  }
}

inline Plan CheckPlan(tapfd::Coalescer& coalescer, const tapfd::CoalesceRules& rules,
                      const std::vector<Bytes>& frames, uint64_t seed) {
  Batch batch(frames);
  tapfd::WriteUnits units = coalescer.Plan(rules, batch.parts(), batch.count());
  Plan plan;
  plan.units = units.count;
  plan.unit_of.assign(frames.size(), UINT32_MAX);
  plan.first_of.resize(frames.size());
  uint32_t number = 0;
  uint32_t last_first = 0;
  for (const tapfd::WriteUnit& unit : units) {
    CHECK(unit.frame_count >= 1 && unit.part_count >= 2, "seed %lu: an empty unit", seed);
    CHECK(unit.part_count <= tapfd::WriteUnit::kMaxParts, "seed %lu: %u parts", seed, unit.part_count);
    // A unit takes the place of its first frame.
    CHECK(number == 0 || unit.frames[0] > last_first, "seed %lu: units out of order", seed);
    last_first = unit.frames[0];
    for (uint32_t i = 0; i < unit.frame_count; ++i) {
      uint32_t frame = unit.frames[i];
      CHECK(frame < frames.size() && plan.unit_of[frame] == UINT32_MAX, "seed %lu: frame %u twice", seed,
            frame);
      CHECK(i == 0 || frame > unit.frames[i - 1], "seed %lu: frames of a unit out of order", seed);
      plan.unit_of[frame] = number;
      plan.first_of[frame] = unit.frames[0];
    }
    if (unit.joined()) {
      CheckJoined(unit, frames, rules.ethernet, seed);
    } else {
      Bytes whole = Gather(unit.parts, unit.part_count);
      CHECK(std::all_of(whole.begin(), whole.begin() + 10, [](uint8_t byte) { return byte == 0; }),
            "seed %lu: a vnet header that is not empty", seed);
      whole.erase(whole.begin(), whole.begin() + 10);
      CHECK(whole == frames[unit.frames[0]], "seed %lu: frame %u was changed", seed, unit.frames[0]);
    }
    ++number;
  }
  for (size_t i = 0; i < frames.size(); ++i) {
    CHECK(plan.unit_of[i] != UINT32_MAX, "seed %lu: frame %zu is lost", seed, i);
  }
  return plan;
}

#endif  // TAPFD_TEST_COALESCE_ORACLE_H_
