// Builds frames byte by byte from a specification, sharing no code with native/: the reference for the code
// under test.

#ifndef TAPFD_TEST_FRAME_BUILDER_H_
#define TAPFD_TEST_FRAME_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "../check.h"

using Bytes = std::vector<uint8_t>;

constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32, kEce = 64, kCwr = 128;

// Everything in a frame but payload, lengths and checksums.
struct FrameSpec {
  bool ethernet = true;
  Bytes macs = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
  Bytes vlan_tags;  // 4 bytes each
  int version = 4;
  Bytes source = {10, 0, 0, 1}, destination = {10, 0, 0, 2};
  uint8_t tos = 0;
  uint32_t flow_label = 0;
  uint8_t ttl = 64;
  uint16_t id = 1;
  uint16_t fragment = 0x4000;
  Bytes ip_options;  // IPv4; a multiple of 4
  // IPv6: extension headers without their first byte, which is filled in. Their types are in
  // `extension_types`.
  std::vector<Bytes> extensions;
  Bytes extension_types;
  Bytes final_destination;  // IPv6 after a routing header: the address that the checksum covers; empty:
                            // `destination`

  int protocol = 6;
  uint16_t source_port = 1000, destination_port = 2000;
  uint32_t sequence = 1, acknowledgement = 7;
  uint8_t reserved = 0;  // low half of the byte of the data offset
  uint8_t flags = kAck;
  uint16_t window = 500, urgent = 0;
  Bytes tcp_options;  // a multiple of 4
  bool udp_checksum = true;
};

struct SpecOffsets {
  size_t network, transport, payload;
};

