// native/frames/coalesce.h: frames that belong together are joined, frames that differ in anything never are,
// and splitting restores what was joined.

#include "frames/coalesce.h"

#include <map>

#include "coalesce_oracle.h"
#include "random_spec.h"

using tapfd::Coalescer;
using tapfd::CoalesceRules;

namespace {

CoalesceRules RulesFor(const FrameSpec& spec) {
  return {spec.ethernet, true};
}

// `count` frames that belong together.
std::vector<Bytes> Train(FrameSpec spec, uint32_t count, uint32_t payload_bytes, Random& random) {
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < count; ++i) {
    Bytes payload = RandomBytes(random, payload_bytes);
    frames.push_back(BuildFrame(spec, payload.data(), payload.size()));
    spec.sequence += payload_bytes;
    spec.id += 1;
  }
  return frames;
}

// Every kind that is joined: both layers, IP versions and protocols.
template <typename Each>
void ForEachKind(Each each) {
  for (int version : {4, 6}) {
    for (int protocol : {6, 17}) {
      for (int tags : {-1, 0, 1, 2}) {
        FrameSpec spec;
        spec.ethernet = tags >= 0;
        for (int i = 0; i < tags; ++i) Put(spec.vlan_tags, {0x81, 0, 0x20, static_cast<uint8_t>(5 + i)});
        spec.version = version;
        spec.protocol = protocol;
        if (version == 6) {
          spec.source = Bytes(16, 0x20);
          spec.destination = Bytes(16, 0x21);
        }
        spec.tos = 0xb8;
        spec.flow_label = 0x12345;
        if (protocol == 6) spec.tcp_options = {1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8};
        each(spec);
      }
    }
  }
}

int kinds_checked = 0;

void CheckJoins(const FrameSpec& spec) {
  Random random(5);
  Coalescer coalescer(256);
  Plan plan = CheckPlan(coalescer, RulesFor(spec), Train(spec, 40, 1000, random), 1);
  CHECK(plan.units == 1, "40 frames in %u units", plan.units);

  // A shorter one is the last; the next starts a new unit.
  std::vector<Bytes> frames = Train(spec, 10, 1000, random);
  FrameSpec on = spec;
  on.sequence += 10 * 1000;
  on.id += 10;
  std::vector<Bytes> shorter = Train(on, 2, 300, random);
  frames.insert(frames.end(), shorter.begin(), shorter.end());
  plan = CheckPlan(coalescer, RulesFor(spec), frames, 2);
  CHECK(plan.units == 2 && plan.Together(0, 10) && !plan.Together(10, 11), "%u units", plan.units);

  // A longer one cannot follow.
  frames = Train(spec, 2, 1000, random);
  on = spec;
  on.sequence += 2 * 1000;
  on.id += 2;
  std::vector<Bytes> longer = Train(on, 2, 1001, random);
  frames.insert(frames.end(), longer.begin(), longer.end());
  plan = CheckPlan(coalescer, RulesFor(spec), frames, 3);
  CHECK(plan.units == 2 && plan.Together(0, 1) && plan.Together(2, 3), "%u units", plan.units);

  // Frames without payload are left alone.
  plan = CheckPlan(coalescer, RulesFor(spec), Train(spec, 8, 0, random), 4);
  CHECK(plan.units == 8, "%u units", plan.units);
  ++kinds_checked;
}

