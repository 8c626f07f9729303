// What joining must know of a frame: the flow it belongs to, and whether anything in it forbids joining.

#ifndef TAPFD_FRAMES_CANDIDATE_H_
#define TAPFD_FRAMES_CANDIDATE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "frames/ip_layout.h"

namespace tapfd {

struct CoalesceRules {
  bool ethernet = true;  // TAP and macvtap; false: TUN
  bool udp = false;      // join UDP too: the device was granted USO, so this kernel knows such super-frames
};

enum class Bearing : uint8_t {
  kNone,     // of no flow that frames are joined in: may be overtaken by any, and overtake any
  kUnknown,  // may be of any flow
  kAlone,    // of a flow, but not to be joined
  kJoinable,
};

// What was found in a frame. Offsets count from its first byte.
struct Candidate {
  const uint8_t* frame = nullptr;
  uint32_t length = 0;
  Bearing bearing = Bearing::kNone;
  uint8_t version = 0;
  uint8_t protocol = 0;
  bool push = false;
  uint32_t network = 0;
  uint32_t transport = 0;
  uint32_t payload = 0;
  uint64_t hash = 0;  // of addresses and ports

  const uint8_t* packet() const { return frame + network; }
  const uint8_t* segment() const { return frame + transport; }
  uint32_t payload_bytes() const { return length - payload; }
  size_t address_bytes() const { return version == 4 ? ipv4::kAddressBytes : ipv6::kAddressBytes; }
  const uint8_t* addresses() const { return packet() + (version == 4 ? ipv4::kAddresses : ipv6::kAddresses); }
};

// Fills in a Candidate where it is to stay. It refers to the frame, whose checksums are not verified yet.
void ReadCandidate(const CoalesceRules& rules, const struct iovec& data, Candidate& found);

// Both checksums of a joinable frame.
bool ChecksumsRight(const Candidate& found);

inline bool SameFlow(const Candidate& a, const Candidate& b) {
  return a.version == b.version && a.protocol == b.protocol &&
         LoadRaw32(a.segment()) == LoadRaw32(b.segment()) &&
         std::memcmp(a.addresses(), b.addresses(), a.address_bytes()) == 0;
}

}  // namespace tapfd

#endif  // TAPFD_FRAMES_CANDIDATE_H_
