// Addresses of links. Every call works in the namespace its `RtnlSocket` was opened in.

#ifndef TAPFD_LINKS_ADDRESS_H_
#define TAPFD_LINKS_ADDRESS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "links/rtnl/socket.h"
#include "sys/result.h"

namespace tapfd {

struct IpPrefix {
  int family = 0;  // AF_INET, AF_INET6
  std::array<uint8_t, 16> address{};
  uint8_t prefix_length = 0;
  bool no_dad = false;  // IPv6: usable at once, without duplicate address detection
};

Status AddAddress(RtnlSocket& socket, int index, const IpPrefix& prefix);
Status RemoveAddress(RtnlSocket& socket, int index, const IpPrefix& prefix);
// ENODEV when there is no such link.
Result<std::vector<IpPrefix>> ListAddresses(RtnlSocket& socket, int index);

}  // namespace tapfd

#endif  // TAPFD_LINKS_ADDRESS_H_