void CheckLimits(const FrameSpec& spec) {
  Random random(6);
  Coalescer coalescer(1024);
  size_t headers = OffsetsOf(spec).payload - OffsetsOf(spec).network;
  // As many as fit in 65,535 bytes of packet, and not one more.
  auto fit = static_cast<uint32_t>((65535 - headers) / 1400);
  std::vector<Bytes> frames = Train(spec, fit + 1, 1400, random);
  Plan plan = CheckPlan(coalescer, RulesFor(spec), frames, 5);
  CHECK(plan.units == 2 && plan.Together(0, fit - 1) && !plan.Together(0, fit), "%u fit; %u units", fit,
        plan.units);
  // Exactly 65,535 bytes.
  frames = Train(spec, 2, static_cast<uint32_t>((65535 - headers) / 2), random);
  FrameSpec on = spec;
  on.sequence += static_cast<uint32_t>((65535 - headers) / 2 * 2);
  on.id += 2;
  frames.push_back(Train(on, 1, 1, random)[0]);
  plan = CheckPlan(coalescer, RulesFor(spec), frames, 6);
  CHECK(plan.units == 2 - (65535 - headers) % 2, "%u units", plan.units);
  // As many parts as one write accepts.
  uint32_t max = spec.protocol == 6 ? tapfd::WriteUnit::kMaxParts - 1 : tapfd::WriteUnit::kMaxDatagrams;
  plan = CheckPlan(coalescer, RulesFor(spec), Train(spec, max + 3, 20, random), 7);
  CHECK(plan.units == 2 && plan.Together(0, max - 1) && plan.Together(max, max + 2), "%u units", plan.units);
  if (spec.protocol == 6) return;
  plan = CheckPlan(coalescer, {spec.ethernet, false}, Train(spec, 8, 100, random), 8);
  CHECK(plan.units == 8, "UDP joined without leave");
}

// Frames of one flow, the middle one changed: it must not be joined to its neighbours, whatever its
// checksums.
void CheckSpecChange(const FrameSpec& spec, const char* what, void (*change)(FrameSpec&)) {
  Random random(8);
  Coalescer coalescer(16);
  std::vector<Bytes> frames = Train(spec, 3, 100, random);
  FrameSpec changed = spec;
  changed.sequence += 100;
  changed.id += 1;
  change(changed);
  Bytes payload = RandomBytes(random, 100);
  frames[1] = BuildFrame(changed, payload.data(), payload.size());
  Plan plan = CheckPlan(coalescer, RulesFor(spec), frames, 9);
  CHECK(!plan.Together(0, 1) && !plan.Together(1, 2), "joined: another %s", what);
  ++kinds_checked;
}

