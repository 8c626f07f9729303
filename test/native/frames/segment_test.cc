// native/frames/segment.h: super-frames are split into exactly the frames that a sender would have built one
// by one, and malformed ones are refused completely.

#include "frames/segment.h"

#include <algorithm>
#include <memory>

#include "frames/ip_layout.h"
#include "random_spec.h"

using tapfd::Segmenter;
using tapfd::SegmentFault;
using tapfd::VnetHeader;

namespace {

struct SuperFrame {
  VnetHeader header;
  Bytes frame;
};

uint8_t GsoType(const FrameSpec& spec) {
  if (spec.protocol == 17) return VnetHeader::kGsoUdp;
  auto type = spec.version == 4 ? VnetHeader::kGsoTcpV4 : VnetHeader::kGsoTcpV6;
  return static_cast<uint8_t>(type | ((spec.flags & kCwr) != 0 ? VnetHeader::kGsoEcn : 0));
}

// As the kernel delivers it: with the sum of the pseudo header in the checksum field.
SuperFrame BuildSuperFrame(const FrameSpec& spec, const Bytes& payload, uint16_t segment_bytes) {
  SpecOffsets at = OffsetsOf(spec);
  SuperFrame built;
  built.header.flags = VnetHeader::kNeedsChecksum;
  built.header.gso_type = GsoType(spec);
  built.header.header_length = static_cast<uint16_t>(at.payload);
  built.header.gso_size = segment_bytes;
  built.header.checksum_start = static_cast<uint16_t>(at.transport);
  built.header.checksum_offset = spec.protocol == 6 ? 16 : 6;
  built.frame = BuildFrame(spec, payload.data(), payload.size(), true);
  return built;
}

// One by one, as a sender without offload does.
std::vector<Bytes> BuildSegments(const FrameSpec& spec, const Bytes& payload, size_t segment_bytes) {
  std::vector<Bytes> frames;
  size_t at = 0;
  do {
    size_t bytes = std::min(segment_bytes, payload.size() - at);
    bool last = at + bytes == payload.size();
    FrameSpec one = spec;
    one.sequence += static_cast<uint32_t>(at);
    one.id = static_cast<uint16_t>(one.id + frames.size());
    if (!last) one.flags &= static_cast<uint8_t>(~(kFin | kPsh));
    if (at != 0) one.flags &= static_cast<uint8_t>(~kCwr);
    frames.push_back(BuildFrame(one, payload.data() + at, bytes));
    at += bytes;
  } while (at < payload.size());
  return frames;
}

// Memory of the exact size, for AddressSanitizer.
struct ExactCopy {
  explicit ExactCopy(const Bytes& bytes) : data(new uint8_t[bytes.size()]), size(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), data.get());
  }
  std::unique_ptr<uint8_t[]> data;
  size_t size;
};

// Splits, a few frames at a time and into slabs of any size, and reads the frames from the slabs.
std::vector<Bytes> Segment(Random& random, const SuperFrame& super, bool ethernet, const char* what) {
  ExactCopy copy(super.frame);
  Segmenter segmenter;
  SegmentFault fault = segmenter.Begin(super.header, copy.data.get(), copy.size, ethernet);
  CHECK(fault == SegmentFault::kNone, "%s: fault %d", what, static_cast<int>(fault));
  std::vector<Bytes> frames;
  uint32_t expected = segmenter.remaining();
  while (!segmenter.done()) {
    size_t size = segmenter.room() + random.Below(5000);
    std::unique_ptr<uint8_t[]> memory(new uint8_t[size]);
    uint32_t capacity = random.Between(1, 9);
    std::unique_ptr<uint32_t[]> spans(new uint32_t[2 * capacity]);
    tapfd::Slab slab{memory.get(), size, 0};
    uint32_t count = segmenter.Emit(slab, spans.get(), capacity);
    CHECK(count >= 1 && count <= capacity, "%s: %u of %u frames", what, count, capacity);
    CHECK(slab.used <= slab.size, "%s: the slab is over full", what);
    for (uint32_t i = 0; i < count; ++i) {
      uint32_t offset = spans[2 * i], length = spans[2 * i + 1];
      CHECK(offset % 8 == 0 && offset + length <= slab.used, "%s: %u bytes at %u", what, length, offset);
      frames.emplace_back(memory.get() + offset, memory.get() + offset + length);
    }
    CHECK(segmenter.remaining() + frames.size() == expected, "%s: lost count", what);
  }
  tapfd::Slab nothing;
  CHECK(segmenter.Emit(nothing, nullptr, 0) == 0, "%s: more than all", what);
  return frames;
}

