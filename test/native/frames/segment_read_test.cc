// native/frames/segment_io.h: reading. Super-frames are split; malformed and oversized ones, and frames that
// find no room, end nothing.

#include "scripted_kernel.h"

using tapfd::Burst;
using tapfd::SegmentIo;
using tapfd::VnetHeader;

namespace {

Bytes SuperFrame(uint32_t payload_bytes, uint16_t segment_bytes) {
  FrameSpec spec;
  SpecOffsets at = OffsetsOf(spec);
  Bytes payload(payload_bytes, 7);
  VnetHeader header;
  header.flags = VnetHeader::kNeedsChecksum;
  header.gso_type = VnetHeader::kGsoTcpV4;
  header.gso_size = segment_bytes;
  header.checksum_start = static_cast<uint16_t>(at.transport);
  header.checksum_offset = 16;
  Bytes whole(sizeof header);
  std::memcpy(whole.data(), &header, sizeof header);
  Put(whole, BuildFrame(spec, payload.data(), payload.size(), true));
  return whole;
}

struct Reader {
  explicit Reader(SegmentIo& reading, size_t slab_bytes, uint32_t max_frames)
      : io(reading), limit(max_frames) {
    memory.reset(new uint8_t[slab_bytes]);
    slab = tapfd::Slab{memory.get(), slab_bytes, 0};
    spans.resize(2 * max_frames);
  }
  Burst Read() {
    tapfd::Channel channel{kFd, false, true};
    return io.Read(channel, slab, Rules().room(), limit, spans.data());
  }
  SegmentIo& io;
  uint32_t limit;
  std::unique_ptr<uint8_t[]> memory;
  tapfd::Slab slab;
  std::vector<uint32_t> spans;
};

void CheckMalformed() {
  SegmentIo io(true, false);
  Reader reader(io, 64 * 1024, 64);
  Bytes good = SuperFrame(2500, 1000);
  Bytes bad = good;
  bad[14 + 10 + 3] ^= 1;  // IPv4 total length
  to_read = {bad, good, Bytes(9), bad, good};
  Burst burst = reader.Read();
  CHECK(burst.count == 6 && burst.error == 0, "%u frames", burst.count);
  CHECK(io.has_faults() && io.TakeFaults() == 3 && !io.has_faults() && io.TakeFaults() == 0, "faults");
  // A flood of them ends the burst, as frames would.
  to_read.assign(200, bad);
  burst = reader.Read();
  CHECK(burst.count == 0 && io.TakeFaults() == 64 && to_read.size() == 136, "%zu left", to_read.size());
  to_read.clear();
}

void CheckPending() {
  SegmentIo io(true, false);
  // More segments than one burst may have.
  Reader few(io, 64 * 1024, 4);
  to_read = {SuperFrame(10000, 1000)};
  CHECK(few.Read().count == 4 && io.pending() && io.pending_room() == 1054, "%zu", io.pending_room());
  CHECK(few.Read().count == 4 && few.Read().count == 2 && !io.pending() && io.pending_room() == 0, "rest");

  // Segments longer than the MTU and than the space left: they wait for a slab with room.
  Reader small(io, 16 * 1024, 64);
  to_read = {SuperFrame(27000, 9000), SuperFrame(100, 1000)};
  CHECK(small.Read().count == 1 && io.pending() && io.pending_room() == 9054, "%zu", io.pending_room());
  CHECK(small.Read().count == 0 && io.pending(), "no room, and something was read");
  Reader fresh(io, io.pending_room(), 64);
  CHECK(fresh.Read().count == 1 && fresh.slab.left() < 8, "a slab of just that size");
  Reader last(io, 16 * 1024, 64);
  CHECK(last.Read().count == 2 && !io.pending(), "the rest");
}

// Super-frames with changed bytes, truncated, through slabs of any size: nothing is read past their end, and
// all reading ends.
void CheckRandomReads(Random& random) {
  SegmentIo io(true, false);
  uint64_t faults = 0, frames = 0;
  for (int round = 0; round < 20000; ++round) {
    for (uint32_t i = random.Between(1, 4); i > 0; --i) {
      Bytes frame = SuperFrame(random.Below(4000), static_cast<uint16_t>(random.Between(1, 3000)));
      for (uint32_t changes = random.Below(3); changes > 0; --changes) {
        frame[random.Below(64)] = static_cast<uint8_t>(random.Next());
      }
      if (random.OneIn(8)) frame.resize(random.Below(static_cast<uint32_t>(frame.size())));
      to_read.push_back(frame);
    }
    for (int turn = 0; !to_read.empty() || io.pending(); ++turn) {
      CHECK(turn < 100000, "no end");
      size_t room = Rules().room();
      size_t size = std::max(room, io.pending_room()) + random.Below(5000);
      Reader reader(io, size, random.Between(1, 64));
      Burst burst = reader.Read();
      CHECK(burst.count <= reader.limit && burst.error == 0, "%u frames", burst.count);
      for (uint32_t i = 0; i < burst.count; ++i) {
        CHECK(size_t{reader.spans[2 * i]} + reader.spans[2 * i + 1] <= reader.slab.used, "past the slab");
      }
      CHECK(reader.slab.used <= size, "past the slab");
      uint32_t new_faults = io.TakeFaults();
      // One whose frames are longer than the slab waits for another.
      CHECK(burst.count + new_faults > 0 || io.pending(), "nothing came of it");
      faults += new_faults;
      frames += burst.count;
    }
  }
  CHECK(faults > 1000 && frames > 10000, "%lu faults, %lu frames", faults, frames);
}

}  // namespace

int main() {
  CheckMalformed();
  CheckPending();
  Random random(7);
  CheckRandomReads(random);
  std::printf("reads\n");
}