void CheckSpecChanges(const FrameSpec& spec) {
  using F = FrameSpec&;
  CheckSpecChange(spec, "source", [](F f) { f.source.back() ^= 1; });
  CheckSpecChange(spec, "destination", [](F f) { f.destination.front() ^= 1; });
  CheckSpecChange(spec, "source port", [](F f) { f.source_port ^= 1; });
  CheckSpecChange(spec, "destination port", [](F f) { f.destination_port ^= 256; });
  CheckSpecChange(spec, "TTL or hop limit", [](F f) { f.ttl -= 1; });
  CheckSpecChange(spec, "DSCP", [](F f) { f.tos ^= 4; });
  CheckSpecChange(spec, "ECN mark", [](F f) { f.tos ^= 3; });
  if (spec.ethernet) {
    CheckSpecChange(spec, "destination MAC", [](F f) { f.macs[5] ^= 1; });
    CheckSpecChange(spec, "source MAC", [](F f) { f.macs[6] ^= 1; });
    CheckSpecChange(spec, "set of VLAN tags", [](F f) {
      if (f.vlan_tags.empty()) {
        f.vlan_tags = {0x81, 0, 0, 5};
      } else {
        f.vlan_tags.resize(f.vlan_tags.size() - 4);
      }
    });
    if (!spec.vlan_tags.empty()) {
      CheckSpecChange(spec, "VLAN", [](F f) { f.vlan_tags[3] ^= 1; });
      CheckSpecChange(spec, "VLAN priority", [](F f) { f.vlan_tags[2] ^= 0x40; });
      CheckSpecChange(spec, "VLAN protocol", [](F f) {
        f.vlan_tags[0] = 0x88;
        f.vlan_tags[1] = 0xa8;
      });
    }
  }
  if (spec.version == 4) {
    CheckSpecChange(spec, "DF", [](F f) { f.fragment ^= 0x4000; });
    CheckSpecChange(spec, "reserved fragment bit", [](F f) { f.fragment ^= 0x8000; });
    CheckSpecChange(spec, "MF: a first fragment", [](F f) { f.fragment |= 0x2000; });
    CheckSpecChange(spec, "fragment offset", [](F f) { f.fragment |= 1; });
    CheckSpecChange(spec, "id", [](F f) { f.id += 1000; });
    CheckSpecChange(spec, "set of IPv4 options", [](F f) { f.ip_options = {1, 1, 1, 0}; });
  } else {
    CheckSpecChange(spec, "flow label", [](F f) { f.flow_label ^= 1; });
    CheckSpecChange(spec, "set of extension headers", [](F f) {
      f.extensions = {{0, 1, 4, 0, 0, 0, 0}};
      f.extension_types = {60};
    });
    CheckSpecChange(spec, "fragment header", [](F f) {
      f.extensions = {{0, 0, 0, 0, 0, 0, 0}};
      f.extension_types = {44};
    });
  }
  if (spec.protocol == 17) {
    CheckSpecChange(spec, "rule: no checksum", [](F f) { f.udp_checksum = false; });
    return;
  }
  CheckSpecChange(spec, "sequence number: a gap", [](F f) { f.sequence += 1; });
  CheckSpecChange(spec, "sequence number: an overlap", [](F f) { f.sequence -= 1; });
  CheckSpecChange(spec, "sequence number: sent again", [](F f) { f.sequence -= 100; });
  CheckSpecChange(spec, "sequence number: half the space on", [](F f) { f.sequence += 1U << 31; });
  CheckSpecChange(spec, "acknowledgement", [](F f) { f.acknowledgement += 1; });
  CheckSpecChange(spec, "window", [](F f) { f.window += 1; });
  CheckSpecChange(spec, "urgent pointer", [](F f) { f.urgent += 1; });
  CheckSpecChange(spec, "timestamp", [](F f) { f.tcp_options[7] += 1; });
  CheckSpecChange(spec, "timestamp echo", [](F f) { f.tcp_options[11] += 1; });
  CheckSpecChange(spec, "order of options",
                  [](F f) { f.tcp_options = {8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 1, 1}; });
  CheckSpecChange(spec, "set of options", [](F f) { f.tcp_options.clear(); });
  CheckSpecChange(spec, "flag: FIN", [](F f) { f.flags |= kFin; });
  CheckSpecChange(spec, "flag: SYN", [](F f) { f.flags |= kSyn; });
  CheckSpecChange(spec, "flag: RST", [](F f) { f.flags |= kRst; });
  CheckSpecChange(spec, "flag: URG", [](F f) { f.flags |= kUrg; });
  CheckSpecChange(spec, "flag: ECE", [](F f) { f.flags |= kEce; });
  CheckSpecChange(spec, "flag: CWR", [](F f) { f.flags |= kCwr; });
  CheckSpecChange(spec, "flag: no ACK", [](F f) { f.flags = 0; });
  CheckSpecChange(spec, "flag: AE", [](F f) { f.reserved = 1; });
  CheckSpecChange(spec, "reserved bit", [](F f) { f.reserved = 8; });
}

// Equal flags in every frame are no reason to join either.
void CheckFlagsInAll(FrameSpec spec) {
  Random random(9);
  Coalescer coalescer(16);
  for (uint32_t flags = 0; flags < 256; ++flags) {
    if (flags == kAck) continue;
    spec.flags = static_cast<uint8_t>(flags);
    Plan plan = CheckPlan(coalescer, RulesFor(spec), Train(spec, 3, 100, random), flags);
    CHECK(plan.units == 3, "joined with flags %02x in each", flags);
  }
  spec.flags = kAck;
  spec.reserved = 1;
  CHECK(CheckPlan(coalescer, RulesFor(spec), Train(spec, 3, 100, random), 256).units == 3,
        "joined with AE in each");
}

void CheckPush(const FrameSpec& spec) {
  Random random(10);
  Coalescer coalescer(16);
  std::vector<Bytes> frames = Train(spec, 6, 100, random);
  FrameSpec push = spec;
  push.flags |= kPsh;
  push.sequence += 200;
  push.id += 2;
  frames[2] = Train(push, 1, 100, random)[0];
  Plan plan = CheckPlan(coalescer, RulesFor(spec), frames, 11);
  CHECK(plan.units == 2 && plan.Together(0, 2) && plan.Together(3, 5), "%u units around a PSH", plan.units);
}

