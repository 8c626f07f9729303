// Random frames of the kinds that the kernel delivers.

#ifndef TAPFD_TEST_RANDOM_SPEC_H_
#define TAPFD_TEST_RANDOM_SPEC_H_

#include "frame_builder.h"
#include "frames/ip_layout.h"

inline void AddRandomExtensions(Random& random, FrameSpec& spec) {
  static const uint8_t kTypes[] = {0, 43, 60};
  uint32_t count = random.Below(4);
  for (uint32_t i = 0; i < count; ++i) {
    auto units = random.Below(3);
    Bytes extension = RandomBytes(random, 8 * (units + 1) - 1);
    extension[0] = static_cast<uint8_t>(units);
    uint8_t type = kTypes[random.Below(3)];
    // After a routing header, the checksum may cover another address than the IP header's.
    if (type == 43) spec.final_destination = RandomBytes(random, 16);
    spec.extensions.push_back(extension);
    spec.extension_types.push_back(type);
  }
}

// `plain`: without IPv4 options and IPv6 extension headers.
inline FrameSpec RandomSpec(Random& random, bool plain) {
  FrameSpec spec;
  spec.ethernet = !random.OneIn(3);
  spec.macs = RandomBytes(random, 12);
  uint32_t tags =
      random.OneIn(2) ? 0 : random.Between(1, random.OneIn(3) ? tapfd::ethernet::kMaxVlanTags : 2);
  for (uint32_t i = 0; i < tags && spec.ethernet; ++i) {
    Put16(spec.vlan_tags, random.OneIn(2) ? 0x8100 : 0x88a8);
    Put16(spec.vlan_tags, random.Below(65536));
  }
  spec.version = random.OneIn(2) ? 4 : 6;
  spec.source = RandomBytes(random, spec.version == 4 ? 4 : 16);
  spec.destination = RandomBytes(random, spec.version == 4 ? 4 : 16);
  spec.tos = static_cast<uint8_t>(random.Next());
  spec.flow_label = random.Below(1U << 20);
  spec.ttl = static_cast<uint8_t>(random.Between(1, 255));
  spec.id = static_cast<uint16_t>(random.OneIn(4) ? 65530 : random.Next());
  spec.fragment = random.OneIn(2) ? 0x4000 : 0;
  if (!plain && spec.version == 4) spec.ip_options = RandomBytes(random, 4 * random.Below(11));
  if (!plain && spec.version == 6) AddRandomExtensions(random, spec);
  spec.protocol = random.OneIn(3) ? 17 : 6;
  spec.source_port = static_cast<uint16_t>(random.Next());
  spec.destination_port = static_cast<uint16_t>(random.Next());
  spec.sequence = random.OneIn(4) ? 0xffffff00U : static_cast<uint32_t>(random.Next());
  spec.acknowledgement = static_cast<uint32_t>(random.Next());
  spec.window = static_cast<uint16_t>(random.Next());
  spec.tcp_options = RandomBytes(random, 4 * random.Below(11));
  return spec;
}

#endif  // TAPFD_TEST_RANDOM_SPEC_H_
