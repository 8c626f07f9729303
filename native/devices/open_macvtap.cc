#include "devices/open_macvtap.h"

#include <linux/if_tun.h>

#include "devices/macvtap_node.h"
#include "devices/tun_ioctl.h"

namespace tapfd {

namespace {

Failure MacMismatch(const MacAddress& guest, const Link& link) {
  return Failure::Refused("ERR_TAPFD_MAC_MISMATCH",
                          "the guest's MAC is " + FormatMac(guest) + " but " + link.name + " has " +
                              (link.mac ? FormatMac(*link.mac) : "none") +
                              ": no frame would reach the guest; give both the same")
      .WithInterface(link.name);
}

// A new queue has the vnet header on, of 12 bytes or of 10, and a small send buffer: everything is set
// explicitly.
Status ConfigureQueue(const QueueSettings& settings, OpenedQueue& opened) {
  int fd = opened.fd.get();
  Result<unsigned> features = GetFeatures(fd);
  if (!features.ok()) return features.failure();
  opened.features = features.value();
  unsigned flags = IFF_TAP | IFF_NO_PI;
  if (settings.vnet_header_bytes != 0) flags |= IFF_VNET_HDR;
  if (settings.multi_queue) flags |= IFF_MULTI_QUEUE;
  Result<AttachedInterface> attached = SetInterface(fd, opened.link.name, flags);
  if (!attached.ok()) return attached.failure();
  opened.flags = attached.value().flags;
  if (settings.vnet_header_bytes != 0) {
    opened.vnet_header_bytes = settings.vnet_header_bytes;
    Status sized = SetVnetHeaderBytes(fd, settings.vnet_header_bytes);
    if (!sized.ok()) return sized;
  }
  // The mask belongs to the device: an additional queue leaves it alone.
  if (!settings.offload_masks.empty()) {
    Result<unsigned> offload = NegotiateOffload(fd, settings.offload_masks);
    if (!offload.ok()) return offload.failure();
    opened.offload = offload.value();
  }
  return SetSendBuffer(fd, settings.send_buffer_bytes);
}

Result<Link> MakeLink(RtnlSocket& socket, const MacvtapSettings& settings) {
  Result<Link> lower = GetLinkByName(socket, settings.lower);
  if (!lower.ok()) return std::move(lower.failure()).WithInterface(settings.lower);
  NewLink link;
  link.kind = "macvtap";
  link.name = settings.name;
  link.lower = lower.value().index;
  link.macvlan_mode = settings.mode;
  link.changes.mac = settings.link.mac;
  Result<Link> made = CreateLink(socket, link);
  if (!made.ok()) return std::move(made.failure()).WithInterface(settings.name);
  return made;
}

// Removes the link unless the open succeeded.
class LinkGuard {
 public:
  LinkGuard(RtnlSocket& socket, int index) : socket_(&socket), index_(index) {}
  LinkGuard(const LinkGuard&) = delete;
  LinkGuard& operator=(const LinkGuard&) = delete;
  ~LinkGuard() {
    if (index_ != 0) RemoveLink(*socket_, index_);
  }
  void Keep() { index_ = 0; }

 private:
  RtnlSocket* socket_;
  int index_;
};

Result<OpenedQueue> OpenLink(RtnlSocket& socket, const Link& link, const MacvtapSettings& settings) {
  if (link.kind != "macvtap") return NotAMacvtap(link);
  // Without `mac` the link keeps its MAC: a guest whose MAC differs is refused before anything is changed.
  if (!settings.link.mac) {
    Status matches = CheckGuestMac(settings.guest_mac, link);
    if (!matches.ok()) return matches.failure();
  }
  OpenedQueue opened;
  Result<Fd> node = OpenMacvtapNode(socket, link);
  if (!node.ok()) return node.failure();
  opened.fd = std::move(node.value());
  opened.link = link;
  Status configured = ConfigureQueue(settings.queue, opened);
  if (!configured.ok()) return std::move(configured.failure()).WithInterface(opened.link.name);
  // After the queue, so that a failed open leaves an existing link unchanged.
  Result<Link> applied = ApplyLinkSettings(socket, link, settings.link);
  if (!applied.ok()) return applied.failure();
  opened.link = std::move(applied.value());
  Status matches = CheckGuestMac(settings.guest_mac, opened.link);
  if (!matches.ok()) return matches.failure();
  return opened;
}

}  // namespace

Status CheckGuestMac(const std::optional<MacAddress>& guest, const Link& link) {
  if (guest && guest != link.mac) return MacMismatch(*guest, link);
  return Done{};
}

Failure NotAMacvtap(const Link& link) {
  return Failure::Refused("ERR_TAPFD_NOT_A_MACVTAP",
                          link.name + (link.kind.empty() ? " is not a virtual link, so it is not a macvtap"
                                                         : " is a " + link.kind + " link, not a macvtap"))
      .WithInterface(link.name);
}

Result<OpenedQueue> OpenMacvtap(const MacvtapSettings& given) {
  Result<RtnlSocket> socket = RtnlSocket::Open();
  if (!socket.ok()) return socket.failure();
  MacvtapSettings settings = given;
  bool make = !settings.lower.empty();
  // ApplyLinkSettings sets it again if that had no effect: a new link in mode passthru has the lower device's
  // MAC.
  if (make && !settings.link.mac) settings.link.mac = settings.guest_mac;
  Result<Link> link =
      make ? MakeLink(socket.value(), settings) : GetLinkByName(socket.value(), settings.name);
  if (!link.ok()) return link.failure();
  LinkGuard guard(socket.value(), make ? link.value().index : 0);
  Result<OpenedQueue> opened = OpenLink(socket.value(), link.value(), settings);
  if (!opened.ok()) return opened;
  guard.Keep();
  opened.value().made_link = make;
  return opened;
}

Result<OpenedQueue> OpenMacvtapQueue(const QueueSettings& settings, int index) {
  Result<RtnlSocket> socket = RtnlSocket::Open();
  if (!socket.ok()) return socket.failure();
  Result<Link> link = GetLink(socket.value(), index);
  if (!link.ok()) return link.failure();
  MacvtapSettings unchanged_link;
  unchanged_link.queue = settings;
  unchanged_link.link.up = false;
  return OpenLink(socket.value(), link.value(), unchanged_link);
}

Status RemoveMadeLink(int index, int lower) {
  Result<RtnlSocket> socket = RtnlSocket::Open();
  if (!socket.ok()) return socket.failure();
  Result<Link> link = GetLink(socket.value(), index);
  // ENODEV, here and below: it has been removed or moved away.
  if (!link.ok()) return link.failure().error == ENODEV ? Status(Done{}) : Status(link.failure());
  // A link from another namespace may have the index now.
  if (link.value().kind != "macvtap" || link.value().lower != lower) return Done{};
  Status removed = RemoveLink(socket.value(), index);
  if (!removed.ok() && removed.failure().error == ENODEV) return Done{};
  return removed;
}

}  // namespace tapfd