// IPv4 ids, in frames with and without DF.
void CheckIds(FrameSpec spec) {
  Random random(12);
  Coalescer coalescer(16);
  auto units = [&](std::vector<uint16_t> ids) {
    std::vector<Bytes> frames;
    FrameSpec one = spec;
    for (uint16_t id : ids) {
      one.id = id;
      frames.push_back(Train(one, 1, 100, random)[0]);
      one.sequence += 100;
    }
    return CheckPlan(coalescer, RulesFor(spec), frames, 12).units;
  };
  for (uint16_t fragment : {0x4000, 0}) {
    bool atomic = fragment != 0;
    spec.fragment = fragment;
    CHECK(units({5, 6, 7, 8}) == 1, "ids that go up");
    CHECK(units({65534, 65535, 0, 1}) == 1, "ids that go round");
    CHECK(units({0, 0, 0, 0}) == (atomic ? 1 : 4), "ids that stay at 0");
    CHECK(units({9, 9, 9, 9}) == (atomic ? 1 : 4), "ids that stay");
    CHECK(units({9, 9, 10, 11}) == (atomic ? 2 : 2), "ids that stay, then go up");
    CHECK(units({9, 10, 10, 10}) == (atomic ? 2 : 3), "ids that go up, then stay");
    CHECK(units({9, 10, 9, 10}) == 2, "ids that go back");
    CHECK(units({9, 8, 7, 6}) == 4, "ids that go down");
  }
}

// Each bit of the middle frame flipped, with and without corrected checksums. CheckPlan splits joined frames
// again and compares, so nothing that differs can have been joined.
void CheckEveryBit(const FrameSpec& spec) {
  Random random(13);
  Coalescer coalescer(16);
  std::vector<Bytes> frames = Train(spec, 3, 40, random);
  CHECK(CheckPlan(coalescer, RulesFor(spec), frames, 0).units == 1, "three frames");
  SpecOffsets at = OffsetsOf(spec);
  const Bytes whole = frames[1];
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    frames[1] = whole;
    frames[1][bit / 8] ^= static_cast<uint8_t>(1U << bit % 8);
    Plan plan = CheckPlan(coalescer, RulesFor(spec), frames, bit);
    // Only the checksums cover the payload, so one of them was wrong there; Ethernet's is not checked.
    bool covered = bit / 8 >= at.network;
    CHECK(!plan.Together(0, 1) && (covered || !plan.Together(1, 2)), "joined with bit %zu wrong", bit);
    MendChecksums(frames[1], at, spec.version, spec.protocol);
    plan = CheckPlan(coalescer, RulesFor(spec), frames, bit);
    bool push_bit = spec.protocol == 6 && bit == 8 * (at.transport + 13) + 3;
    bool checksum = frames[1] == whole;
    bool payload = bit / 8 >= at.payload;
    if (!push_bit && !checksum && !payload) {
      CHECK(!plan.Together(0, 1), "joined with bit %zu changed", bit);
    }
  }
  // And the first frame, whose checksums are verified only when another could be joined to it.
  for (size_t at_bit = 8 * at.network; at_bit < 8 * whole.size(); ++at_bit) {
    std::vector<Bytes> bad_first = Train(spec, 3, 40, random);
    bad_first[0][at_bit / 8] ^= static_cast<uint8_t>(1U << at_bit % 8);
    Plan plan = CheckPlan(coalescer, RulesFor(spec), bad_first, at_bit);
    CHECK(!plan.Together(0, 1), "joined to a first frame with bit %zu wrong", at_bit);
    bool ports_or_addresses_hold = plan.Together(1, 2);
    CHECK(ports_or_addresses_hold, "the frames behind it were not joined: bit %zu", at_bit);
  }
}

