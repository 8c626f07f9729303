// Identifies an open descriptor and takes it over.

#ifndef TAPFD_DEVICES_ADOPT_FD_H_
#define TAPFD_DEVICES_ADOPT_FD_H_

#include <optional>

#include "devices/open_tap.h"

namespace tapfd {

enum class DeviceKind { kTap, kTun, kMacvtap };

struct AdoptedQueue {
  DeviceKind kind;
  OpenedQueue opened;
};

struct AdoptSettings {
  std::optional<bool> vnet_header;
  std::optional<MacAddress> guest_mac;
};

// Identifies a descriptor and sets it up. It never closes `fd`, which stays the caller's until the call
// succeeds.
Result<AdoptedQueue> AdoptQueue(int fd, const AdoptSettings& settings);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_ADOPT_FD_H_
