#include "frames/coalesce.h"

#include <algorithm>
#include <cstring>

#include "frames/checksum.h"
#include "frames/ip_layout.h"

namespace tapfd {

namespace {

constexpr uint32_t kMaxJoined = WriteUnit::kMaxParts - 1;  // one part is for the headers
constexpr uint32_t kWays = 4;                              // slots in each set of the flow table

const VnetHeader kEmptyHeader;

struct iovec Part(const void* data, size_t length) {
  return {const_cast<void*>(data), length};
}

bool Same(const uint8_t* a, const uint8_t* b, size_t length) {
  return std::memcmp(a, b, length) == 0;
}

// The frames of one write.
struct Unit {
  Candidate first;
  uint32_t first_index = 0;
  uint32_t last_index = 0;
  uint32_t frame_count = 0;
  uint32_t payload_bytes = 0;  // of all
  uint16_t id_step = 0;        // how the IPv4 id grows from frame to frame: 0 or 1, decided by the second
  bool verified = false;       // the first frame's checksums; those of later frames always are
  bool push = false;
};

bool Ipv4Fits(const Unit& unit, const uint8_t* packet) {
  const uint8_t* first = unit.first.packet();
  constexpr size_t kTtl = 8;
  if (LoadRaw16(first) != LoadRaw16(packet) || first[kTtl] != packet[kTtl] ||
      LoadRaw16(first + ipv4::kFragment) != LoadRaw16(packet + ipv4::kFragment)) {
    return false;
  }
  auto ahead = static_cast<uint16_t>(Load16(packet + ipv4::kId) - Load16(first + ipv4::kId));
  bool may_stay = unit.frame_count == 1 && Load16(packet + ipv4::kFragment) == ipv4::kDontFragment;
  return ahead == unit.frame_count * unit.id_step || (may_stay && ahead == 0);
}

bool Ipv6Fits(const Unit& unit, const uint8_t* packet) {
  constexpr size_t kHopLimit = 7;
  const uint8_t* first = unit.first.packet();
  // Version, traffic class, flow label.
  return LoadRaw32(first) == LoadRaw32(packet) && first[kHopLimit] == packet[kHopLimit];
}

bool TcpFits(const Unit& unit, const uint8_t* segment) {
  const uint8_t* first = unit.first.segment();
  size_t header_bytes = unit.first.payload - unit.first.transport;
  return Load32(segment + tcp::kSequence) == Load32(first + tcp::kSequence) + unit.payload_bytes &&
         LoadRaw32(segment + tcp::kAcknowledgement) == LoadRaw32(first + tcp::kAcknowledgement) &&
         LoadRaw16(segment + tcp::kWindow) == LoadRaw16(first + tcp::kWindow) &&
         Same(segment + tcp::kUrgent, first + tcp::kUrgent, header_bytes - tcp::kUrgent);
}

uint32_t MaxFrames(uint8_t protocol) {
  return protocol == udp::kProtocol ? WriteUnit::kMaxDatagrams : kMaxJoined;
}

// Whether `candidate`, of the unit's flow, can be joined: compares everything but its checksums.
bool Fits(const Unit& unit, const Candidate& candidate) {
  const Candidate& first = unit.first;
  size_t joined_bytes =
      first.payload - first.network + unit.payload_bytes + static_cast<size_t>(candidate.payload_bytes());
  return candidate.network == first.network && candidate.payload == first.payload &&
         candidate.payload_bytes() <= first.payload_bytes() && joined_bytes <= kMaxPacketBytes &&
         Same(candidate.frame, first.frame, first.network) &&
         (first.version == 4 ? Ipv4Fits(unit, candidate.packet()) : Ipv6Fits(unit, candidate.packet())) &&
         (first.protocol == udp::kProtocol || TcpFits(unit, candidate.segment()));
}

bool IsComplete(const Unit& unit, const Candidate& last) {
  return unit.push || last.payload_bytes() < unit.first.payload_bytes() ||
         unit.frame_count == MaxFrames(unit.first.protocol);
}

// A slot of the flow table: the unit that the flow's next frame may join. Empty unless of the current era.
struct Slot {
  uint64_t era = 0;
  uint32_t unit = 0;
  uint32_t tag = 0;  // the half of the hash that does not choose the set
};

// The headers of a joined frame.
struct Headers {
  static constexpr size_t kMaxBytes =
      ethernet::kHeader + ethernet::kMaxVlanTags * ethernet::kVlanTag + ipv6::kHeader + tcp::kMaxHeader;
  VnetHeader vnet;
  uint8_t bytes[kMaxBytes];
};
static_assert(offsetof(Headers, bytes) == sizeof(VnetHeader), "written as one part");

void WriteVnetHeader(const Unit& unit, VnetHeader& vnet) {
  const Candidate& first = unit.first;
  vnet.flags = VnetHeader::kNeedsChecksum;
  vnet.header_length = static_cast<uint16_t>(first.payload);
  vnet.gso_size = static_cast<uint16_t>(first.payload_bytes());
  vnet.checksum_start = static_cast<uint16_t>(first.transport);
  if (first.protocol == udp::kProtocol) {
    vnet.gso_type = VnetHeader::kGsoUdp;
    vnet.checksum_offset = udp::kChecksum;
  } else {
    vnet.gso_type = first.version == 4 ? VnetHeader::kGsoTcpV4 : VnetHeader::kGsoTcpV6;
    vnet.checksum_offset = tcp::kChecksum;
  }
}

void WriteHeaders(const Unit& unit, Headers& headers) {
  const Candidate& first = unit.first;
  WriteVnetHeader(unit, headers.vnet);
  std::memcpy(headers.bytes, first.frame, first.payload);
  uint8_t* packet = headers.bytes + first.network;
  uint8_t* segment = headers.bytes + first.transport;
  size_t segment_bytes = first.payload - first.transport + unit.payload_bytes;
  if (first.version == 4) {
    Store16(packet + ipv4::kTotalLength, static_cast<uint16_t>(ipv4::kHeader + segment_bytes));
    StoreRaw16(packet + ipv4::kChecksum, 0);
    StoreRaw16(packet + ipv4::kChecksum, ChecksumOf(SumHeader<ipv4::kHeader>(packet)));
  } else {
    Store16(packet + ipv6::kPayloadLength, static_cast<uint16_t>(segment_bytes));
  }
  // The kernel completes it: the field holds the sum of the pseudo header.
  uint16_t sum = FoldSum(PseudoHeaderSum(packet, first.version, first.protocol) +
                         htons(static_cast<uint16_t>(segment_bytes)));
  if (first.protocol == udp::kProtocol) {
    Store16(segment + udp::kLength, static_cast<uint16_t>(segment_bytes));
    StoreRaw16(segment + udp::kChecksum, sum);
  } else {
    if (unit.push) segment[tcp::kFlags] |= tcp::kPsh;
    StoreRaw16(segment + tcp::kChecksum, sum);
  }
}

uint32_t PowerOfTwoFrom(uint32_t value) {
  uint32_t power = 1;
  while (power < value) power *= 2;
  return power;
}

}  // namespace

struct Coalescer::State {
  explicit State(uint32_t max_frames);

