// Identifies an open descriptor and takes it over.

#ifndef TAPFD_DEVICES_ADOPT_FD_H_
#define TAPFD_DEVICES_ADOPT_FD_H_

#include <optional>
#include <string>

#include "devices/open_tap.h"

namespace tapfd {

enum class DeviceKind { kTap, kTun, kMacvtap };
// "tap", "tun", "macvtap".
const char* KindName(DeviceKind kind);

struct AdoptedQueue {
  DeviceKind kind;
  OpenedQueue opened;
};

struct AdoptSettings {
  std::optional<bool> vnet_header;
  bool segment = false;  // splitting and joining work with a vnet header of 10 bytes only
  std::optional<MacAddress> guest_mac;
  // What the caller takes the descriptor for; empty and unset: anything.
  std::string expected_kind, expected_name;
  std::optional<MacAddress> expected_mac;
  std::optional<int> expected_vnet_header_bytes;
};

// Identifies a descriptor and checks whether it can be set up as requested. Changes nothing, and never closes
// `fd`, which stays the caller's. Where the vnet header of a macvtap is to be switched, its size is that from
// then on, and the flags are still those from before.
Result<AdoptedQueue> AdoptQueue(int fd, const AdoptSettings& settings);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_ADOPT_FD_H_
