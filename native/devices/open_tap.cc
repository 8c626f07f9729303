#include "devices/open_tap.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/major.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "devices/link/offload.h"
#include "devices/living_device.h"
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

// What the first queue of a device sets through its descriptor. Size and mask belong to the device and
// outlive its queues on a persistent one: they are set explicitly at every such open.
Status ConfigureDevice(const TapSettings& settings, OpenedQueue& opened) {
  int fd = opened.fd.get();
  if (settings.queue.vnet_header_bytes != 0) {
    Result<int> before = GetVnetHeaderBytes(fd);
    if (!before.ok()) return before.failure();
    opened.undo.Add([bytes = before.value()](int fd, RtnlSocket&) { SetVnetHeaderBytes(fd, bytes); });
    Status sized = SetVnetHeaderBytes(fd, settings.queue.vnet_header_bytes);
    if (!sized.ok()) return sized;
    opened.vnet_header_bytes = settings.queue.vnet_header_bytes;
  }
  if (std::optional<unsigned> before = GetDeviceOffload(opened.link.name)) {
    opened.undo.Add([mask = *before](int fd, RtnlSocket&) { SetOffload(fd, mask); });
  }
  Result<unsigned> offload = NegotiateOffload(fd, settings.queue.offload_masks);
  if (!offload.ok()) return offload.failure();
  opened.offload = offload.value();
  return SetSendBuffer(fd, settings.queue.send_buffer_bytes.value_or(kMaxSendBuffer));
}

// What a further queue takes over from a device that others have open.
Status JoinDevice(const TapSettings& settings, OpenedQueue& opened) {
  std::optional<unsigned> offload = GetDeviceOffload(opened.link.name);
  Status fits = CheckFits(opened.link, settings, offload);
  if (fits.ok()) fits = CheckVnetHeaderBytes(opened.fd.get(), settings.queue.vnet_header_bytes);
  if (!fits.ok()) return fits;
  opened.vnet_header_bytes = settings.queue.vnet_header_bytes;
  if (opened.vnet_header_bytes != 0) opened.offload = offload.value_or(0);
  if (!settings.queue.send_buffer_bytes) return Done{};
  return SetSendBuffer(opened.fd.get(), *settings.queue.send_buffer_bytes);
}

// What somebody may have set on a persistent device, and what would keep frames from this queue. It cannot be
// read back, so it is the last step: nothing fails after it.
Status ResetFilters(const TapSettings& settings, int fd) {
  Status status = Done{};
  if (!settings.tun) {
    status = SetTxFilter(fd, false, {});
    if (status.ok()) status = DetachSocketFilter(fd);
  }
  // Linux 4.16: older kernels have no programs to remove.
  if (status.ok()) SetSteeringProgram(fd, -1);
  if (status.ok()) SetFilterProgram(fd, -1);
  return status;
}

Status SetOwners(const TapSettings& settings, OpenedQueue& opened) {
  int fd = opened.fd.get();
  TunLinkInfo before = opened.link.tun.value_or(TunLinkInfo{});
  Status status = Done{};
  if (settings.owner) {
    // A device that had none keeps this one: the kernel knows no way back.
    if (before.owner) opened.undo.Add([uid = *before.owner](int fd, RtnlSocket&) { SetOwner(fd, uid); });
    status = SetOwner(fd, *settings.owner);
  }
  if (status.ok() && settings.group) {
    if (before.group) opened.undo.Add([gid = *before.group](int fd, RtnlSocket&) { SetGroup(fd, gid); });
    status = SetGroup(fd, *settings.group);
  }
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

namespace {

// The device of that name, if there is one. If others have it open, and this open contradicts them, it fails
// here, before it takes part in the device's traffic.
Result<std::optional<Link>> FindDevice(RtnlSocket& socket, const TapSettings& settings) {
  Result<Link> found = GetLinkByName(socket, settings.name);
  if (!found.ok()) {
    if (found.failure().error == ENODEV) return std::optional<Link>();
    return found.failure();
  }
  const Link& link = found.value();
  bool same_type = link.tun && (link.tun->type == IFF_TUN) == settings.tun;
  // What the kernel refuses by itself is left to it.
  if (same_type && settings.queue.multi_queue && !settings.exclusive && IsLiving(link, 0)) {
    Status fits = CheckFits(link, settings, GetDeviceOffload(link.name));
    if (!fits.ok()) return fits.failure();
  }
  return std::optional<Link>(std::move(found.value()));
}

// The steps after TUNSETIFF, in the order that the kernel needs: what may fail and can be taken back first.
Status SetUpDevice(RtnlSocket& socket, const TapSettings& settings, const std::optional<Link>& before,
                   OpenedQueue& opened) {
  bool made = !before || before->index != opened.link.index;
  bool joins = IsLiving(opened.link, 1);
  Status status = joins ? JoinDevice(settings, opened) : ConfigureDevice(settings, opened);
  if (status.ok() && settings.carrier) {
    if (!made) opened.undo.Add([had = before->carrier](int fd, RtnlSocket&) { SetCarrier(fd, had); });
    status = SetCarrier(opened.fd.get(), *settings.carrier);
  }
  if (!status.ok()) return status;
  Result<Link> link = ApplyLinkSettings(socket, opened.link, made, settings.link, opened.undo);
  if (!link.ok()) return link.failure();
  status = SetOwners(settings, opened);
  opened.link = std::move(link.value());
  if (!status.ok() || joins || made) return status;
  return ResetFilters(settings, opened.fd.get());
}

}  // namespace

Result<OpenedQueue> OpenTap(const TapSettings& settings) {
  Result<RtnlSocket> opened_socket = RtnlSocket::Open();
  if (!opened_socket.ok()) return opened_socket.failure();
  auto socket = std::make_shared<RtnlSocket>(std::move(opened_socket.value()));
  Result<std::optional<Link>> before = FindDevice(*socket, settings);
  if (!before.ok()) return before.failure();
  Result<OpenedQueue> attached = Attach(settings);
  if (!attached.ok()) return attached;
  OpenedQueue& opened = attached.value();
  Result<Link> link = FindLink(*socket, opened);
  if (!link.ok()) return link.failure();
  opened.link = std::move(link.value());
  if (before.value()) opened.undo = OpenUndo(socket);
  Status done = SetUpDevice(*socket, settings, before.value(), opened);
  if (done.ok()) return attached;
  opened.undo.Run(opened.fd.get());
  if (done.failure().interface.empty()) done.failure().interface = opened.link.name;
  return done.failure();
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
  // Another program that shares the device may have changed it.
  Status fits = CheckFits(opened.link, settings, std::nullopt);
  if (fits.ok()) fits = CheckVnetHeaderBytes(opened.fd.get(), settings.queue.vnet_header_bytes);
  if (!fits.ok()) return fits.failure();
  opened.vnet_header_bytes = settings.queue.vnet_header_bytes;
  return attached;
}

}  // namespace tapfd
