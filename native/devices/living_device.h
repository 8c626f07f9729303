// A TUN or TAP device that others hold open. For them TUNSETIFF ignores the flags of a further open and
// succeeds, and the vnet header's size, the offloads and the send buffer are the device's: they are read
// back, and an open that contradicts them is refused instead of misreading every frame.

#ifndef TAPFD_DEVICES_LIVING_DEVICE_H_
#define TAPFD_DEVICES_LIVING_DEVICE_H_

#include <optional>

#include "devices/open_tap.h"

namespace tapfd {

// Whether the device had queues beside `own`, attached or not. The kernel counts those of multi-queue devices
// only; of another device there can be no second queue.
bool IsLiving(const Link& link, unsigned own);

// ERR_TAPFD_DEVICE_DIFFERS if a queue opened with `settings` would not get what it asks for. `offload` is the
// device's, where it is known and matters.
Status CheckFits(const Link& link, const TapSettings& settings, std::optional<unsigned> offload);
// The same for the size of the vnet header, which only a queue of the device can ask for.
Status CheckVnetHeaderBytes(int fd, int expected);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_LIVING_DEVICE_H_
