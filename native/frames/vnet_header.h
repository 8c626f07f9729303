// struct virtio_net_hdr (linux/virtio_net.h): what a device with IFF_VNET_HDR puts in front of each frame.

#ifndef TAPFD_FRAMES_VNET_HEADER_H_
#define TAPFD_FRAMES_VNET_HEADER_H_

#include <cstddef>
#include <cstdint>

namespace tapfd {

// The numbers are in this machine's byte order: the legacy layout, which holds until TUNSETVNETLE or
// TUNSETVNETBE says otherwise. With TUNSETVNETHDRSZ above 10, the kernel appends further bytes.
struct VnetHeader {
  static constexpr uint8_t kNeedsChecksum = 1;  // flags: the checksum is still to be computed
  static constexpr uint8_t kDataValid = 2;      // flags: the checksum was verified

  static constexpr uint8_t kGsoNone = 0;
  static constexpr uint8_t kGsoTcpV4 = 1;
  static constexpr uint8_t kGsoUdpFragments = 3;  // legacy UFO
  static constexpr uint8_t kGsoTcpV6 = 4;
  static constexpr uint8_t kGsoUdp = 5;     // VIRTIO_NET_HDR_GSO_UDP_L4, Linux 6.2
  static constexpr uint8_t kGsoEcn = 0x80;  // with a TCP type: only the first segment carries CWR

  uint8_t flags = 0;
  uint8_t gso_type = kGsoNone;
  uint16_t header_length = 0;  // a hint, and not always correct
  uint16_t gso_size = 0;       // payload bytes in each segment but the last
  uint16_t checksum_start = 0;
  uint16_t checksum_offset = 0;  // counted from checksum_start
};
static_assert(sizeof(VnetHeader) == 10 && alignof(VnetHeader) == 2, "the kernel's layout");

}  // namespace tapfd

#endif  // TAPFD_FRAMES_VNET_HEADER_H_