void CheckSame(const std::vector<Bytes>& got, const std::vector<Bytes>& expected, const char* what,
               uint64_t seed) {
  CHECK(got.size() == expected.size(), "%s %lu: %zu frames, not %zu", what, seed, got.size(),
        expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i].size() == expected[i].size(), "%s %lu: frame %zu has %zu bytes, not %zu", what, seed, i,
          got[i].size(), expected[i].size());
    auto differ = std::mismatch(got[i].begin(), got[i].end(), expected[i].begin()).first - got[i].begin();
    CHECK(got[i] == expected[i], "%s %lu: frame %zu of %zu differs at byte %td", what, seed, i, got.size(),
          differ);
  }
}

size_t RandomPayload(Random& random, const FrameSpec& spec) {
  size_t max_bytes = 65535 - (OffsetsOf(spec).payload - OffsetsOf(spec).network);
  if (random.OneIn(20)) return max_bytes;
  return random.Below(random.OneIn(4) ? static_cast<uint32_t>(max_bytes) : 6000);
}

void CheckRandomSuperFrame(uint64_t seed) {
  Random random(seed);
  FrameSpec spec = RandomSpec(random, false);
  spec.flags = static_cast<uint8_t>(random.Next());
  spec.reserved = static_cast<uint8_t>(random.Below(16));
  spec.urgent = static_cast<uint16_t>(random.Next());
  Bytes payload = RandomBytes(random, RandomPayload(random, spec));
  auto segment_bytes = static_cast<uint16_t>(random.Between(1, payload.size() > 3000 ? 9000 : 3000));
  if (payload.size() > 10000) segment_bytes = static_cast<uint16_t>(segment_bytes + 48);
  SuperFrame super = BuildSuperFrame(spec, payload, segment_bytes);
  std::vector<Bytes> expected = BuildSegments(spec, payload, segment_bytes);
  CheckSame(Segment(random, super, spec.ethernet, "super-frame"), expected, "super-frame", seed);

  // hdr_len is a hint, and may have any value.
  super.header.header_length = static_cast<uint16_t>(random.Next());
  CheckSame(Segment(random, super, spec.ethernet, "hdr_len"), expected, "hdr_len", seed);

  // If the kernel left no checksum to be computed, the field may hold anything, and each segment still needs
  // one.
  if (!spec.final_destination.empty()) return;
  super.header.flags = random.OneIn(2) ? VnetHeader::kDataValid : 0;
  super.frame = BuildFrame(spec, payload.data(), payload.size());
  CheckSame(Segment(random, super, spec.ethernet, "no partial sum"), expected, "no partial sum", seed);
  if (spec.protocol != 17 || spec.version != 4) return;
  spec.udp_checksum = false;
  super.frame = BuildFrame(spec, payload.data(), payload.size());
  expected = BuildSegments(spec, payload, segment_bytes);
  CheckSame(Segment(random, super, spec.ethernet, "UDP without checksum"), expected, "UDP without checksum",
            seed);
}

void CheckRandomPlainFrame(uint64_t seed) {
  Random random(seed);
  FrameSpec spec = RandomSpec(random, false);
  Bytes payload = RandomBytes(random, random.Below(1500));
  SuperFrame super = BuildSuperFrame(spec, payload, 0);
  super.header.gso_type = VnetHeader::kGsoNone;
  Bytes whole = BuildFrame(spec, payload.data(), payload.size());
  CheckSame(Segment(random, super, spec.ethernet, "partial"), {whole}, "partial", seed);

  // In the frame itself.
  ExactCopy copy(super.frame);
  CHECK(tapfd::CompleteChecksum(super.header, copy.data.get(), copy.size) == SegmentFault::kNone, "in place");
  CHECK(std::equal(whole.begin(), whole.end(), copy.data.get()), "in place, seed %lu", seed);

  // Nothing left to do: not a byte changes, whatever the frame.
  super.header = VnetHeader();
  super.header.flags = VnetHeader::kDataValid;
  super.header.checksum_start = 65535;
  super.frame = RandomBytes(random, random.Below(2000));
  CheckSame(Segment(random, super, spec.ethernet, "plain"), {super.frame}, "plain", seed);
}