// A frame that may belong to any flow must not be overtaken.
void CheckOrderAround(const FrameSpec& spec) {
  Random random(14);
  Coalescer coalescer(16);
  std::vector<Bytes> frames = Train(spec, 4, 100, random);
  auto together = [&](const Bytes& between) {
    std::vector<Bytes> batch = {frames[0], frames[1], between, frames[2], frames[3]};
    return CheckPlan(coalescer, RulesFor(spec), batch, 14).Together(1, 3);
  };
  FrameSpec other = spec;
  other.source_port ^= 1;
  Bytes payload(64, 1);
  auto build = [&](const FrameSpec& f) { return BuildFrame(f, payload.data(), payload.size()); };
  CHECK(together(build(other)), "another flow's frame closes this one");
  FrameSpec icmp = spec;
  icmp.protocol = spec.version == 4 ? 1 : 58;
  CHECK(together(build(icmp)), "ICMP closes a flow");
  if (spec.ethernet) {
    Bytes arp = build(spec);
    arp[OffsetsOf(spec).network - 2] = 0x08;
    arp[OffsetsOf(spec).network - 1] = 0x06;
    CHECK(together(arp), "ARP closes a flow");
  }
  FrameSpec fragment = spec;
  fragment.source_port ^= 1;
  if (spec.version == 4) {
    fragment.fragment = 0x00b9;
    CHECK(!together(build(fragment)), "overtook a fragment");
    fragment.fragment = 0x2000;
    CHECK(!together(build(fragment)), "overtook a first fragment");
  } else {
    for (uint8_t type : {0, 43, 44, 51, 60, 135, 139, 140}) {
      fragment.extensions = {Bytes(7)};
      fragment.extension_types = {type};
      CHECK(!together(build(fragment)), "overtook extension header %u", type);
    }
  }
  // Of the same flow, but not joinable: too short for its header, padded, without a payload, with options.
  Bytes cut = build(spec);
  cut.resize(OffsetsOf(spec).transport + 3);
  CHECK(!together(cut), "overtook a frame without ports");
  Bytes padded = build(spec);
  padded.resize(padded.size() + 4);
  CHECK(!together(padded), "overtook a padded frame");
  FrameSpec bare = spec;
  bare.sequence += 200;
  CHECK(!together(BuildFrame(bare, nullptr, 0)), "overtook a frame without payload");
  if (spec.version == 4) {
    FrameSpec options = spec;
    options.ip_options = {1, 1, 1, 0};
    CHECK(!together(build(options)), "overtook a frame with options");
  }
}

std::string FlowKey(const FrameSpec& spec) {
  Bytes key = spec.source;
  Put(key, spec.destination);
  Put16(key, spec.source_port);
  Put16(key, spec.destination_port);
  Put16(key, static_cast<uint32_t>(spec.protocol));
  return {key.begin(), key.end()};
}

// Random streams, interleaved, occasionally with lost, repeated, reordered or changed frames.
void CheckRandomStreams(Coalescer& coalescer, uint64_t seed) {
  Random random(seed);
  std::vector<FrameSpec> flows;
  std::vector<uint32_t> sizes;
  bool ethernet = random.OneIn(2);
  uint32_t flow_count = random.Between(1, random.OneIn(5) ? 60 : 6);
  for (uint32_t i = 0; i < flow_count; ++i) {
    FrameSpec spec = RandomSpec(random, !random.OneIn(6));
    spec.ethernet = ethernet;
    if (!ethernet) spec.vlan_tags.clear();
    flows.push_back(spec);
    sizes.push_back(random.Between(1, 1448));
  }
  std::vector<Bytes> frames;
  std::vector<std::string> keys;
  uint32_t total = random.Between(1, coalescer.max_frames());
  for (uint32_t i = 0; i < total; ++i) {
    uint32_t flow = random.Below(flow_count);
    FrameSpec& spec = flows[flow];
    uint32_t bytes = random.OneIn(12) ? random.Below(sizes[flow]) : sizes[flow];
    FrameSpec one = spec;
    if (random.OneIn(15)) one.flags |= kPsh;
    if (random.OneIn(40)) one.sequence += random.Below(3000);
    if (random.OneIn(40)) one.id = static_cast<uint16_t>(one.id + random.Below(3));
    if (random.OneIn(40)) one.ttl ^= 1;
    if (random.OneIn(60)) one.flags |= static_cast<uint8_t>(1U << random.Below(8));
    Bytes payload = RandomBytes(random, bytes);
    frames.push_back(BuildFrame(one, payload.data(), payload.size()));
    // After the ports: the flow stays the same.
    auto from = static_cast<uint32_t>(OffsetsOf(spec).transport + 4);
    auto to = static_cast<uint32_t>(frames.back().size());
    if (random.OneIn(40)) frames.back()[random.Between(from, to - 1)] ^= 4;
    keys.push_back(FlowKey(spec));
    if (random.OneIn(50)) continue;  // as if lost: the same numbers are used again
    spec.sequence += bytes;
    spec.id += 1;
  }
  CoalesceRules rules{ethernet, random.OneIn(2)};
  Plan plan = CheckPlan(coalescer, rules, frames, seed);
  // Each flow keeps its order: none of its frames is written before an earlier one.
  std::map<std::string, uint32_t> last_unit;
  for (size_t i = 0; i < frames.size(); ++i) {
    auto [entry, fresh] = last_unit.try_emplace(keys[i], plan.unit_of[i]);
    CHECK(fresh || entry->second <= plan.unit_of[i], "seed %lu: frame %zu overtakes its flow", seed, i);
    entry->second = plan.unit_of[i];
  }
}

