#include "devices/adopt_fd.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <memory>

#include "devices/macvtap_node.h"
#include "devices/open_macvtap.h"
#include "devices/tun_ioctl.h"
#include "sys/net_namespace.h"

namespace tapfd {

namespace {

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

// The flags of a macvtap descriptor can be changed at any time; those of a tun descriptor are fixed once
// attached, and the kernel refuses the change (EEXIST).
Status SetVnetHeader(int fd, bool wanted, OpenedQueue& opened) {
  unsigned flags = opened.flags & ~static_cast<unsigned>(IFF_VNET_HDR);
  if (wanted) flags |= IFF_VNET_HDR;
  if (flags == opened.flags) return Done{};
  Result<AttachedInterface> changed = SetInterface(fd, opened.link.name, flags);
  if (!changed.ok()) return changed.failure();
  opened.flags = changed.value().flags;
  return Done{};
}

}  // namespace

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
  // A guest behind a TAP may have any MAC: the bridge learns it.
  if (adopted.kind == DeviceKind::kMacvtap) {
    Status matches = CheckGuestMac(settings.guest_mac, opened.link);
    if (!matches.ok()) return matches.failure();
  }
  Result<unsigned> features = GetFeatures(fd);
  if (!features.ok()) return features.failure();
  opened.features = features.value();
  if (settings.vnet_header) {
    Status changed = SetVnetHeader(fd, *settings.vnet_header, opened);
    if (!changed.ok()) return changed.failure();
  }
  if ((opened.flags & IFF_VNET_HDR) != 0) {
    Result<int> bytes = GetVnetHeaderBytes(fd);
    if (!bytes.ok()) return bytes.failure();
    opened.vnet_header_bytes = bytes.value();
  }
  // Another holder may have cleared O_NONBLOCK, and a plain dup is not close-on-exec.
  int status_flags = fcntl(fd, F_GETFL);
  if (status_flags < 0 || fcntl(fd, F_SETFL, status_flags | O_NONBLOCK) != 0) {
    return Failure::FromErrno("fcntl F_SETFL");
  }
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return Failure::FromErrno("fcntl F_SETFD");
  opened.fd = Fd(fd);
  opened.adopted = true;
  return adopted;
}

}  // namespace tapfd
