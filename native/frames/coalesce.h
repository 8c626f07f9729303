// Joins frames of one flow into super-frames before they are written, as the kernel's GRO does for a network
// card.
//
// Two frames are joined only if the kernel, splitting the joined frame again, would produce exactly the same
// two: every byte of their headers is compared, except those that splitting computes. A joined frame is
// written with its checksum left to the kernel, which then trusts it, so both checksums of each frame are
// verified before it is joined; a frame with a wrong one is written alone and unchanged.
//
// TCP segments (and UDP datagrams, if the caller says that the kernel accepts them) are joined if they are
// neighbours within their flow in the batch, and
// - they are IPv4 without options or IPv6 without extension headers, not fragments, with nothing after the
//   packet;
// - Ethernet header, VLAN tags, addresses, ports, TOS or traffic class, flow label, TTL or hop limit, and DF
//   are equal;
// - the IPv4 id increases by one each time, or stays the same in frames with DF (RFC 6864: it means nothing
//   there. The kernel splits such a frame with increasing ids);
// - TCP: sequence numbers are consecutive, acknowledgement, window, urgent pointer and options are equal byte
//   for byte, and no flag is set except ACK, and PSH on the last;
// - all payloads are of one size and none is empty; the last may be shorter.
//
// Every flow keeps its order. A frame that may belong to any flow (a fragment, an IPv6 extension header) ends
// all open super-frames.

#ifndef TAPFD_FRAMES_COALESCE_H_
#define TAPFD_FRAMES_COALESCE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "frames/candidate.h"
#include "frames/vnet_header.h"

namespace tapfd {

// What one writev(2) takes: a vnet header and one frame.
struct WriteUnit {
  static constexpr uint32_t kMaxParts = 513;     // within IOV_MAX
  static constexpr uint32_t kMaxDatagrams = 64;  // as the kernel's own UDP_GRO_CNT_MAX

  const struct iovec* parts = nullptr;  // at most kMaxParts
  uint32_t part_count = 0;
  const uint32_t* frames = nullptr;  // the numbers of its frames in the batch
  uint32_t frame_count = 0;

  bool joined() const { return frame_count > 1; }
};

struct WriteUnits {
  const WriteUnit* units = nullptr;
  uint32_t count = 0;

  const WriteUnit* begin() const { return units; }
  const WriteUnit* end() const { return units + count; }
};

// One unchanged frame behind an empty vnet header; for the frames of a joined unit that the kernel refused
// (EINVAL).
struct SingleWrite {
  explicit SingleWrite(const struct iovec& frame);
  struct iovec parts[2];
};

class Coalescer {
 public:
  // Allocates all memory: about 300 bytes per frame of the largest batch.
  explicit Coalescer(uint32_t max_frames);
  ~Coalescer();
  Coalescer(const Coalescer&) = delete;
  Coalescer& operator=(const Coalescer&) = delete;

  uint32_t max_frames() const { return max_frames_; }

  // Plans the writes for `count` frames, max_frames() at most. Each flow's frames keep their order; a unit
  // takes the place of its first frame. The result and everything it points to are valid until the next
  // Plan(). The frames are not changed, and must stay unchanged until they are written.
  WriteUnits Plan(const CoalesceRules& rules, const struct iovec* frames, uint32_t count);

 private:
  struct State;
  const uint32_t max_frames_;
  std::unique_ptr<State> state_;
};

}  // namespace tapfd

#endif  // TAPFD_FRAMES_COALESCE_H_
