#include "devices/open_tap.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/major.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "devices/tun_ioctl.h"

namespace tapfd {

namespace {

constexpr unsigned kTunMinor = 200;  // linux/miscdevice.h TUN_MINOR

unsigned InterfaceFlags(const TapSettings& settings) {
  unsigned flags = settings.tun ? IFF_TUN : IFF_TAP;
  if (!settings.packet_info) flags |= IFF_NO_PI;
  if (settings.queue.vnet_header_bytes != 0) flags |= IFF_VNET_HDR;
  if (settings.queue.multi_queue) flags |= IFF_MULTI_QUEUE;
  if (settings.exclusive) flags |= IFF_TUN_EXCL;
  if (settings.napi || settings.napi_frags) flags |= IFF_NAPI;
  if (settings.napi_frags) flags |= IFF_NAPI_FRAGS;
  return flags;
}

Status CheckFeatures(unsigned features, unsigned wanted, const std::string& path) {
  unsigned missing = wanted & ~features & ~IFF_TUN_EXCL;
  if (missing == 0) return Done{};
  char text[96];
  std::snprintf(text, sizeof text, "this kernel's TUN/TAP driver lacks the flags 0x%04x", missing);
  return Failure::Refused("ERR_TAPFD_UNSUPPORTED_FEATURE", text).WithPath(path);
}

// The steps of a device's first queue, after TUNSETIFF.
Status ConfigureDevice(const TapSettings& settings, OpenedQueue& opened) {
  int fd = opened.fd.get();
  if (settings.queue.vnet_header_bytes != 0) {
    // The size belongs to the device and outlives the queue on a persistent one: set explicitly at every
    // open.
    Status sized = SetVnetHeaderBytes(fd, settings.queue.vnet_header_bytes);
    if (!sized.ok()) return sized;
    opened.vnet_header_bytes = settings.queue.vnet_header_bytes;
  }
  // So does the offload mask.
  Result<unsigned> offload = NegotiateOffload(fd, settings.queue.offload_masks);
  if (!offload.ok()) return offload.failure();
  opened.offload = offload.value();
  Status status = SetSendBuffer(fd, settings.queue.send_buffer_bytes);
  if (status.ok() && settings.owner) status = SetOwner(fd, *settings.owner);
  if (status.ok() && settings.group) status = SetGroup(fd, *settings.group);
  if (status.ok() && settings.carrier) status = SetCarrier(fd, *settings.carrier);
  return status;
}

Result<OpenedQueue> Attach(const TapSettings& settings) {
  OpenedQueue opened;
  Result<Fd> fd = OpenCloneDevice(settings.device_path);
  if (!fd.ok()) return fd.failure();
  opened.fd = std::move(fd.value());
  Result<unsigned> features = GetFeatures(opened.fd.get());
  if (!features.ok()) return features.failure();
  opened.features = features.value();
  unsigned flags = InterfaceFlags(settings);
  Status supported = CheckFeatures(opened.features, flags, settings.device_path);
  if (!supported.ok()) return supported.failure();
  Result<AttachedInterface> attached = SetInterface(opened.fd.get(), settings.name, flags);
  if (!attached.ok()) return std::move(attached.failure()).WithPath(settings.device_path);
  opened.flags = attached.value().flags;
  opened.link.name = attached.value().name;
  return opened;
}

Failure DeviceGone(const std::string& name) {
  return Failure::Refused("ERR_TAPFD_DEVICE_GONE", name + " is no longer the device that was opened")
      .WithInterface(name);
}

// The link behind the descriptor. Meanwhile it may have been renamed (udev does that to new devices) and
// another device may have its old name: only the descriptor knows.
Result<Link> FindLink(RtnlSocket& socket, OpenedQueue& opened) {
  for (;;) {
    Result<Link> link = GetLinkByName(socket, opened.link.name);
    Result<AttachedInterface> attached = GetInterface(opened.fd.get());
    if (!attached.ok()) return std::move(attached.failure()).WithInterface(opened.link.name);
    if (attached.value().name == opened.link.name) return link;
    opened.link.name = attached.value().name;
  }
}

}  // namespace

bool IsCloneDevice(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(MISC_MAJOR, kTunMinor);
}

Result<Fd> OpenCloneDevice(const std::string& path) {
  // O_PATH inspects without opening: opening some other device (a watchdog, a tape) would have side effects.
  Fd found(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!found.valid()) return Failure::FromErrno("open").WithPath(path);
  if (!IsCloneDevice(found.get())) {
    return Failure::Refused("ERR_TAPFD_WRONG_DEVICE",
                            path + " is not a TUN/TAP clone device (character device 10:200)")
        .WithPath(path);
  }
  std::string reopen = "/proc/self/fd/" + std::to_string(found.get());
  Fd fd(open(reopen.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return Failure::FromErrno("open").WithPath(path);
  return fd;
}

Result<Link> ApplyLinkSettings(RtnlSocket& socket, const Link& link, const LinkSettings& settings) {
  LinkChanges changes;
  if (settings.mac && settings.mac != link.mac) changes.mac = settings.mac;
  if (settings.mtu && *settings.mtu != link.mtu) changes.mtu = settings.mtu;
  if (settings.all_multicast && *settings.all_multicast != ((link.flags & IFF_ALLMULTI) != 0)) {
    changes.all_multicast = settings.all_multicast;
  }
  if (!settings.bridge.empty()) {
    Result<Link> bridge = GetLinkByName(socket, settings.bridge);
    if (!bridge.ok()) return std::move(bridge.failure()).WithInterface(settings.bridge);
    if (bridge.value().kind != "bridge") {
      return Failure::Refused("ERR_TAPFD_NOT_A_BRIDGE", settings.bridge + " is not a bridge")
          .WithInterface(settings.bridge);
    }
    if (link.master != bridge.value().index) changes.master = bridge.value().index;
  }
  if (!changes.empty()) {
    Status set = SetLink(socket, link.index, changes);
    if (!set.ok()) return std::move(set.failure()).WithInterface(link.name);
  }
  for (const IpPrefix& address : settings.addresses) {
    Status added = AddAddress(socket, link.index, address);
    // A persistent device may have the address already.
    if (!added.ok() && added.failure().error != EEXIST) {
      return std::move(added.failure()).WithInterface(link.name);
    }
  }
  if (settings.up && (link.flags & IFF_UP) == 0) {
    LinkChanges up;
    up.up = true;
    Status set = SetLink(socket, link.index, up);
    if (!set.ok()) return std::move(set.failure()).WithInterface(link.name);
  }
  return GetLink(socket, link.index);
}

Result<OpenedQueue> OpenTap(const TapSettings& settings) {
  Result<OpenedQueue> attached = Attach(settings);
  if (!attached.ok()) return attached;
  OpenedQueue& opened = attached.value();
  Status configured = ConfigureDevice(settings, opened);
  if (!configured.ok()) return std::move(configured.failure()).WithInterface(opened.link.name);
  Result<RtnlSocket> socket = RtnlSocket::Open();
  if (!socket.ok()) return socket.failure();
  Result<Link> link = FindLink(socket.value(), opened);
  if (link.ok()) link = ApplyLinkSettings(socket.value(), link.value(), settings.link);
  if (!link.ok()) return link.failure();
  opened.link = std::move(link.value());
  return attached;
}

Result<OpenedQueue> OpenTapQueue(const TapSettings& settings, int index) {
  Result<RtnlSocket> socket = RtnlSocket::Open();
  if (!socket.ok()) return socket.failure();
  // By index first: if the device is gone, TUNSETIFF would create it again.
  Result<Link> device = GetLink(socket.value(), index);
  if (!device.ok()) return device.failure().error == ENODEV ? DeviceGone(settings.name) : device.failure();
  TapSettings current = settings;
  current.name = device.value().name;  // it may have been renamed
  Result<OpenedQueue> attached = Attach(current);
  if (!attached.ok()) return attached;
  OpenedQueue& opened = attached.value();
  Result<Link> link = FindLink(socket.value(), opened);
  if (!link.ok()) return link.failure();
  // The device was deleted between the two requests, and TUNSETIFF created another or attached to another of
  // that name.
  if (link.value().index != index) return DeviceGone(settings.name);
  opened.link = std::move(link.value());
  if ((opened.flags & IFF_VNET_HDR) != 0) {
    Result<int> bytes = GetVnetHeaderBytes(opened.fd.get());
    if (!bytes.ok()) return std::move(bytes.failure()).WithInterface(opened.link.name);
    opened.vnet_header_bytes = bytes.value();
  }
  return attached;
}

}  // namespace tapfd
