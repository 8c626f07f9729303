// Frames of one flow into super-frames before they are written: what the kernel's GRO does for a network
// card.
//
// Two frames are joined only when the kernel, cutting the joined frame again, would make the very same two:
// every byte of their headers is compared but those that follow from the cut. A joined frame is written with
// its checksum left to the kernel, which then believes it, so both checksums of each frame are verified
// before it is joined; a frame with a wrong one goes out alone, as it is.
//
// Joined are TCP segments (and UDP datagrams where the caller says that the kernel takes them) that stand in
// the batch behind one another within their flow, when
// - they are IPv4 without options, or IPv6 without extension headers, no fragments, with nothing behind the
// packet;
// - Ethernet header, VLAN tags, addresses, ports, TOS or traffic class, flow label, TTL or hop limit, and DF
// are equal;
// - the IPv4 id goes up by one each, or stays the same in frames with DF (RFC 6864: it means nothing there.
// The kernel
//   cuts such a frame with ids that go up);
// - TCP: sequence numbers continue, acknowledgement, window, urgent pointer and options are equal byte for
// byte, and no
//   flag is set but ACK, and PSH on the last;
// - payloads are of one size, none of them empty; the last may be shorter.
// Every flow keeps its order. Whatever cannot be told to belong to no flow (a fragment, an IPv6 extension
// header) closes all that is open.

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

  const struct iovec* parts = nullptr;  // never more than kMaxParts
  uint32_t part_count = 0;
  const uint32_t* frames = nullptr;  // the numbers, in the batch, of the frames that are in it
  uint32_t frame_count = 0;

  bool joined() const { return frame_count > 1; }
};

struct WriteUnits {
  const WriteUnit* units = nullptr;
  uint32_t count = 0;

  const WriteUnit* begin() const { return units; }
  const WriteUnit* end() const { return units + count; }
};

// A frame as it is, behind an empty vnet header; for the frames of a joined unit that the kernel refused
// (EINVAL).
struct SingleWrite {
  explicit SingleWrite(const struct iovec& frame);
  struct iovec parts[2];
};

class Coalescer {
 public:
  // All memory is taken here: about 300 bytes for each frame of the largest batch.
  explicit Coalescer(uint32_t max_frames);
  ~Coalescer();
  Coalescer(const Coalescer&) = delete;
  Coalescer& operator=(const Coalescer&) = delete;

  uint32_t max_frames() const { return max_frames_; }

  // Plans the writes for `count` frames, max_frames() at most. Each flow's frames come in their order; a
  // unit stands where its first frame stood. The result, and the pieces it points to, hold until the next
  // Plan(); the frames, which are not changed, must stay as they are until they are written.
  WriteUnits Plan(const CoalesceRules& rules, const struct iovec* frames, uint32_t count);

 private:
  struct State;
  const uint32_t max_frames_;
  std::unique_ptr<State> state_;
};

}  // namespace tapfd

#endif  // TAPFD_FRAMES_COALESCE_H_
