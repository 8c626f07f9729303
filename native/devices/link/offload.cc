#include "devices/link/offload.h"

#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "sys/fd.h"

namespace tapfd {

namespace {

// net/ethtool/common.c netdev_features_strings. The bits differ between kernels, the names do not.
constexpr struct {
  const char* name;
  unsigned offload;
} kFeatures[] = {
    {"tx-checksum-ip-generic", TUN_F_CSUM},
    {"tx-tcp-segmentation", TUN_F_TSO4},
    {"tx-tcp6-segmentation", TUN_F_TSO6},
    {"tx-tcp-ecn-segmentation", TUN_F_TSO_ECN},
    {"tx-udp-segmentation", kOffloadUso4 | kOffloadUso6},
};

bool Ethtool(int socket, const std::string& name, void* command) {
  struct ifreq request = {};
  if (name.size() >= IFNAMSIZ) return false;
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_data = static_cast<char*>(command);
  return ioctl(socket, SIOCETHTOOL, &request) == 0;
}

// How many features this kernel has; 0 if it does not tell.
uint32_t CountFeatures(int socket, const std::string& name) {
  alignas(ethtool_sset_info) uint8_t memory[sizeof(ethtool_sset_info) + sizeof(uint32_t)] = {};
  auto* info = reinterpret_cast<ethtool_sset_info*>(memory);
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = 1ULL << ETH_SS_FEATURES;
  if (!Ethtool(socket, name, memory) || info->sset_mask == 0) return 0;
  uint32_t count;
  std::memcpy(&count, memory + offsetof(ethtool_sset_info, data), sizeof count);
  return count;
}

}  // namespace

std::optional<unsigned> GetDeviceOffload(const std::string& name) {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return std::nullopt;
  uint32_t count = CountFeatures(fd.get(), name);
  if (count == 0) return std::nullopt;

  std::vector<uint8_t> names(sizeof(ethtool_gstrings) + count * ETH_GSTRING_LEN);
  ethtool_gstrings strings = {ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count};
  std::memcpy(names.data(), &strings, sizeof strings);
  if (!Ethtool(fd.get(), name, names.data())) return std::nullopt;

  uint32_t blocks = (count + 31) / 32;
  std::vector<uint8_t> states(sizeof(ethtool_gfeatures) + blocks * sizeof(ethtool_get_features_block));
  ethtool_gfeatures features = {ETHTOOL_GFEATURES, blocks};
  std::memcpy(states.data(), &features, sizeof features);
  if (!Ethtool(fd.get(), name, states.data())) return std::nullopt;

  unsigned mask = 0;
  for (uint32_t bit = 0; bit < count; bit++) {
    ethtool_get_features_block block;
    std::memcpy(&block, states.data() + sizeof features + bit / 32 * sizeof block, sizeof block);
    if ((block.active & (1U << bit % 32)) == 0) continue;
    const char* feature =
        reinterpret_cast<const char*>(names.data() + sizeof strings + bit * ETH_GSTRING_LEN);
    for (const auto& [known, offload] : kFeatures) {
      if (std::strncmp(feature, known, ETH_GSTRING_LEN) == 0) mask |= offload;
    }
  }
  return mask;
}

}  // namespace tapfd