// A checksum of 0 is written as 0xffff where the kernel does so.
void CheckZeroChecksums() {
  for (int protocol : {6, 17}) {
    FrameSpec spec;
    spec.protocol = protocol;
    Bytes payload(100, 0);
    // The last word makes the total sum 0xffff.
    Bytes frame = BuildFrame(spec, payload.data(), payload.size());
    size_t field = OffsetsOf(spec).transport + (protocol == 6 ? 16 : 6);
    payload[98] = frame[field];
    payload[99] = frame[field + 1];
    Random random(7);
    SuperFrame super = BuildSuperFrame(spec, payload, 100);
    Bytes cut = Segment(random, super, true, "zero")[0];
    uint16_t expected = protocol == 6 ? 0 : 0xffff;
    CHECK(cut[field] == expected >> 8 && cut[field + 1] == (expected & 0xff), "super-frame, protocol %d",
          protocol);
    super.header.gso_type = VnetHeader::kGsoNone;
    cut = Segment(random, super, true, "zero")[0];
    CHECK(cut[field] == 0xff && cut[field + 1] == 0xff, "plain, protocol %d", protocol);
  }
}

void CheckManySegments() {
  Random random(3);
  FrameSpec spec;
  Bytes payload = RandomBytes(random, 65535 - 40);
  SuperFrame super = BuildSuperFrame(spec, payload, 500);
  Segmenter segmenter;
  CHECK(segmenter.Begin(super.header, super.frame.data(), super.frame.size(), true) == SegmentFault::kNone,
        "500");
  CHECK(segmenter.remaining() == 131, "%u", segmenter.remaining());
  // A slab too small for another frame takes none, and nothing is lost.
  CHECK(segmenter.room() == 554, "%zu", segmenter.room());
  uint8_t small[553];
  uint32_t spans[2];
  tapfd::Slab slab{small, sizeof small, 0};
  CHECK(segmenter.Emit(slab, spans, 1) == 0 && slab.used == 0, "too small a slab");
  CHECK(segmenter.remaining() == 131, "%u", segmenter.remaining());
  CheckSame(Segment(random, super, true, "131"), BuildSegments(spec, payload, 500), "131", 0);
  super.header.gso_size = 1;
  CheckSame(Segment(random, super, true, "bytes"), BuildSegments(spec, payload, 1), "bytes", 0);
}

int faults_seen = 0;

void CheckFault(const SuperFrame& super, bool ethernet, SegmentFault expected, const char* what) {
  ExactCopy copy(super.frame);
  Segmenter segmenter;
  SegmentFault fault = segmenter.Begin(super.header, copy.data.get(), copy.size, ethernet);
  CHECK(fault == expected, "%s: fault %d, not %d", what, static_cast<int>(fault), static_cast<int>(expected));
  CHECK(segmenter.done() && segmenter.remaining() == 0, "%s: something is left to emit", what);
  CHECK(std::equal(super.frame.begin(), super.frame.end(), copy.data.get()), "%s: the frame was changed",
        what);
  ++faults_seen;
}

// `change` breaks a good super-frame of `spec`.
template <typename Change>
void CheckBroken(const FrameSpec& spec, SegmentFault expected, const char* what, Change change) {
  Random random(11);
  SuperFrame super = BuildSuperFrame(spec, RandomBytes(random, 5000), 1000);
  Segment(random, super, spec.ethernet, what);
  change(super);
  CheckFault(super, spec.ethernet, expected, what);
}

