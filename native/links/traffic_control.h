// Shaping what a link sends (tc-tbf(8)).

#ifndef TAPFD_LINKS_TRAFFIC_CONTROL_H_
#define TAPFD_LINKS_TRAFFIC_CONTROL_H_

#include <cstdint>

#include "links/rtnl/socket.h"
#include "sys/result.h"

namespace tapfd {

// A token bucket: what comes faster waits in a queue of `limit_bytes`, and is dropped beyond that.
struct Shape {
  uint64_t bytes_per_second;
  uint32_t burst_bytes;
  uint32_t limit_bytes;
};

// Replaces what the link has.
Status ShapeLink(RtnlSocket& socket, int index, const Shape& shape);
// Back to the kernel's own choice. ENOENT: it has no other.
Status UnshapeLink(RtnlSocket& socket, int index);

}  // namespace tapfd

#endif  // TAPFD_LINKS_TRAFFIC_CONTROL_H_