// Super-frames that the segmenter has split, interleaved, are joined again as they were.
void CheckThereAndBack(Coalescer& coalescer, uint64_t seed) {
  Random random(seed);
  bool ethernet = random.OneIn(2);
  std::vector<std::vector<Bytes>> trains;
  uint32_t frame_count = 0;
  while (trains.size() < 4) {
    FrameSpec spec = RandomSpec(random, true);
    spec.ethernet = ethernet;
    if (!ethernet) spec.vlan_tags.clear();
    trains.push_back(Train(spec, random.Between(2, 40), random.Between(1, 1448), random));
    frame_count += static_cast<uint32_t>(trains.back().size());
  }
  std::vector<Bytes> frames;
  std::vector<size_t> train_of, taken(trains.size());
  while (frames.size() < frame_count) {
    size_t train = random.Below(static_cast<uint32_t>(trains.size()));
    if (taken[train] == trains[train].size()) continue;
    frames.push_back(trains[train][taken[train]++]);
    train_of.push_back(train);
  }
  Plan plan = CheckPlan(coalescer, {ethernet, true}, frames, seed);
  CHECK(plan.units == trains.size(), "seed %lu: %zu trains in %u units", seed, trains.size(), plan.units);
}

// Super-frames as the kernel delivers them, with every possible flag: split, mixed, joined, and split again
// (by CheckPlan, which compares). Those without special flags are joined as they were.
void CheckCutJoinedCut(Coalescer& coalescer, uint64_t seed) {
  Random random(seed);
  bool ethernet = random.OneIn(2);
  std::vector<std::vector<Bytes>> flows;
  size_t frame_count = 0, mergeable = 0;
  while (flows.size() < 4) {
    FrameSpec spec = RandomSpec(random, !random.OneIn(6));
    spec.ethernet = ethernet;
    if (!ethernet) spec.vlan_tags.clear();
    static const uint8_t kFlags[] = {kAck, kAck, kAck | kPsh, kAck | kFin | kPsh, kAck | kCwr, kAck | kEce};
    spec.flags = kFlags[random.Below(sizeof kFlags)];
    SpecOffsets at = OffsetsOf(spec);
    auto segment_bytes = static_cast<uint16_t>(random.Between(1, 1400));
    Bytes payload = RandomBytes(random, segment_bytes * random.Between(1, 30) - random.Below(segment_bytes));
    Bytes super = BuildFrame(spec, payload.data(), payload.size(), true);
    tapfd::VnetHeader header;
    header.flags = tapfd::VnetHeader::kNeedsChecksum;
    header.gso_type = spec.protocol == 17 ? tapfd::VnetHeader::kGsoUdp
                      : spec.version == 4 ? tapfd::VnetHeader::kGsoTcpV4
                                          : tapfd::VnetHeader::kGsoTcpV6;
    header.gso_size = segment_bytes;
    header.checksum_start = static_cast<uint16_t>(at.transport);
    header.checksum_offset = spec.protocol == 17 ? 6 : 16;

    tapfd::Segmenter segmenter;
    CHECK(segmenter.Begin(header, super.data(), super.size(), ethernet) == tapfd::SegmentFault::kNone,
          "seed %lu", seed);
    std::vector<Bytes> frames;
    while (!segmenter.done()) {
      Bytes memory(segmenter.room());
      uint32_t span[2];
      tapfd::Slab slab{memory.data(), memory.size(), 0};
      CHECK(segmenter.Emit(slab, span, 1) == 1, "seed %lu", seed);
      frames.push_back(memory);
    }
    bool plain = spec.ip_options.empty() && spec.extensions.empty();
    bool flagless = spec.protocol == 17 || (spec.flags & ~kPsh) == kAck;
    if (plain && flagless) mergeable += 1;
    frame_count += frames.size();
    flows.push_back(frames);
  }
  std::vector<Bytes> mixed;
  std::vector<size_t> taken(flows.size());
  while (mixed.size() < frame_count) {
    size_t flow = random.Below(static_cast<uint32_t>(flows.size()));
    if (taken[flow] < flows[flow].size()) mixed.push_back(flows[flow][taken[flow]++]);
  }
  Plan plan = CheckPlan(coalescer, {ethernet, true}, mixed, seed);
  // An extension header ends all open units, including those of other flows.
  if (mergeable == flows.size()) {
    CHECK(plan.units == flows.size(), "seed %lu: %u units", seed, plan.units);
  }
  CHECK(plan.units >= flows.size() && plan.units <= frame_count, "seed %lu: %u units", seed, plan.units);
}

