// Addresses of links. Every call works in the namespace its `RtnlSocket` was opened in.

#ifndef TAPFD_LINKS_ADDRESS_H_
#define TAPFD_LINKS_ADDRESS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "links/rtnl/socket.h"
#include "sys/result.h"

namespace tapfd {

using IpBytes = std::array<uint8_t, 16>;

struct IpPrefix {
  int family = 0;  // AF_INET, AF_INET6
  IpBytes address{};
  uint8_t prefix_length = 0;
  std::optional<IpBytes> peer;       // the other end, whose network the prefix length is of
  std::optional<IpBytes> broadcast;  // IPv4
  bool no_dad = false;               // IPv6: usable at once, without duplicate address detection
  std::optional<uint32_t> valid_lifetime, preferred_lifetime;  // seconds; absent: unlimited
  uint32_t flags = 0;                                          // IFA_F_*, of an address that is there
};

Status AddAddress(RtnlSocket& socket, int index, const IpPrefix& prefix);
Status RemoveAddress(RtnlSocket& socket, int index, const IpPrefix& prefix);
// ENODEV when there is no such link.
Result<std::vector<IpPrefix>> ListAddresses(RtnlSocket& socket, int index);

}  // namespace tapfd

#endif  // TAPFD_LINKS_ADDRESS_H_
