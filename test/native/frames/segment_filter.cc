// native/frames/segment.h and native/frames/coalesce.h for tests that compare them with the kernel. Frames
// come on standard input, each after its length (32 bits, in this machine's byte order), and go to standard
// output in the same form.
//
//     segment_filter make any|plain SEED COUNT
//         super-frames for a TAP, with their vnet headers; plain: only such as joining produces
//     segment_filter cut ethernet|ip
//         vnet header and frame in; for each, the number of frames (32 bits) and the frames out
//     segment_filter join ethernet|ip
//         frames in, as one batch; vnet header and frame out, one for each write

#include <algorithm>
#include <cstring>
#include <memory>

#include "frames/coalesce.h"
#include "frames/segment.h"
#include "random_spec.h"

using tapfd::VnetHeader;

namespace {

void Write32(uint32_t value) {
  std::fwrite(&value, sizeof value, 1, stdout);
}

void WriteRecord(const void* data, size_t length) {
  Write32(static_cast<uint32_t>(length));
  std::fwrite(data, 1, length, stdout);
}

bool ReadRecord(Bytes& record) {
  uint32_t length;
  if (std::fread(&length, sizeof length, 1, stdin) != 1) return false;
  record.resize(length);
  CHECK(std::fread(record.data(), 1, length, stdin) == length, "the input ends within a frame");
  return true;
}

// Only what the kernel accepts and bridges: unicast addresses, and no more datagrams than it allows in one
// super-frame.
void Make(bool plain, uint64_t seed, uint32_t count) {
  Random random(seed);
  for (uint32_t i = 0; i < count; ++i) {
    FrameSpec spec = RandomSpec(random, plain);
    if (!spec.ethernet) {
      spec.ethernet = true;
      spec.vlan_tags.clear();
    }
    spec.macs[0] = spec.macs[6] = 2;
    spec.flags = random.OneIn(2) ? kAck : kAck | kPsh;
    if (!plain) spec.flags = static_cast<uint8_t>(random.Next());
    spec.urgent = static_cast<uint16_t>(random.Next());
    SpecOffsets at = OffsetsOf(spec);
    auto segment_bytes = random.Between(32, static_cast<uint32_t>(1500 - (at.payload - at.network)));
    uint32_t max_bytes = 65535 - static_cast<uint32_t>(at.payload - at.network);
    uint32_t segments = random.OneIn(10) ? 64 : random.Between(2, 20);
    uint32_t payload_bytes = std::min(max_bytes, segment_bytes * segments - random.Below(segment_bytes));
    Bytes payload = RandomBytes(random, payload_bytes);
    VnetHeader header;
    header.flags = VnetHeader::kNeedsChecksum;
    header.gso_type = spec.protocol == 17 ? VnetHeader::kGsoUdp
                      : spec.version == 4 ? VnetHeader::kGsoTcpV4
                                          : VnetHeader::kGsoTcpV6;
    if (spec.protocol == 6 && (spec.flags & kCwr) != 0) header.gso_type |= VnetHeader::kGsoEcn;
    header.header_length = static_cast<uint16_t>(at.payload);
    header.gso_size = static_cast<uint16_t>(segment_bytes);
    header.checksum_start = static_cast<uint16_t>(at.transport);
    header.checksum_offset = spec.protocol == 6 ? 16 : 6;
    // A frame that needs only its checksum.
    if (random.OneIn(10)) header.gso_type = VnetHeader::kGsoNone;
    if (header.gso_type == VnetHeader::kGsoNone) {
      header.gso_size = 0;
      payload.resize(segment_bytes);
    }
    // A writer that computed the checksum itself; the kernel accepts this for TCP only, and without VLAN
    // tags.
    bool whole = random.OneIn(5) && header.gso_type != VnetHeader::kGsoNone && spec.protocol == 6 &&
                 spec.vlan_tags.empty() && spec.final_destination.empty();
    if (whole) header.flags = 0;
    Bytes record(sizeof header);
    std::memcpy(record.data(), &header, sizeof header);
    Put(record, BuildFrame(spec, payload.data(), payload.size(), !whole));
    WriteRecord(record.data(), record.size());
  }
}

void Cut(bool ethernet) {
  Bytes record;
  Bytes memory(1 << 20);
  std::vector<uint32_t> spans(2 * 4096);
  while (ReadRecord(record)) {
    VnetHeader header;
    CHECK(record.size() >= sizeof header, "no vnet header");
    std::memcpy(&header, record.data(), sizeof header);
    tapfd::Segmenter segmenter;
    auto fault =
        segmenter.Begin(header, record.data() + sizeof header, record.size() - sizeof header, ethernet);
    CHECK(fault == tapfd::SegmentFault::kNone, "fault %d", static_cast<int>(fault));
    tapfd::Slab slab{memory.data(), memory.size(), 0};
    uint32_t count = segmenter.Emit(slab, spans.data(), 4096);
    CHECK(segmenter.done(), "%u frames left", segmenter.remaining());
    Write32(count);
    for (uint32_t i = 0; i < count; ++i) WriteRecord(memory.data() + spans[2 * i], spans[2 * i + 1]);
  }
}

void Join(bool ethernet) {
  std::vector<Bytes> frames;
  Bytes record;
  while (ReadRecord(record)) frames.push_back(record);
  std::vector<struct iovec> parts;
  for (Bytes& frame : frames) parts.push_back({frame.data(), frame.size()});
  tapfd::Coalescer coalescer(static_cast<uint32_t>(frames.size()));
  for (const tapfd::WriteUnit& unit :
       coalescer.Plan({ethernet, true}, parts.data(), coalescer.max_frames())) {
    Bytes whole;
    for (uint32_t i = 0; i < unit.part_count; ++i) {
      const auto* data = static_cast<const uint8_t*>(unit.parts[i].iov_base);
      whole.insert(whole.end(), data, data + unit.parts[i].iov_len);
    }
    WriteRecord(whole.data(), whole.size());
  }
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc >= 3, "see the comment in the source");
  std::string command = argv[1];
  bool ethernet = std::strcmp(argv[2], "ethernet") == 0;
  if (command == "make" && argc == 5) {
    Make(std::strcmp(argv[2], "plain") == 0, std::strtoull(argv[3], nullptr, 10),
         static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10)));
  } else if (command == "cut") {
    Cut(ethernet);
  } else if (command == "join") {
    Join(ethernet);
  } else {
    CHECK(false, "no command %s", command.c_str());
  }
  CHECK(std::fflush(stdout) == 0, "standard output");
}
