#include "links/watch.h"

#include <sys/socket.h>

#include <cerrno>
#include <optional>

namespace tapfd {

namespace {

// An event of a veth takes 2.3 KiB of it.
constexpr int kDefaultReceiveBufferBytes = 8 * 1024 * 1024;
constexpr int kMaxDatagramsPerDrain = 512;

void SetReceiveBuffer(int socket, int bytes) {
  // Without CAP_NET_ADMIN the kernel grants at most net.core.rmem_max, and overruns come sooner.
  if (setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) == 0) return;
  setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

void AppendEvents(ByteView datagram, std::vector<LinkEvent>* events) {
  RtnlMessages messages(datagram);
  RtnlReceived message;
  while (messages.Next(&message)) {
    bool removed = message.header.nlmsg_type == RTM_DELLINK;
    if (!removed && message.header.nlmsg_type != RTM_NEWLINK) continue;
    auto header = message.Fixed<ifinfomsg>();
    // A bridge reports its ports here too (AF_BRIDGE): its RTM_DELLINK means that a port left, not that a
    // link was deleted.
    if (!header || header->ifi_family != AF_UNSPEC) continue;
    if (std::optional<Link> link = LinkFromMessage(message)) {
      events->push_back({removed ? LinkEvent::Type::kRemove : LinkEvent::Type::kChange, std::move(*link)});
    }
  }
}

}  // namespace

Result<RtnlWatch> RtnlWatch::Open(int receive_buffer_bytes) {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd.valid()) return Failure::FromErrno("socket AF_NETLINK");
  SetReceiveBuffer(fd.get(), receive_buffer_bytes > 0 ? receive_buffer_bytes : kDefaultReceiveBufferBytes);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return Failure::FromErrno("bind");
  return RtnlWatch(std::move(fd));
}

Status RtnlWatch::Drain(std::vector<LinkEvent>* events) {
  for (int i = 0; i < kMaxDatagramsPerDrain; i++) {
    Result<ByteView> datagram = ReceiveFromKernel(fd_.get(), buffer_);
    if (datagram.ok()) {
      AppendEvents(datagram.value(), events);
      continue;
    }
    // What is still in the socket is valid, and comes first. The kernel reports ENOBUFS once and then not
    // before the socket has been empty (net/netlink/af_netlink.c netlink_overrun), so a new list is of no use
    // earlier.
    if (datagram.failure().error == ENOBUFS) {
      lost_some_ = true;
      continue;
    }
    if (datagram.failure().error != EAGAIN) return datagram.failure();
    if (lost_some_) events->push_back({LinkEvent::Type::kOverrun, Link{}});
    lost_some_ = false;
    return Done{};
  }
  return Done{};
}

}  // namespace tapfd