  void Begin(const struct iovec* frames);
  void Take(const CoalesceRules& rules, uint32_t index);
  WriteUnits LayOut();

 private:
  // Takes a frame of the slot's flow. False if it needs a new unit.
  bool TakeIntoOpenUnit(Slot& slot, const Candidate& candidate, uint32_t index);
  // A new unit of the last candidate.
  uint32_t AddUnit(uint32_t index);
  Slot* FindSlot(const Candidate& candidate);
  Slot& NewSlot(const Candidate& candidate);
  Slot* SetOf(const Candidate& candidate) { return &slots[((candidate.hash >> 32) & set_mask) * kWays]; }
  WriteUnit LayOutUnit(const Unit& unit);

  const uint32_t set_mask;
  const struct iovec* frames = nullptr;
  uint64_t era = 0;
  uint32_t units_used = 0;
  uint32_t parts_used = 0;
  uint32_t order_used = 0;
  uint32_t headers_used = 0;

  std::unique_ptr<Slot[]> slots;
  std::unique_ptr<Unit[]> units;
  std::unique_ptr<uint32_t[]> next;  // the next frame of the same unit
  std::unique_ptr<WriteUnit[]> writes;
  std::unique_ptr<struct iovec[]> parts;
  std::unique_ptr<uint32_t[]> order;  // frame numbers, unit by unit
  std::unique_ptr<Headers[]> headers;
};

// A unit of n frames has n + 1 parts, so never more than two per frame. The table has at least two slots per
// frame; when a set overflows, a unit is merely closed early.
Coalescer::State::State(uint32_t max_frames)
    : set_mask(PowerOfTwoFrom((2 * max_frames + kWays - 1) / kWays) - 1),
      slots(std::make_unique<Slot[]>((static_cast<size_t>(set_mask) + 1) * kWays)),
      units(std::make_unique<Unit[]>(max_frames)),
      next(std::make_unique<uint32_t[]>(max_frames)),
      writes(std::make_unique<WriteUnit[]>(max_frames)),
      parts(std::make_unique<struct iovec[]>(2 * static_cast<size_t>(max_frames))),
      order(std::make_unique<uint32_t[]>(max_frames)),
      headers(std::make_unique<Headers[]>(max_frames / 2)) {}

void Coalescer::State::Begin(const struct iovec* batch) {
  frames = batch;
  ++era;
  units_used = parts_used = order_used = headers_used = 0;
}

void Coalescer::State::Take(const CoalesceRules& rules, uint32_t index) {
  // Read directly into the next unit, which it becomes if it is not joined: a copy would cost as much as all
  // the rest.
  Candidate& candidate = units[units_used].first;
  ReadCandidate(rules, frames[index], candidate);
  if (candidate.kind == FrameKind::kUnrelated) {
    AddUnit(index);
    return;
  }
  if (candidate.kind == FrameKind::kUnknownFlow) {
    ++era;
    AddUnit(index);
    return;
  }
  Slot* slot = FindSlot(candidate);
  bool joinable = candidate.kind == FrameKind::kJoinable;
  if (joinable && slot != nullptr && TakeIntoOpenUnit(*slot, candidate, index)) return;
  // Closes the flow's open unit: this frame comes after it.
  uint32_t unit = AddUnit(index);
  if (joinable && !candidate.push) {
    if (slot == nullptr) slot = &NewSlot(candidate);
    *slot = {era, unit, static_cast<uint32_t>(candidate.hash)};
  } else if (slot != nullptr) {
    slot->era = 0;
  }
}

bool Coalescer::State::TakeIntoOpenUnit(Slot& slot, const Candidate& candidate, uint32_t index) {
  Unit& unit = units[slot.unit];
  if (!Fits(unit, candidate)) return false;
  // Only now: a frame that is never joined needs no summing.
  if (!unit.verified && !ChecksumsRight(unit.first)) return false;
  unit.verified = true;
  if (!ChecksumsRight(candidate)) {
    AddUnit(index);
    slot.era = 0;
    return true;
  }
  if (unit.frame_count == 1 && unit.first.version == 4) {
    unit.id_step = LoadRaw16(candidate.packet() + ipv4::kId) != LoadRaw16(unit.first.packet() + ipv4::kId);
  }
  next[unit.last_index] = index;
  unit.last_index = index;
  unit.frame_count += 1;
  unit.payload_bytes += candidate.payload_bytes();
  unit.push = candidate.push;
  if (IsComplete(unit, candidate)) slot.era = 0;
  return true;
}

uint32_t Coalescer::State::AddUnit(uint32_t index) {
  Unit& unit = units[units_used];
  unit.first_index = unit.last_index = index;
  unit.frame_count = 1;
  unit.payload_bytes = unit.first.payload_bytes();
  unit.id_step = 1;
  unit.verified = unit.push = false;
  return units_used++;
}

Slot* Coalescer::State::FindSlot(const Candidate& candidate) {
  Slot* set = SetOf(candidate);
  for (uint32_t way = 0; way < kWays; ++way) {
    Slot& slot = set[way];
    if (slot.era == era && slot.tag == static_cast<uint32_t>(candidate.hash) &&
        SameFlow(units[slot.unit].first, candidate)) {
      return &slot;
    }
  }
  return nullptr;
}

Slot& Coalescer::State::NewSlot(const Candidate& candidate) {
  Slot* set = SetOf(candidate);
  for (uint32_t way = 0; way < kWays; ++way) {
    if (set[way].era != era) return set[way];
  }
  return set[candidate.hash % kWays];
}

WriteUnits Coalescer::State::LayOut() {
  for (uint32_t i = 0; i < units_used; ++i) writes[i] = LayOutUnit(units[i]);
  return {writes.get(), units_used};
}

WriteUnit Coalescer::State::LayOutUnit(const Unit& unit) {
  WriteUnit write;
  write.parts = &parts[parts_used];
  write.frames = &order[order_used];
  write.frame_count = unit.frame_count;
  size_t skipped = 0;
  if (write.joined()) {
    Headers& written = headers[headers_used++];
    WriteHeaders(unit, written);
    skipped = unit.first.payload;
    parts[parts_used++] = Part(&written, sizeof(VnetHeader) + skipped);
  } else {
    parts[parts_used++] = Part(&kEmptyHeader, sizeof kEmptyHeader);
  }
  uint32_t index = unit.first_index;
  for (uint32_t left = unit.frame_count; left > 0; --left, index = next[index]) {
    const struct iovec& frame = frames[index];
    parts[parts_used++] =
        Part(static_cast<const uint8_t*>(frame.iov_base) + skipped, frame.iov_len - skipped);
    order[order_used++] = index;
  }
  write.part_count = static_cast<uint32_t>(&parts[parts_used] - write.parts);
  return write;
}

SingleWrite::SingleWrite(const struct iovec& frame)
    : parts{Part(&kEmptyHeader, sizeof kEmptyHeader), frame} {}

Coalescer::Coalescer(uint32_t max_frames)
    : max_frames_(max_frames), state_(std::make_unique<State>(max_frames)) {}

Coalescer::~Coalescer() = default;

WriteUnits Coalescer::Plan(const CoalesceRules& rules, const struct iovec* frames, uint32_t count) {
  state_->Begin(frames);
  for (uint32_t i = 0; i < std::min(count, max_frames_); ++i) state_->Take(rules, i);
  return state_->LayOut();
}

}  // namespace tapfd
