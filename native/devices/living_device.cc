#include "devices/living_device.h"

#include <linux/if_tun.h>

#include "devices/link/offload.h"
#include "devices/tun_ioctl.h"

namespace tapfd {

namespace {

// The offloads by the names of src/descriptor/offload.ts.
std::string OffloadNames(unsigned mask) {
  constexpr struct {
    unsigned bit;
    const char* name;
  } kNames[] = {{TUN_F_CSUM, "csum"},       {TUN_F_TSO4, "tso4"},   {TUN_F_TSO6, "tso6"},
                {TUN_F_TSO_ECN, "tso-ecn"}, {kOffloadUso4, "uso4"}, {kOffloadUso6, "uso6"}};
  std::string text;
  for (const auto& [bit, name] : kNames) {
    if ((mask & bit) == 0) continue;
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text.empty() ? "none" : text;
}

// What differs, as pairs of the device's setting and the one asked for.
class Differences {
 public:
  void Compare(const char* option, bool has, bool wanted) {
    if (has != wanted) Add(option, has ? "true" : "false", wanted ? "true" : "false");
  }
  void Add(const std::string& option, const std::string& has, const std::string& wanted) {
    const char* separator = has_.empty() ? "" : " and ";
    has_ += separator + option + ": " + has;
    wanted_ += separator + option + ": " + wanted;
  }
  Status Outcome(const std::string& name) const {
    if (has_.empty()) return Done{};
    return Failure::Refused("ERR_TAPFD_DEVICE_DIFFERS",
                            name + " is open with " + has_ +
                                ", which holds for all its queues, and this call asks for " + wanted_ +
                                ": open it with the same options, or when nothing else has it open")
        .WithInterface(name);
  }

 private:
  std::string has_, wanted_;
};

}  // namespace

bool IsLiving(const Link& link, unsigned own) {
  return link.tun && link.tun->queues + link.tun->disabled_queues > own;
}

Status CheckFits(const Link& link, const TapSettings& settings, std::optional<unsigned> offload) {
  Differences differences;
  const TunLinkInfo& device = *link.tun;
  differences.Compare("packetInfo", device.packet_info, settings.packet_info);
  bool wants_header = settings.queue.vnet_header_bytes != 0;
  differences.Compare("vnetHeader", device.vnet_header, wants_header);
  // A request for offloads is an upper bound: the first mask is the whole of it.
  if (offload && wants_header && !settings.queue.offload_masks.empty()) {
    unsigned wanted = settings.queue.offload_masks.front();
    if ((*offload & ~wanted) != 0) {
      differences.Add("offload", OffloadNames(*offload), OffloadNames(wanted));
    }
  }
  return differences.Outcome(link.name);
}

Status CheckVnetHeaderBytes(int fd, int expected) {
  if (expected == 0) return Done{};
  Result<int> bytes = GetVnetHeaderBytes(fd);
  if (!bytes.ok()) return bytes.failure();
  if (bytes.value() == expected) return Done{};
  Result<AttachedInterface> attached = GetInterface(fd);
  std::string name = attached.ok() ? attached.value().name : "the device";
  return Failure::Refused("ERR_TAPFD_DEVICE_DIFFERS",
                          name + " is open with a vnet header of " + std::to_string(bytes.value()) +
                              " bytes, which holds for all its queues, and this queue has one of " +
                              std::to_string(expected) +
                              ": open it when the program that set that (QEMU does) has closed it")
      .WithInterface(name);
}

}  // namespace tapfd
