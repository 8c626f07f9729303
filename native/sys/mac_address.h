// The six bytes of an Ethernet address.

#ifndef TAPFD_SYS_MAC_ADDRESS_H_
#define TAPFD_SYS_MAC_ADDRESS_H_

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

namespace tapfd {

using MacAddress = std::array<uint8_t, 6>;

inline std::string FormatMac(const MacAddress& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                mac[5]);
  return text;
}

}  // namespace tapfd

#endif  // TAPFD_SYS_MAC_ADDRESS_H_
