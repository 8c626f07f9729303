#include "frames/segment.h"

#include <algorithm>

#include "frames/ip_layout.h"

namespace tapfd {

namespace {

// skb_checksum_help writes 0 as 0xffff whatever the protocol: both are zero in one's complement, and in UDP 0
// means that there is no checksum.
uint16_t NeverZero(uint16_t checksum) {
  return checksum == 0 ? 0xffff : checksum;
}

}  // namespace

SegmentFault CompleteChecksum(const VnetHeader& header, uint8_t* frame, size_t length) {
  if (header.gso_type != VnetHeader::kGsoNone) return SegmentFault::kGsoType;
  if ((header.flags & VnetHeader::kNeedsChecksum) == 0) return SegmentFault::kNone;
  size_t start = header.checksum_start;
  size_t field = start + header.checksum_offset;
  if (field + sizeof(uint16_t) > length) return SegmentFault::kChecksum;
  // The field still holds the sum of the pseudo header, and is included as such.
  uint16_t checksum = ChecksumOf(SumBytes(frame + start, length - start));
  StoreRaw16(frame + field, NeverZero(checksum));
  return SegmentFault::kNone;
}

SegmentFault Segmenter::Begin(const VnetHeader& header, uint8_t* frame, size_t length, bool ethernet) {
  *this = Segmenter();
  if (header.gso_type == VnetHeader::kGsoNone) return BeginPlain(header, frame, length);

  unsigned version = 0;  // 0: either
  uint8_t protocol = tcp::kProtocol;
  switch (header.gso_type) {
    case VnetHeader::kGsoTcpV4:
    case VnetHeader::kGsoTcpV4 | VnetHeader::kGsoEcn:
      version = 4;
      break;
    case VnetHeader::kGsoTcpV6:
    case VnetHeader::kGsoTcpV6 | VnetHeader::kGsoEcn:
      version = 6;
      break;
    case VnetHeader::kGsoUdp:
      protocol = udp::kProtocol;
      break;
    default:
      return SegmentFault::kGsoType;
  }
  if (header.gso_size == 0) return SegmentFault::kGsoSize;

  NetworkLayer network = FindNetworkLayer(frame, length, ethernet);
  if (network.version == 0 || (version != 0 && version != network.version)) return SegmentFault::kProtocol;
  frame_ = frame;
  version_ = network.version;
  network_ = network.offset;
  kind_ = protocol == tcp::kProtocol ? Kind::kTcp : Kind::kUdp;

  uint8_t found_protocol = 0;
  SegmentFault fault =
      version_ == 4 ? ParseIpv4(length, &found_protocol) : ParseIpv6(length, &found_protocol);
  if (fault != SegmentFault::kNone) return fault;
  if (found_protocol != protocol) return SegmentFault::kProtocol;
  fault = kind_ == Kind::kTcp ? ParseTcp(length) : ParseUdp(length);
  if (fault != SegmentFault::kNone) return fault;
  fault = PrepareChecksum(header, length, protocol);
  if (fault != SegmentFault::kNone) return fault;

  segment_bytes_ = header.gso_size;
  payload_left_ = length - header_bytes_;
  size_t segments = (payload_left_ + segment_bytes_ - 1) / segment_bytes_;
  // A super-frame without payload is still one frame.
  remaining_ = static_cast<uint32_t>(std::max<size_t>(segments, 1));
  return SegmentFault::kNone;
}

SegmentFault Segmenter::BeginPlain(const VnetHeader& header, uint8_t* frame, size_t length) {
  SegmentFault fault = CompleteChecksum(header, frame, length);
  if (fault != SegmentFault::kNone) return fault;
  frame_ = frame;
  header_bytes_ = length;
  remaining_ = 1;
  return SegmentFault::kNone;
}

SegmentFault Segmenter::ParseIpv4(size_t length, uint8_t* protocol) {
  const uint8_t* packet = frame_ + network_;
  size_t left = length - network_;
  size_t header_bytes = (packet[0] & 0x0f) * 4U;
  if (header_bytes < ipv4::kHeader || header_bytes > left) return SegmentFault::kHeader;
  if (Load16(packet + ipv4::kTotalLength) != left) return SegmentFault::kLength;
  if ((Load16(packet + ipv4::kFragment) & ipv4::kFragmentMask) != 0) return SegmentFault::kProtocol;
  *protocol = packet[ipv4::kProtocol];
  transport_ = network_ + header_bytes;
  network_sum_ = SumBytes(packet, header_bytes) + Negated(LoadRaw16(packet + ipv4::kTotalLength)) +
                 Negated(LoadRaw16(packet + ipv4::kId)) + Negated(LoadRaw16(packet + ipv4::kChecksum));
  return SegmentFault::kNone;
}

SegmentFault Segmenter::ParseIpv6(size_t length, uint8_t* protocol) {
  const uint8_t* packet = frame_ + network_;
  size_t left = length - network_;
  if (ipv6::kHeader + Load16(packet + ipv6::kPayloadLength) != left) return SegmentFault::kLength;
  uint8_t next = packet[ipv6::kNextHeader];
  size_t at = ipv6::kHeader;
  // The extension headers that the kernel copies into each segment.
  while (next == ipv6::kHopByHop || next == ipv6::kRouting || next == ipv6::kDestination) {
    if (left - at < ipv6::kExtensionUnit) return SegmentFault::kHeader;
    size_t bytes = (packet[at + 1] + 1U) * ipv6::kExtensionUnit;
    if (left - at < bytes) return SegmentFault::kHeader;
    has_routing_ = has_routing_ || next == ipv6::kRouting;
    next = packet[at];
    at += bytes;
  }
  *protocol = next;
  transport_ = network_ + at;
  return SegmentFault::kNone;
}

SegmentFault Segmenter::ParseTcp(size_t length) {
  if (length - transport_ < tcp::kHeader) return SegmentFault::kHeader;
  size_t header_bytes = (frame_[transport_ + tcp::kDataOffset] >> 4) * 4U;
  if (header_bytes < tcp::kHeader || header_bytes > length - transport_) return SegmentFault::kHeader;
  header_bytes_ = transport_ + header_bytes;
  return SegmentFault::kNone;
}

SegmentFault Segmenter::ParseUdp(size_t length) {
  if (length - transport_ < udp::kHeader) return SegmentFault::kHeader;
  if (Load16(frame_ + transport_ + udp::kLength) != length - transport_) return SegmentFault::kLength;
  header_bytes_ = transport_ + udp::kHeader;
  return SegmentFault::kNone;
}

SegmentFault Segmenter::PrepareChecksum(const VnetHeader& header, size_t length, uint8_t protocol) {
  const uint8_t* transport = frame_ + transport_;
  size_t offset = kind_ == Kind::kTcp ? tcp::kChecksum : udp::kChecksum;
  uint16_t field = LoadRaw16(transport + offset);
  if ((header.flags & VnetHeader::kNeedsChecksum) != 0) {
    if (header.checksum_start != transport_ || header.checksum_offset != offset)
      return SegmentFault::kChecksum;
    // The field holds the pseudo header's sum. It is taken from there, as the kernel does, and not computed:
    // after a routing header it covers another destination than the IP header's.
    transport_sum_ = field + Negated(htons(static_cast<uint16_t>(length - transport_)));
  } else if (kind_ == Kind::kUdp && version_ == 4 && field == 0) {
    no_checksum_ = true;
  } else {
    if (has_routing_) return SegmentFault::kChecksum;
    transport_sum_ = PseudoHeaderSum(frame_ + network_, version_, protocol);
  }

  if (kind_ == Kind::kTcp) {
    size_t header_bytes = header_bytes_ - transport_;
    transport_sum_ += SumHeader<4>(transport) + SumHeader<4>(transport + tcp::kAcknowledgement) +
                      LoadRaw16(transport + tcp::kWindow) +
                      SumBytes(transport + tcp::kUrgent, header_bytes - tcp::kUrgent);
  } else {
    transport_sum_ += SumHeader<4>(transport);
  }
  return SegmentFault::kNone;
}

uint32_t Segmenter::Emit(Slab& slab, uint32_t* spans, uint32_t capacity) {
  uint32_t count = 0;
  while (count < capacity && remaining_ != 0) {
    size_t payload_bytes = std::min(payload_left_, segment_bytes_);
    size_t frame_bytes = header_bytes_ + payload_bytes;
    if (slab.left() < frame_bytes) break;
    WriteSegment(slab.data + slab.used, payload_bytes);
    spans[2 * count] = static_cast<uint32_t>(slab.used);
    spans[2 * count + 1] = static_cast<uint32_t>(frame_bytes);
    ++count;
    slab.Take(frame_bytes);
    payload_left_ -= payload_bytes;
    ++emitted_;
    --remaining_;
  }
  return count;
}

void Segmenter::WriteSegment(uint8_t* to, size_t payload_bytes) {
  std::memcpy(to, frame_, header_bytes_);
  if (kind_ == Kind::kPlain) return;
  const uint8_t* payload = frame_ + header_bytes_ + emitted_ * segment_bytes_;
  ChecksumSum payload_sum = CopyAndSum(to + header_bytes_, payload, payload_bytes);
  size_t frame_bytes = header_bytes_ + payload_bytes;
  WriteNetworkHeader(to + network_, frame_bytes - network_);
  if (kind_ == Kind::kTcp) {
    WriteTcp(to + transport_, frame_bytes - transport_, payload_sum);
  } else {
    WriteUdp(to + transport_, frame_bytes - transport_, payload_sum);
  }
}

void Segmenter::WriteNetworkHeader(uint8_t* packet, size_t packet_bytes) {
  if (version_ == 6) {
    Store16(packet + ipv6::kPayloadLength, static_cast<uint16_t>(packet_bytes - ipv6::kHeader));
    return;
  }
  uint16_t total_length = htons(static_cast<uint16_t>(packet_bytes));
  // The kernel increments the id in each segment, with and without DF: the sender reserved the ids.
  uint16_t id = htons(static_cast<uint16_t>(Load16(packet + ipv4::kId) + emitted_));
  StoreRaw16(packet + ipv4::kTotalLength, total_length);
  StoreRaw16(packet + ipv4::kId, id);
  StoreRaw16(packet + ipv4::kChecksum, ChecksumOf(network_sum_ + total_length + id));
}

void Segmenter::WriteTcp(uint8_t* transport, size_t transport_bytes, ChecksumSum payload_sum) {
  auto skipped = static_cast<uint32_t>(emitted_ * segment_bytes_);
  Store32(transport + tcp::kSequence, Load32(transport + tcp::kSequence) + skipped);
  uint8_t& flags = transport[tcp::kFlags];
  if (remaining_ != 1) flags &= static_cast<uint8_t>(~(tcp::kFin | tcp::kPsh));
  if (emitted_ != 0) flags &= static_cast<uint8_t>(~tcp::kCwr);
  ChecksumSum sum = transport_sum_ + payload_sum + LoadRaw32(transport + tcp::kSequence) +
                    LoadRaw16(transport + tcp::kDataOffset) + htons(static_cast<uint16_t>(transport_bytes));
  StoreRaw16(transport + tcp::kChecksum, ChecksumOf(sum));
}

void Segmenter::WriteUdp(uint8_t* transport, size_t transport_bytes, ChecksumSum payload_sum) {
  uint16_t length = htons(static_cast<uint16_t>(transport_bytes));
  StoreRaw16(transport + udp::kLength, length);
  if (no_checksum_) return;
  // Once in the header, once in the pseudo header.
  ChecksumSum sum = transport_sum_ + payload_sum + length + length;
  StoreRaw16(transport + udp::kChecksum, NeverZero(ChecksumOf(sum)));
}

}  // namespace tapfd
