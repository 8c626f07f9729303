#include "devices/adopt_fd.h"

#include <linux/if_tun.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <memory>

#include "devices/link/offload.h"
#include "devices/macvtap_node.h"
#include "devices/open_macvtap.h"
#include "devices/tun_ioctl.h"
#include "sys/net_namespace.h"

namespace tapfd {

namespace {

// linux/virtio_net.h struct virtio_net_hdr.
constexpr int kSegmentHeaderBytes = 10;

// The major number of macvtap nodes is assigned at boot.
std::optional<unsigned> MacvtapMajor() {
  std::unique_ptr<FILE, int (*)(FILE*)> devices(std::fopen("/proc/devices", "re"), std::fclose);
  char line[128];
  while (devices && std::fgets(line, sizeof line, devices.get())) {
    unsigned number = 0;
    char name[64] = "";
    if (std::sscanf(line, "%u %63s", &number, name) == 2 && std::string(name) == "macvtap") return number;
  }
  return std::nullopt;
}

Result<DeviceKind> KindOf(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return Failure::FromErrno("fstat");
  // An ioctl number means something else on another kind of file, so the kind of file comes first.
  if (S_ISCHR(st.st_mode) && major(st.st_rdev) == MacvtapMajor()) return DeviceKind::kMacvtap;
  if (!IsCloneDevice(fd)) {
    return Failure::Refused("ERR_TAPFD_NOT_A_DEVICE",
                            "descriptor " + std::to_string(fd) + " is not a TUN, TAP or macvtap descriptor");
  }
  Result<AttachedInterface> attached = GetInterface(fd);
  if (!attached.ok()) return attached.failure();
  return (attached.value().flags & IFF_TUN) != 0 ? DeviceKind::kTun : DeviceKind::kTap;
}

Failure InAnotherNamespace(const std::string& name) {
  return Failure::Refused("ERR_TAPFD_WRONG_DEVICE",
                          "the descriptor's interface " + name +
                              " is in another network namespace: name it with the option netns")
      .WithInterface(name);
}

// The link behind the descriptor, in the calling thread's namespace, with as much proof as the kind allows.
Result<Link> LinkOf(RtnlSocket& socket, int fd, DeviceKind kind, const std::string& name) {
  Result<Link> link = GetLinkByName(socket, name);
  if (!link.ok()) {
    // The descriptor has just reported this name, so the link exists somewhere.
    if (link.failure().error == ENODEV) return InAnotherNamespace(name);
    return std::move(link.failure()).WithInterface(name);
  }
  if (kind == DeviceKind::kMacvtap) {
    if (link.value().kind != "macvtap") return NotAMacvtap(link.value());
    Status proved = ProveMacvtapNode(socket, link.value(), fd);
    if (!proved.ok()) return proved.failure();
    return link;
  }
  // With CAP_NET_ADMIN the device's own namespace can be queried; without it, name, kind and MAC must do.
  Result<Fd> home = GetDeviceNamespace(fd);
  if (home.ok()) {
    Result<NetNamespace> ns = NetNamespace::FromFd(std::move(home.value()), name);
    if (!ns.ok()) return ns.failure();
    if (!ns.value().IsCurrent()) return InAnotherNamespace(name);
  }
  Result<MacAddress> mac = GetMac(fd);
  bool same =
      link.value().kind == "tun" && (!link.value().mac || !mac.ok() || mac.value() == *link.value().mac);
  if (!same) {
    return Failure::Refused("ERR_TAPFD_WRONG_DEVICE",
                            "the descriptor's interface is not this namespace's " + name)
        .WithInterface(name);
  }
  return link;
}

// Names what was found and what was expected.
Status CheckExpected(const AdoptSettings& settings, DeviceKind kind, const Link& link) {
  bool same = (settings.expected_kind.empty() || settings.expected_kind == KindName(kind)) &&
              (settings.expected_name.empty() || settings.expected_name == link.name) &&
              (!settings.expected_mac || settings.expected_mac == link.mac);
  if (same) return Done{};
  std::string expected = settings.expected_kind.empty() ? "a device" : "a " + settings.expected_kind;
  if (!settings.expected_name.empty()) expected += " " + settings.expected_name;
  if (settings.expected_mac) expected += " with MAC " + FormatMac(*settings.expected_mac);
  std::string found = std::string("the ") + KindName(kind) + " " + link.name;
  if (link.mac) found += " with MAC " + FormatMac(*link.mac);
  return Failure::Refused("ERR_TAPFD_WRONG_DEVICE",
                          "the descriptor is that of " + found + ", and " + expected + " was expected")
      .WithInterface(link.name);
}

Failure Differs(const Link& link, const std::string& has, const std::string& wanted) {
  return Failure::Refused("ERR_TAPFD_DEVICE_DIFFERS",
                          "the descriptor of " + link.name + " has " + has + ", and " + wanted)
      .WithInterface(link.name);
}

// As it is now, whatever this call makes of it.
Status CheckExpectedHeader(int fd, bool has, int expected, const Link& link) {
  Result<int> bytes = has ? GetVnetHeaderBytes(fd) : Result<int>(0);
  if (!bytes.ok()) return bytes.failure();
  if (bytes.value() == expected) return Done{};
  return Failure::Refused("ERR_TAPFD_WRONG_DEVICE",
                          "the descriptor of " + link.name + " has a vnet header of " +
                              std::to_string(bytes.value()) + " bytes, and one of " +
                              std::to_string(expected) + " was expected")
      .WithInterface(link.name);
}

// The vnet header as it is, or on macvtap as it will be: there it can be changed at any time, while on TUN
// and TAP it is fixed with TUNSETIFF.
Status CheckVnetHeader(int fd, DeviceKind kind, const AdoptSettings& settings, OpenedQueue& opened) {
  bool has = (opened.flags & IFF_VNET_HDR) != 0;
  bool wanted = settings.vnet_header.value_or(has);
  if (wanted != has && kind != DeviceKind::kMacvtap) {
    return Differs(opened.link, has ? "a vnet header" : "no vnet header",
                   "that is fixed: leave out vnetHeader, or open the device again");
  }
  if (settings.expected_vnet_header_bytes) {
    Status expected = CheckExpectedHeader(fd, has, *settings.expected_vnet_header_bytes, opened.link);
    if (!expected.ok()) return expected;
  }
  if (!wanted) return Done{};
  Result<int> bytes = GetVnetHeaderBytes(fd);
  if (!bytes.ok()) return bytes.failure();
  opened.vnet_header_bytes = bytes.value();
  if (!settings.segment || opened.vnet_header_bytes == kSegmentHeaderBytes) return Done{};
  return Differs(opened.link, "a vnet header of " + std::to_string(bytes.value()) + " bytes",
                 "segment works with one of " + std::to_string(kSegmentHeaderBytes) +
                     " only: leave out segment, or open the device again");
}

}  // namespace

const char* KindName(DeviceKind kind) {
  if (kind == DeviceKind::kMacvtap) return "macvtap";
  return kind == DeviceKind::kTun ? "tun" : "tap";
}

Result<AdoptedQueue> AdoptQueue(int fd, const AdoptSettings& settings) {
  Result<DeviceKind> kind = KindOf(fd);
  if (!kind.ok()) return kind.failure();
  Result<AttachedInterface> attached = GetInterface(fd);
  if (!attached.ok()) return attached.failure();
  AdoptedQueue adopted{kind.value(), {}};
  OpenedQueue& opened = adopted.opened;
  opened.flags = attached.value().flags;
  Result<RtnlSocket> socket = RtnlSocket::Open();
  if (!socket.ok()) return socket.failure();
  Result<Link> link = LinkOf(socket.value(), fd, kind.value(), attached.value().name);
  if (!link.ok()) return link.failure();
  opened.link = std::move(link.value());
  if (opened.link.tun) {
    // TUNGETIFF's bit also means IFF_NOFILTER, so rtnetlink is the only source.
    opened.flags &= ~static_cast<unsigned>(IFF_NO_PI);
    if (!opened.link.tun->packet_info) opened.flags |= IFF_NO_PI;
  }
  Status fits = CheckExpected(settings, adopted.kind, opened.link);
  // A guest behind a TAP may have any MAC: the bridge learns it.
  if (fits.ok() && adopted.kind == DeviceKind::kMacvtap)
    fits = CheckGuestMac(settings.guest_mac, opened.link);
  if (fits.ok()) fits = CheckVnetHeader(fd, adopted.kind, settings, opened);
  if (!fits.ok()) return fits.failure();
  // That of a macvtap cannot be read.
  if (opened.link.tun && opened.vnet_header_bytes != 0) {
    opened.offload = GetDeviceOffload(opened.link.name).value_or(0);
  }
  Result<unsigned> features = GetFeatures(fd);
  if (!features.ok()) return features.failure();
  opened.features = features.value();
  opened.fd = Fd(fd);
  opened.adopted = true;
  return adopted;
}

}  // namespace tapfd
