// What joining must know about a frame: its flow, and whether anything in it forbids joining.

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

enum class FrameKind : uint8_t {
  kUnrelated,    // of no flow in which frames are joined: its order among others does not matter
  kUnknownFlow,  // may be of any flow
  kNotJoinable,  // of a flow, but must not be joined
  kJoinable,
};

// Offsets count from the frame's first byte.
struct Candidate {
  const uint8_t* frame = nullptr;
  uint32_t length = 0;
  FrameKind kind = FrameKind::kUnrelated;
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

// Fills in `found`, which refers to the frame. Does not verify the checksums yet.
void ReadCandidate(const CoalesceRules& rules, const struct iovec& data, Candidate& found);

// Verifies both checksums of a joinable frame.
bool ChecksumsRight(const Candidate& found);

inline bool SameFlow(const Candidate& a, const Candidate& b) {
  return a.version == b.version && a.protocol == b.protocol &&
         LoadRaw32(a.segment()) == LoadRaw32(b.segment()) &&
         std::memcmp(a.addresses(), b.addresses(), a.address_bytes()) == 0;
}

}  // namespace tapfd

#endif  // TAPFD_FRAMES_CANDIDATE_H_