void CheckVnetFaults(const FrameSpec& spec) {
  using S = SuperFrame;
  constexpr SegmentFault kType = SegmentFault::kGsoType, kSum = SegmentFault::kChecksum;
  CheckBroken(spec, kType, "UFO", [](S& s) { s.header.gso_type = VnetHeader::kGsoUdpFragments; });
  CheckBroken(spec, kType, "tunnel", [](S& s) { s.header.gso_type |= 0x20; });
  CheckBroken(spec, kType, "tunnel over IPv6", [](S& s) { s.header.gso_type |= 0x40; });
  CheckBroken(spec, kType, "ECN alone", [](S& s) { s.header.gso_type = VnetHeader::kGsoEcn; });
  CheckBroken(spec, kType, "USO with ECN",
              [](S& s) { s.header.gso_type = VnetHeader::kGsoUdp | VnetHeader::kGsoEcn; });
  CheckBroken(spec, SegmentFault::kGsoSize, "gso_size 0", [](S& s) { s.header.gso_size = 0; });
  CheckBroken(spec, kSum, "csum_start", [](S& s) { s.header.checksum_start += 2; });
  CheckBroken(spec, kSum, "csum_start out of range", [](S& s) { s.header.checksum_start = 65535; });
  CheckBroken(spec, kSum, "csum_offset", [](S& s) { s.header.checksum_offset ^= 22; });
  CheckBroken(spec, kSum, "csum_offset out of range", [](S& s) { s.header.checksum_offset = 65535; });
  for (uint8_t type : {VnetHeader::kGsoTcpV4, VnetHeader::kGsoTcpV6, VnetHeader::kGsoUdp}) {
    if (type == (GsoType(spec) & 0x7f)) continue;
    CheckBroken(spec, SegmentFault::kProtocol, "another GSO type",
                [type](S& s) { s.header.gso_type = type; });
  }

  auto plain = [](S& s) { s.header.gso_type = VnetHeader::kGsoNone; };
  CheckBroken(spec, kSum, "plain: csum_start at the end", [&](S& s) {
    plain(s);
    s.header.checksum_start = static_cast<uint16_t>(s.frame.size() - s.header.checksum_offset - 1);
  });
  CheckBroken(spec, kSum, "plain: csum_offset", [&](S& s) {
    plain(s);
    s.header.checksum_offset = static_cast<uint16_t>(s.frame.size() - s.header.checksum_start - 1);
  });
  CheckBroken(spec, kSum, "plain: empty", [&](S& s) {
    plain(s);
    s.frame.clear();
    s.header.checksum_start = s.header.checksum_offset = 0;
  });
}

void CheckFrameFaults(const FrameSpec& spec) {
  using S = SuperFrame;
  constexpr SegmentFault kProtocol = SegmentFault::kProtocol, kLength = SegmentFault::kLength;
  SpecOffsets at = OffsetsOf(spec);
  CheckBroken(spec, kLength, "a byte behind", [](S& s) { s.frame.push_back(0); });
  CheckBroken(spec, kLength, "a byte missing", [](S& s) { s.frame.pop_back(); });
  CheckBroken(spec, kProtocol, "IP version", [&](S& s) { s.frame[at.network] ^= 0x70; });
  CheckBroken(spec, kProtocol, "empty", [](S& s) { s.frame.clear(); });
  if (spec.ethernet) {
    CheckBroken(spec, kProtocol, "EtherType", [&](S& s) { s.frame[at.network - 1] ^= 1; });
    CheckBroken(spec, kProtocol, "more VLAN tags than the kernel follows", [](S& s) {
      const uint8_t tag[] = {0x81, 0, 0, 1};
      for (size_t i = 0; i <= tapfd::ethernet::kMaxVlanTags; ++i)
        s.frame.insert(s.frame.begin() + 12, tag, tag + sizeof tag);
    });
  }
  size_t length_at = at.network + (spec.version == 4 ? 2 : 4);
  CheckBroken(spec, kLength, "IP length 0", [&](S& s) { s.frame[length_at] = s.frame[length_at + 1] = 0; });
  CheckBroken(spec, kLength, "IP length past the end", [&](S& s) { s.frame[length_at] = 0xff; });
  if (spec.version == 4) {
    CheckBroken(spec, kProtocol, "more fragments", [&](S& s) { s.frame[at.network + 6] |= 0x20; });
    CheckBroken(spec, kProtocol, "fragment offset", [&](S& s) { s.frame[at.network + 7] = 1; });
    CheckBroken(spec, kProtocol, "protocol", [&](S& s) { s.frame[at.network + 9] = 1; });
    CheckBroken(spec, SegmentFault::kHeader, "IP header of 16", [&](S& s) { s.frame[at.network] = 0x44; });
  }
  if (spec.protocol == 6) {
    CheckBroken(spec, SegmentFault::kHeader, "TCP header of 16",
                [&](S& s) { s.frame[at.transport + 12] = 0x40; });
  } else {
    CheckBroken(spec, kLength, "UDP length", [&](S& s) { s.frame[at.transport + 5] ^= 1; });
    CheckBroken(spec, kLength, "UDP length 0",
                [&](S& s) { s.frame[at.transport + 4] = s.frame[at.transport + 5] = 0; });
  }
}

