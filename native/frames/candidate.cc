#include "frames/candidate.h"

#include "frames/checksum.h"

namespace tapfd {

namespace {

bool IsExtensionHeader(uint8_t next) {
  switch (next) {
    case ipv6::kHopByHop:
    case ipv6::kRouting:
    case ipv6::kFragment:
    case ipv6::kAuthentication:
    case ipv6::kDestination:
    case ipv6::kMobility:
    case ipv6::kHostIdentity:
    case ipv6::kShim6:
      return true;
    default:
      return false;
  }
}

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
  return hash ^ (hash >> 32);
}

uint64_t FlowHash(const Candidate& found) {
  uint64_t hash = Mix(found.protocol, LoadRaw32(found.segment()));  // both ports
  const uint8_t* addresses = found.addresses();
  for (size_t at = 0; at < found.address_bytes(); at += 8) hash = Mix(hash, LoadRaw64(addresses + at));
  return hash;
}

bool IsJoinableTcp(Candidate& found) {
  uint32_t segment_bytes = found.length - found.transport;
  if (segment_bytes < tcp::kHeader) return false;
  const uint8_t* segment = found.segment();
  uint32_t header_bytes = (segment[tcp::kDataOffset] >> 4) * 4U;
  if (header_bytes < tcp::kHeader || header_bytes >= segment_bytes) return false;
  if ((segment[tcp::kDataOffset] & 0x0f) != 0) return false;  // reserved bits, and the ninth flag
  uint8_t flags = segment[tcp::kFlags];
  found.push = (flags & tcp::kPsh) != 0;
  found.payload = found.transport + header_bytes;
  return (flags & ~tcp::kPsh) == tcp::kAck;
}

bool IsJoinableUdp(Candidate& found) {
  uint32_t segment_bytes = found.length - found.transport;
  if (segment_bytes <= udp::kHeader) return false;
  const uint8_t* segment = found.segment();
  found.payload = found.transport + udp::kHeader;
  // Without a checksum nothing proves that the payload is intact.
  return Load16(segment + udp::kLength) == segment_bytes && LoadRaw16(segment + udp::kChecksum) != 0;
}

// `plain`: nothing in the network header forbids joining.
void ReadTransport(Candidate& found, bool plain) {
  constexpr uint32_t kPorts = 4;
  if (found.length - found.transport < kPorts) {
    found.kind = FrameKind::kUnknownFlow;
    return;
  }
  found.hash = FlowHash(found);
  bool joinable = plain && (found.protocol == tcp::kProtocol ? IsJoinableTcp(found) : IsJoinableUdp(found));
  found.kind = joinable ? FrameKind::kJoinable : FrameKind::kNotJoinable;
}

bool MayJoin(const CoalesceRules& rules, uint8_t protocol) {
  return protocol == tcp::kProtocol || (protocol == udp::kProtocol && rules.udp);
}

void ReadIpv4(const CoalesceRules& rules, Candidate& found) {
  const uint8_t* packet = found.packet();
  found.protocol = packet[ipv4::kProtocol];
  if (!MayJoin(rules, found.protocol)) return;
  uint32_t packet_bytes = found.length - found.network;
  uint32_t header_bytes = (packet[0] & 0x0f) * 4U;
  uint16_t fragment = Load16(packet + ipv4::kFragment);
  // A fragment may have no ports.
  if ((fragment & ipv4::kFragmentMask) != 0 || header_bytes < ipv4::kHeader || header_bytes > packet_bytes) {
    found.kind = FrameKind::kUnknownFlow;
    return;
  }
  found.transport = found.network + header_bytes;
  bool plain = header_bytes == ipv4::kHeader && Load16(packet + ipv4::kTotalLength) == packet_bytes &&
               (fragment & ~ipv4::kDontFragment) == 0;
  ReadTransport(found, plain);
}

void ReadIpv6(const CoalesceRules& rules, Candidate& found) {
  const uint8_t* packet = found.packet();
  found.protocol = packet[ipv6::kNextHeader];
  if (IsExtensionHeader(found.protocol)) {
    found.kind = FrameKind::kUnknownFlow;
    return;
  }
  if (!MayJoin(rules, found.protocol)) return;
  found.transport = found.network + ipv6::kHeader;
  ReadTransport(found, found.transport + Load16(packet + ipv6::kPayloadLength) == found.length);
}

}  // namespace

void ReadCandidate(const CoalesceRules& rules, const struct iovec& data, Candidate& found) {
  found = Candidate();
  found.frame = static_cast<const uint8_t*>(data.iov_base);
  found.length = static_cast<uint32_t>(data.iov_len);
  NetworkLayer network = FindNetworkLayer(found.frame, found.length, rules.ethernet);
  found.network = static_cast<uint32_t>(network.offset);
  found.version = static_cast<uint8_t>(network.version);
  if (found.version == 4) ReadIpv4(rules, found);
  if (found.version == 6) ReadIpv6(rules, found);
}

bool ChecksumsRight(const Candidate& found) {
  constexpr uint16_t kRight = 0xffff;
  if (found.version == 4 && FoldSum(SumHeader<ipv4::kHeader>(found.packet())) != kRight) return false;
  size_t segment_bytes = found.length - found.transport;
  ChecksumSum sum = PseudoHeaderSum(found.packet(), found.version, found.protocol) +
                    htons(static_cast<uint16_t>(segment_bytes)) + SumBytes(found.segment(), segment_bytes);
  return FoldSum(sum) == kRight;
}

}  // namespace tapfd
