// Finding out what an open descriptor is, and taking it over.

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

// Finds out what a descriptor is and makes it ready, without closing it: `fd` stays the caller's until all is
// well.
Result<AdoptedQueue> AdoptQueue(int fd, const AdoptSettings& settings);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_ADOPT_FD_H_