// Almost as many flows as frames: sets of the table overflow, and the latest flow is still joined.
void CheckManyFlows() {
  Random random(20);
  Coalescer coalescer(256);
  FrameSpec spec;
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < 254; ++i) {
    spec.source_port = static_cast<uint16_t>(1000 + i);
    frames.push_back(Train(spec, 1, 10, random)[0]);
  }
  std::vector<Bytes> last = Train(spec, 3, 10, random);
  frames.push_back(last[1]);
  frames.push_back(last[2]);
  spec.sequence = 1;
  Plan plan = CheckPlan(coalescer, {true, false}, frames, 20);
  CHECK(plan.Together(253, 255), "the last of many flows is not joined");
  // The smallest sizes.
  for (uint32_t max : {1U, 2U, 3U}) {
    Coalescer small(max);
    CHECK(small.max_frames() == max, "%u", max);
    plan = CheckPlan(small, {true, false}, Train(FrameSpec(), max, 10, random), 21);
    CHECK(plan.units == 1, "%u frames in %u units", max, plan.units);
  }
  Coalescer none(4);
  CHECK(none.Plan({true, true}, nullptr, 0).count == 0, "nothing gives something");
}

void CheckSingleWrite() {
  uint8_t bytes[20] = {1, 2, 3};
  struct iovec frame = {bytes, sizeof bytes};
  tapfd::SingleWrite single(frame);
  Bytes whole = Gather(single.parts, 2);
  CHECK(whole.size() == 30 && whole[9] == 0 && whole[10] == 1 && whole[12] == 3, "a frame on its own");
}

}  // namespace

int main() {
  ForEachKind([](const FrameSpec& spec) {
    CheckJoins(spec);
    CheckLimits(spec);
    CheckSpecChanges(spec);
    CheckEveryBit(spec);
    CheckOrderAround(spec);
    if (spec.protocol == 6) {
      CheckPush(spec);
      CheckFlagsInAll(spec);
    }
    if (spec.version == 4) CheckIds(spec);
  });
  CheckManyFlows();
  CheckSingleWrite();
  constexpr uint64_t kStreams = 1500;
  Coalescer coalescer(256);
  Coalescer small(10);  // a table so small that its sets overflow in one stream of a hundred
  for (uint64_t seed = 1; seed <= kStreams; ++seed) {
    CheckRandomStreams(coalescer, seed);
    CheckRandomStreams(small, seed);
    CheckThereAndBack(coalescer, seed);
    CheckCutJoinedCut(coalescer, seed);
  }
  std::printf("%d kinds, %lu random streams\n", kinds_checked, kStreams);
}