// Truncated anywhere within its headers, with matching lengths: no header may be read past the end.
void CheckTruncated(const FrameSpec& spec) {
  SpecOffsets at = OffsetsOf(spec);
  for (size_t length = 0; length < at.payload; ++length) {
    SuperFrame super = BuildSuperFrame(spec, Bytes(100), 50);
    super.frame.resize(length);
    size_t length_at = at.network + (spec.version == 4 ? 2 : 4);
    size_t min_bytes = at.network + (spec.version == 4 ? 0 : 40);
    if (length >= at.network + 20 && length >= min_bytes) {
      super.frame[length_at] = static_cast<uint8_t>((length - min_bytes) >> 8);
      super.frame[length_at + 1] = static_cast<uint8_t>(length - min_bytes);
    }
    size_t network_bytes = spec.version == 4 ? 20 : 40;
    SegmentFault expected =
        length < at.network + network_bytes ? SegmentFault::kProtocol : SegmentFault::kHeader;
    CheckFault(super, spec.ethernet, expected, "truncated");
  }
}

void CheckFaults() {
  for (int version : {4, 6}) {
    for (int protocol : {6, 17}) {
      for (int tags : {-1, 0, 2}) {
        FrameSpec spec;
        spec.ethernet = tags >= 0;
        if (tags == 2) spec.vlan_tags = {0x88, 0xa8, 0, 5, 0x81, 0, 0, 6};
        spec.version = version;
        spec.protocol = protocol;
        spec.tcp_options = Bytes(12, 1);
        if (version == 6) spec.source = spec.destination = Bytes(16, 0x20);
        CheckVnetFaults(spec);
        CheckFrameFaults(spec);
        CheckTruncated(spec);
        if (version == 4) spec.ip_options = Bytes(40, 1);
        if (version == 6) {
          spec.extensions = {Bytes(7), Bytes(15), Bytes(7)};
          spec.extensions[1][0] = 1;
          spec.extension_types = {0, 60, 60};
        }
        CheckVnetFaults(spec);
        CheckTruncated(spec);
        if (version == 4) continue;
        spec.extension_types = {0, 44, 60};
        SuperFrame fragment = BuildSuperFrame(spec, Bytes(100), 50);
        CheckFault(fragment, spec.ethernet, SegmentFault::kProtocol, "IPv6 fragment");
        spec.extension_types = {0, 43, 60};
        SuperFrame routed = BuildSuperFrame(spec, Bytes(100), 50);
        routed.header.flags = 0;
        CheckFault(routed, spec.ethernet, SegmentFault::kChecksum, "routing header without a partial sum");
        spec.extension_types = {0, 60, 60};
        SuperFrame endless = BuildSuperFrame(spec, Bytes(100), 50);
        endless.frame[OffsetsOf(spec).network + 40 + 1] = 255;
        CheckFault(endless, spec.ethernet, SegmentFault::kHeader, "extension header past the end");
      }
    }
  }
}

}  // namespace

int main() {
  constexpr uint64_t kRandom = 6000;
  for (uint64_t seed = 1; seed <= kRandom; ++seed) {
    CheckRandomSuperFrame(seed);
    CheckRandomPlainFrame(seed);
  }
  CheckZeroChecksums();
  CheckManySegments();
  CheckFaults();
  std::printf("%lu super-frames, %d faults\n", kRandom, faults_seen);
}
