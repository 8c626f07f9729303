// Which offloads a TUN or TAP device has. There is no ioctl that reads them, but the driver shows them as
// features of the interface (tun.c set_offload), and ethtool reads those without privilege.

#ifndef TAPFD_DEVICES_LINK_OFFLOAD_H_
#define TAPFD_DEVICES_LINK_OFFLOAD_H_

#include <optional>
#include <string>

namespace tapfd {

// linux/if_tun.h TUN_F_USO4, TUN_F_USO6, newer than some build systems' headers.
constexpr unsigned kOffloadUso4 = 0x20;
constexpr unsigned kOffloadUso6 = 0x40;

// The TUN_F_* mask of the interface in the calling thread's namespace; nullopt if it cannot be read.
std::optional<unsigned> GetDeviceOffload(const std::string& name);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_LINK_OFFLOAD_H_
