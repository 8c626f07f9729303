// Splits super-frames into the frames that the kernel would have sent, as a network card with segmentation
// offload does.
//
// The kernel delivers frames with a vnet header that says what it has left undone: a checksum, or the split
// into segments. This file does both, byte for byte as the kernel's own software would
// (net/ipv4/tcp_offload.c tcp_gso_segment, udp_offload.c __udp_gso_segment, af_inet.c inet_gso_segment,
// net/ipv6/ip6_offload.c ipv6_gso_segment).
//
// A vnet header may come from another guest by way of the kernel, so nothing in it or in the frame is
// trusted: headers are parsed, each length is checked against the frame, and any mismatch is a fault for the
// caller to count.

#ifndef TAPFD_FRAMES_SEGMENT_H_
#define TAPFD_FRAMES_SEGMENT_H_

#include <cstddef>
#include <cstdint>

#include "frames/checksum.h"
#include "frames/io.h"
#include "frames/vnet_header.h"

namespace tapfd {

enum class SegmentFault : int {
  kNone = 0,
  kGsoType = 1,   // an unsupported kind of super-frame: legacy UFO, tunnels
  kGsoSize = 2,   // segments of no bytes
  kProtocol = 3,  // contradicts the GSO type: IPv4 or IPv6, TCP or UDP, not a fragment
  kHeader = 4,    // a header extends past the frame, or is shorter than allowed
  kLength = 5,    // the length in the IP or UDP header is not the frame's
  kChecksum = 6,  // checksum_start or checksum_offset do not point to the frame's checksum
};
constexpr int kSegmentFaults = 7;

// For frames that are not super-frames (gso_type none): computes the checksum in the frame if the kernel left
// it out, and changes nothing else. A frame that is read to its final place needs no more than this.
SegmentFault CompleteChecksum(const VnetHeader& header, uint8_t* frame, size_t length);

// Splits one super-frame after another, without allocating; one Segmenter serves a device for its lifetime.
//
//     // A fault: count it, there is nothing to emit.
//     fault = segmenter.Begin(header, frame, length, ethernet);
//     while (!segmenter.done()) {
//       count += segmenter.Emit(slab, spans + 2 * count, capacity - count);
//       // Not done: the spans or the slab are full. Deliver the frames and continue with new ones.
//     }
//
// The frame must stay where it is, unchanged, until done(); it must not be in the free part of the slab.
class Segmenter {
 public:
  // `length` bytes of frame, after the vnet header. TUN: the IP packet; `ethernet`: TAP and macvtap. A frame
  // that is not a super-frame is emitted unchanged, with its checksum completed (in `frame`, then copied).
  SegmentFault Begin(const VnetHeader& header, uint8_t* frame, size_t length, bool ethernet);

  // Packs frames into the slab, each at the next multiple of 8 bytes, and their [offset, length] into
  // `spans`: as many as fit in both, `capacity` at most. Returns how many.
  uint32_t Emit(Slab& slab, uint32_t* spans, uint32_t capacity);

  bool done() const { return remaining_ == 0; }
  // Frames still to be emitted.
  uint32_t remaining() const { return remaining_; }
  // A slab with this many bytes left takes at least one more.
  size_t room() const {
    return header_bytes_ + (payload_left_ < segment_bytes_ ? payload_left_ : segment_bytes_);
  }

 private:
  SegmentFault BeginPlain(const VnetHeader& header, uint8_t* frame, size_t length);
  SegmentFault ParseIpv4(size_t length, uint8_t* protocol);
  SegmentFault ParseIpv6(size_t length, uint8_t* protocol);
  SegmentFault ParseTcp(size_t length);
  SegmentFault ParseUdp(size_t length);
  SegmentFault PrepareChecksum(const VnetHeader& header, size_t length, uint8_t protocol);

  void WriteSegment(uint8_t* to, size_t payload_bytes);
  void WriteNetworkHeader(uint8_t* packet, size_t packet_bytes);
  void WriteTcp(uint8_t* transport, size_t transport_bytes, ChecksumSum payload_sum);
  void WriteUdp(uint8_t* transport, size_t transport_bytes, ChecksumSum payload_sum);

  enum class Kind : uint8_t { kPlain, kTcp, kUdp };

  const uint8_t* frame_ = nullptr;
  size_t header_bytes_ = 0;   // everything before the payload, the same in each segment
  size_t segment_bytes_ = 0;  // payload of each segment but the last
  size_t payload_left_ = 0;
  uint32_t remaining_ = 0;
  uint32_t emitted_ = 0;

  Kind kind_ = Kind::kPlain;
  unsigned version_ = 0;
  bool has_routing_ = false;     // the checksum's destination is not the header's
  bool no_checksum_ = false;     // UDP over IPv4 without one
  size_t network_ = 0;           // offset of the IP header
  size_t transport_ = 0;         // offset of the TCP or UDP header
  ChecksumSum network_sum_ = 0;  // the IPv4 header without total length, id and checksum
  // Pseudo header and transport header without the length, the checksum and what differs between segments.
  ChecksumSum transport_sum_ = 0;
};

}  // namespace tapfd

#endif  // TAPFD_FRAMES_SEGMENT_H_
