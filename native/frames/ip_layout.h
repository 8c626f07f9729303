// The layout of Ethernet, IPv4, IPv6, TCP and UDP headers, and loads and stores that need no alignment. The
// caller has checked that the header is complete.

#ifndef TAPFD_FRAMES_IP_LAYOUT_H_
#define TAPFD_FRAMES_IP_LAYOUT_H_

#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "frames/checksum.h"

namespace tapfd {

namespace ethernet {
constexpr size_t kHeader = 14;
constexpr size_t kType = 12;
constexpr size_t kVlanTag = 4;
constexpr size_t kMaxVlanTags = 7;  // the kernel gives up at the eighth (if_vlan.h VLAN_MAX_DEPTH)
constexpr uint16_t kIpv4 = 0x0800;
constexpr uint16_t kIpv6 = 0x86dd;
constexpr uint16_t kVlan = 0x8100;
constexpr uint16_t kServiceVlan = 0x88a8;
}  // namespace ethernet

constexpr size_t kMaxPacketBytes = 65535;  // of IPv4, and of IPv6 without jumbograms

namespace ipv4 {
constexpr size_t kHeader = 20;  // without options
constexpr size_t kTotalLength = 2;
constexpr size_t kId = 4;
constexpr size_t kFragment = 6;
constexpr size_t kProtocol = 9;
constexpr size_t kChecksum = 10;
constexpr size_t kAddresses = 12;
constexpr size_t kAddressBytes = 8;  // source and destination
constexpr uint16_t kDontFragment = 0x4000;
constexpr uint16_t kFragmentMask = 0x3fff;  // more fragments, and the offset
}  // namespace ipv4

namespace ipv6 {
constexpr size_t kHeader = 40;
constexpr size_t kPayloadLength = 4;
constexpr size_t kNextHeader = 6;
constexpr size_t kAddresses = 8;
constexpr size_t kAddressBytes = 32;
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kDestination = 60;
constexpr uint8_t kMobility = 135;
constexpr uint8_t kHostIdentity = 139;
constexpr uint8_t kShim6 = 140;
constexpr size_t kExtensionUnit = 8;  // an extension header is (its second byte + 1) times as long
}  // namespace ipv6

namespace tcp {
constexpr uint8_t kProtocol = 6;
constexpr size_t kHeader = 20;  // without options
constexpr size_t kMaxHeader = 60;
constexpr size_t kSequence = 4;
constexpr size_t kAcknowledgement = 8;
constexpr size_t kDataOffset = 12;
constexpr size_t kFlags = 13;
constexpr size_t kWindow = 14;
constexpr size_t kChecksum = 16;
constexpr size_t kUrgent = 18;
constexpr uint8_t kFin = 0x01;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kAck = 0x10;
constexpr uint8_t kCwr = 0x80;
}  // namespace tcp

namespace udp {
constexpr uint8_t kProtocol = 17;
constexpr size_t kHeader = 8;
constexpr size_t kLength = 4;
constexpr size_t kChecksum = 6;
}  // namespace udp

inline uint16_t LoadRaw16(const uint8_t* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
inline uint32_t LoadRaw32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
inline uint64_t LoadRaw64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
inline void StoreRaw16(uint8_t* at, uint16_t value) {
  std::memcpy(at, &value, sizeof value);
}
inline void StoreRaw32(uint8_t* at, uint32_t value) {
  std::memcpy(at, &value, sizeof value);
}

inline uint16_t Load16(const uint8_t* at) {
  return ntohs(LoadRaw16(at));
}
inline uint32_t Load32(const uint8_t* at) {
  return ntohl(LoadRaw32(at));
}
inline void Store16(uint8_t* at, uint16_t value) {
  StoreRaw16(at, htons(value));
}
inline void Store32(uint8_t* at, uint32_t value) {
  StoreRaw32(at, htonl(value));
}

// The offset of an Ethernet frame's type, after its VLAN tags. If the frame ends within a tag, the type
// is that tag's own.
inline size_t FindEtherType(const uint8_t* frame, size_t length) {
  size_t at = ethernet::kType;
  for (size_t tags = 0; tags < ethernet::kMaxVlanTags; ++tags) {
    uint16_t type = Load16(frame + at);
    if (type != ethernet::kVlan && type != ethernet::kServiceVlan) break;
    if (length < at + ethernet::kVlanTag + 2) break;
    at += ethernet::kVlanTag;
  }
  return at;
}

// Where the network layer begins, and its IP version: 4, 6, or 0 for neither. If the version is not 0, at
// least that version's header without options is there.
struct NetworkLayer {
  size_t offset = 0;
  unsigned version = 0;
};

inline NetworkLayer FindNetworkLayer(const uint8_t* frame, size_t length, bool is_ethernet) {
  NetworkLayer network;
  unsigned version_by_type = 0;
  if (is_ethernet) {
    if (length < ethernet::kHeader) return network;
    size_t type_at = FindEtherType(frame, length);
    uint16_t type = Load16(frame + type_at);
    network.offset = type_at + 2;
    version_by_type = type == ethernet::kIpv4 ? 4 : type == ethernet::kIpv6 ? 6 : 0;
    if (version_by_type == 0) return network;
  }
  size_t left = length - network.offset;
  if (left < ipv4::kHeader) return network;
  unsigned version = frame[network.offset] >> 4;
  if (is_ethernet && version != version_by_type) return network;
  if (version == 4 || (version == 6 && left >= ipv6::kHeader)) network.version = version;
  return network;
}

// The pseudo header of TCP and UDP (RFC 9293 3.1, RFC 8200 8.1) without the length. `packet` begins with its
// IP header.
inline ChecksumSum PseudoHeaderSum(const uint8_t* packet, unsigned version, uint8_t protocol) {
  ChecksumSum addresses = version == 4 ? SumHeader<ipv4::kAddressBytes>(packet + ipv4::kAddresses)
                                       : SumHeader<ipv6::kAddressBytes>(packet + ipv6::kAddresses);
  return addresses + htons(protocol);
}

}  // namespace tapfd

#endif  // TAPFD_FRAMES_IP_LAYOUT_H_