inline void Put16(Bytes& to, uint32_t value) {
  to.push_back(static_cast<uint8_t>(value >> 8));
  to.push_back(static_cast<uint8_t>(value));
}
inline void Put32(Bytes& to, uint32_t value) {
  Put16(to, value >> 16);
  Put16(to, value & 0xffff);
}
inline void Put(Bytes& to, const Bytes& bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

// Literally as in RFC 1071, in network order.
inline uint16_t PlainSum(const uint8_t* data, size_t length, uint32_t sum = 0) {
  for (size_t i = 0; i < length; ++i) {
    sum += i % 2 == 0 ? static_cast<uint32_t>(data[i]) << 8 : data[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

inline SpecOffsets OffsetsOf(const FrameSpec& spec) {
  SpecOffsets at{};
  at.network = spec.ethernet ? 14 + spec.vlan_tags.size() : 0;
  at.transport = at.network + (spec.version == 4 ? 20 + spec.ip_options.size() : 40);
  for (const Bytes& extension : spec.extensions) at.transport += extension.size() + 1;
  at.payload = at.transport + (spec.protocol == 6 ? 20 + spec.tcp_options.size() : 8);
  return at;
}

inline uint16_t PseudoSum(const FrameSpec& spec, size_t transport_bytes) {
  Bytes pseudo = spec.source;
  Put(pseudo, spec.final_destination.empty() ? spec.destination : spec.final_destination);
  Put32(pseudo, static_cast<uint32_t>(transport_bytes));
  Put32(pseudo, static_cast<uint32_t>(spec.protocol));
  return PlainSum(pseudo.data(), pseudo.size());
}

inline Bytes NetworkHeader(const FrameSpec& spec, size_t transport_bytes) {
  Bytes out;
  auto protocol = static_cast<uint8_t>(spec.protocol);
  if (spec.version == 4) {
    size_t header_bytes = 20 + spec.ip_options.size();
    out.push_back(static_cast<uint8_t>(0x40 | header_bytes / 4));
    out.push_back(spec.tos);
    Put16(out, static_cast<uint32_t>(header_bytes + transport_bytes));
    Put16(out, spec.id);
    Put16(out, spec.fragment);
    out.push_back(spec.ttl);
    out.push_back(protocol);
    Put16(out, 0);
    Put(out, spec.source);
    Put(out, spec.destination);
    Put(out, spec.ip_options);
    auto checksum = static_cast<uint16_t>(~PlainSum(out.data(), out.size()));
    out[10] = static_cast<uint8_t>(checksum >> 8);
    out[11] = static_cast<uint8_t>(checksum);
    return out;
  }
  size_t extension_bytes = 0;
  for (const Bytes& extension : spec.extensions) extension_bytes += extension.size() + 1;
  Put32(out, 6U << 28 | static_cast<uint32_t>(spec.tos) << 20 | spec.flow_label);
  Put16(out, static_cast<uint32_t>(extension_bytes + transport_bytes));
  out.push_back(spec.extensions.empty() ? protocol : spec.extension_types[0]);
  out.push_back(spec.ttl);
  Put(out, spec.source);
  Put(out, spec.destination);
  for (size_t i = 0; i < spec.extensions.size(); ++i) {
    bool last = i + 1 == spec.extensions.size();
    out.push_back(last ? protocol : spec.extension_types[i + 1]);
    Put(out, spec.extensions[i]);
  }
  return out;
}

// Without its checksum.
inline Bytes TransportHeader(const FrameSpec& spec, size_t payload_bytes) {
  Bytes out;
  Put16(out, spec.source_port);
  Put16(out, spec.destination_port);
  if (spec.protocol == 6) {
    Put32(out, spec.sequence);
    Put32(out, spec.acknowledgement);
    out.push_back(static_cast<uint8_t>((20 + spec.tcp_options.size()) / 4 << 4 | spec.reserved));
    out.push_back(spec.flags);
    Put16(out, spec.window);
    Put16(out, 0);
    Put16(out, spec.urgent);
    Put(out, spec.tcp_options);
  } else {
    Put16(out, static_cast<uint32_t>(8 + payload_bytes));
    Put16(out, 0);
  }
  return out;
}

// `partial`: the checksum field holds only the sum of the pseudo header, as in a frame with NEEDS_CSUM.
inline Bytes BuildFrame(const FrameSpec& spec, const uint8_t* payload, size_t payload_bytes,
                        bool partial = false) {
  Bytes transport = TransportHeader(spec, payload_bytes);
  size_t checksum_at = spec.protocol == 6 ? 16 : 6;
  transport.insert(transport.end(), payload, payload + payload_bytes);
  uint16_t checksum = PseudoSum(spec, transport.size());
  if (!partial) {
    checksum = static_cast<uint16_t>(~PlainSum(transport.data(), transport.size(), checksum));
    if (spec.protocol == 17 && checksum == 0) checksum = 0xffff;
  }
  if (spec.protocol == 17 && !spec.udp_checksum) checksum = 0;
  transport[checksum_at] = static_cast<uint8_t>(checksum >> 8);
  transport[checksum_at + 1] = static_cast<uint8_t>(checksum);

  Bytes frame;
  if (spec.ethernet) {
    Put(frame, spec.macs);
    Put(frame, spec.vlan_tags);
    Put16(frame, spec.version == 4 ? 0x0800 : 0x86dd);
  }
  Put(frame, NetworkHeader(spec, transport.size()));
  Put(frame, transport);
  return frame;
}

inline Bytes RandomBytes(Random& random, size_t length) {
  Bytes out(length);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random.Next());
  return out;
}

// Corrects the checksums of a frame after its bytes were changed, at the offsets of its original headers.
inline void MendChecksums(Bytes& frame, const SpecOffsets& at, int version, int protocol) {
  if (version == 4) {
    size_t header_bytes = at.transport - at.network;
    frame[at.network + 10] = frame[at.network + 11] = 0;
    auto checksum = static_cast<uint16_t>(~PlainSum(&frame[at.network], header_bytes));
    frame[at.network + 10] = static_cast<uint8_t>(checksum >> 8);
    frame[at.network + 11] = static_cast<uint8_t>(checksum);
  }
  size_t transport_bytes = frame.size() - at.transport;
  size_t field = at.transport + (protocol == 6 ? 16 : 6);
  frame[field] = frame[field + 1] = 0;
  size_t addresses = at.network + (version == 4 ? 12 : 8);
  uint32_t sum = PlainSum(&frame[addresses], version == 4 ? 8 : 32);
  sum = PlainSum(&frame[at.transport], transport_bytes,
                 sum + static_cast<uint32_t>(transport_bytes + protocol));
  auto checksum = static_cast<uint16_t>(~sum);
  if (protocol == 17 && checksum == 0) checksum = 0xffff;
  frame[field] = static_cast<uint8_t>(checksum >> 8);
  frame[field + 1] = static_cast<uint8_t>(checksum);
}

#endif  // TAPFD_TEST_FRAME_BUILDER_H_
