// The ioctls of tun.c and tap.c, one function each. What works on which kind: docs/kernel.md.

#ifndef TAPFD_DEVICES_TUN_IOCTL_H_
#define TAPFD_DEVICES_TUN_IOCTL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/mac_address.h"
#include "sys/result.h"

namespace tapfd {

// The largest send buffer, which a new TUN or TAP queue has.
constexpr int kMaxSendBuffer = 0x7fffffff;

struct AttachedInterface {
  std::string name;
  unsigned flags = 0;  // IFF_TUN, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE, IFF_DETACH_QUEUE, …
};

// TUNGETFEATURES: the IFF_* flags this driver knows.
Result<unsigned> GetFeatures(int fd);
// TUNGETIFF. EBADFD (tun) or ENOLINK (macvtap) when there is no device behind the descriptor.
Result<AttachedInterface> GetInterface(int fd);
// TUNSETIFF, and the name read back: the kernel resolves %d. A name that does not fit is refused, never
// truncated.
Result<AttachedInterface> SetInterface(int fd, const std::string& name, unsigned flags);

Status SetPersist(int fd, bool persist);
Status SetOwner(int fd, uint32_t uid);
Status SetGroup(int fd, uint32_t gid);
Status SetCarrier(int fd, bool carrier);
Status SetSendBuffer(int fd, int bytes);
// Returns the flags. A macvtap queue's can change at any time; those of TUN and TAP are fixed with TUNSETIFF.
Result<unsigned> SetMacvtapVnetHeader(int fd, bool on);
Result<int> GetVnetHeaderBytes(int fd);
Status SetVnetHeaderBytes(int fd, int bytes);
Status SetOffload(int fd, unsigned mask);
// Tries the masks in turn and returns the first that the kernel grants. EINVAL only rejects one mask.
Result<unsigned> NegotiateOffload(int fd, const std::vector<unsigned>& masks);
// TUNDETACHFILTER, TAP only: removes the classic socket filter that every later queue would get.
Status DetachSocketFilter(int fd);
// TUNSETQUEUE: pause or resume the queue's part in the device's traffic.
Status SetQueueAttached(int fd, bool attached);
// TUNSETTXFILTER, TAP only: which destinations reach the reader. More than 8 unicast addresses would switch
// the filter off silently (tun.c update_filter), so the caller refuses them.
Status SetTxFilter(int fd, bool all_multicast, const std::vector<MacAddress>& addresses);
// TUNSETSTEERINGEBPF, TUNSETFILTEREBPF: a loaded program's descriptor; -1 removes the program.
Status SetSteeringProgram(int fd, int program_fd);
Status SetFilterProgram(int fd, int program_fd);
// Loads eBPF instructions as a socket filter. The verifier's log is the failure's detail.
Result<Fd> LoadSocketFilter(const std::vector<uint8_t>& instructions);

// SIOCGIFHWADDR and SIOCSIFHWADDR on the device's own descriptor: no privilege needed beyond holding it.
Result<MacAddress> GetMac(int fd);
Status SetMac(int fd, const MacAddress& mac);
// TUNGETDEVNETNS, tun and tap only: the namespace the device is in now.
Result<Fd> GetDeviceNamespace(int fd);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_TUN_IOCTL_H_
