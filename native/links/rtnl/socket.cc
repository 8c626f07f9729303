#include "links/rtnl/socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

namespace tapfd {

namespace {

// linux/netlink.h, newer than some build systems' headers.
constexpr uint16_t kAckMissingType = 5;  // NLMSGERR_ATTR_MISS_TYPE

std::string Syscall(uint16_t type) {
  return "rtnetlink " + RtnlTypeName(type);
}

Result<size_t> ReceiveSome(int socket, void* bytes, size_t size, int flags, sockaddr_nl* from) {
  iovec vector{bytes, size};
  msghdr message{};
  message.msg_name = from;
  message.msg_namelen = sizeof *from;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  ssize_t received;
  do {
    received = recvmsg(socket, &message, flags);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return Failure::FromErrno("recvmsg");
  if (message.msg_namelen != sizeof *from) from->nl_pid = UINT32_MAX;
  return static_cast<size_t>(received);
}

// The kernel's own words in an acknowledgement (Documentation/userspace-api/netlink/intro.rst, "Ext ACK").
std::string DetailOf(RtnlAttributes attributes) {
  std::string text, place;
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    if (attribute.type == NLMSGERR_ATTR_MSG) text = attribute.Text();
    if (attribute.type == NLMSGERR_ATTR_OFFS && attribute.Value<uint32_t>()) {
      place = "the attribute at byte " + std::to_string(*attribute.Value<uint32_t>()) + " of the request";
    }
    if (attribute.type == kAckMissingType && attribute.Value<uint32_t>()) {
      place = "attribute " + std::to_string(*attribute.Value<uint32_t>()) + " is missing from the request";
    }
  }
  return text.empty() ? place : text;
}

// Where the attributes of an NLMSG_ERROR begin: after the repeated request, unless it was left out.
size_t ErrorAttributesOffset(const nlmsghdr& header, const nlmsgerr& error) {
  size_t repeated = error.msg.nlmsg_len > NLMSG_HDRLEN ? error.msg.nlmsg_len - NLMSG_HDRLEN : 0;
  if (header.nlmsg_flags & NLM_F_CAPPED) repeated = 0;
  return NLMSG_ALIGN(sizeof error + repeated);
}

// Rtnetlink has answered by the time sendto() returns, so a failed read is tried once more: otherwise a link
// may exist that nothing knows of. The second read does not wait, because ENOBUFS can mean that the answer is
// lost.
Result<ByteView> ReceiveAnswer(int socket, std::vector<uint8_t>& buffer) {
  Result<ByteView> answer = ReceiveFromKernel(socket, buffer);
  if (answer.ok()) return answer;
  Result<ByteView> again = ReceiveFromKernel(socket, buffer, MSG_DONTWAIT);
  return again.ok() ? again : answer;
}

// NLMSG_ERROR (an acknowledgement has error 0).
Status StatusOfError(const RtnlReceived& message, uint16_t type) {
  auto error = message.Fixed<nlmsgerr>();
  if (!error) return Failure::FromError(EBADMSG, Syscall(type));
  if (error->error == 0) return Done{};
  std::string detail;
  if (message.header.nlmsg_flags & NLM_F_ACK_TLVS) {
    detail = DetailOf(RtnlAttributes(message.payload.From(ErrorAttributesOffset(message.header, *error))));
  }
  return Failure::FromError(-error->error, Syscall(type)).WithDetail(detail);
}

// NLMSG_DONE ends a list; newer kernels put the error into it.
Status StatusOfDone(const RtnlReceived& message, uint16_t type) {
  int error = message.Fixed<int>().value_or(0);
  if (error >= 0) return Done{};
  std::string detail;
  if (message.header.nlmsg_flags & NLM_F_ACK_TLVS) {
    detail = DetailOf(RtnlAttributes(message.payload.From(NLMSG_ALIGN(sizeof error))));
  }
  return Failure::FromError(-error, Syscall(type)).WithDetail(detail);
}

}  // namespace

bool SetNetlinkOption(int socket, int option, int value) {
  return setsockopt(socket, SOL_NETLINK, option, &value, sizeof value) == 0;
}

Result<ByteView> ReceiveFromKernel(int socket, std::vector<uint8_t>& buffer, int flags) {
  // The kernel sizes the parts of a list by the largest buffer it was offered, up to 32 KiB.
  if (buffer.size() < 32 * 1024) buffer.resize(32 * 1024);
  for (;;) {
    sockaddr_nl from{};
    uint8_t nothing;
    Result<size_t> size = ReceiveSome(socket, &nothing, 0, flags | MSG_PEEK | MSG_TRUNC, &from);
    if (!size.ok()) return size.failure();
    if (size.value() > buffer.size()) buffer.resize(size.value());
    size = ReceiveSome(socket, buffer.data(), buffer.size(), flags, &from);
    if (!size.ok()) return size.failure();
    if (from.nl_pid == 0) return ByteView{buffer.data(), size.value()};
  }
}

bool RtnlSocket::SharesNamespaceWith(const RtnlSocket& other) const {
  auto file_of = [](const Fd& socket, struct stat* found) {
    Fd ns(ioctl(socket.get(), SIOCGSKNS));
    return ns.valid() && fstat(ns.get(), found) == 0;
  };
  struct stat own, others;
  if (!file_of(fd_, &own) || !file_of(other.fd_, &others)) return true;
  return own.st_dev == others.st_dev && own.st_ino == others.st_ino;
}

Result<RtnlSocket> RtnlSocket::Open() {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return Failure::FromErrno("socket AF_NETLINK");
  // Kernels without one of these work too, with less: no error text, the request repeated in errors,
  // unfiltered lists.
  SetNetlinkOption(fd.get(), NETLINK_EXT_ACK, 1);
  SetNetlinkOption(fd.get(), NETLINK_CAP_ACK, 1);
  SetNetlinkOption(fd.get(), NETLINK_GET_STRICT_CHK, 1);
  return RtnlSocket(std::move(fd));
}

Status RtnlSocket::Send(RtnlMessage& request) {
  std::string syscall = Syscall(request.type());
  if (request.overflowed()) {
    return Failure::FromError(EMSGSIZE, syscall).WithMessage("the request does not fit in one message");
  }
  ByteView bytes = request.Finish(++sequence_);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent;
  do {
    sent = sendto(fd_.get(), bytes.data, bytes.size, 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return Failure::FromErrno(syscall);
  return Done{};
}

Result<RtnlSocket::Answer> RtnlSocket::Exchange(RtnlMessage& request) {
  Status sent = Send(request);
  if (!sent.ok()) return sent.failure();
  Answer answer;
  for (;;) {
    Result<ByteView> datagram = ReceiveAnswer(fd_.get(), buffer_);
    if (!datagram.ok()) {
      datagram.failure().syscall = Syscall(request.type());
      return datagram.failure();
    }
    RtnlMessages messages(datagram.value());
    RtnlReceived message;
    while (messages.Next(&message)) {
      // The rest of an abandoned list.
      if (message.header.nlmsg_seq != sequence_) continue;
      if (message.header.nlmsg_flags & NLM_F_DUMP_INTR) answer.interrupted = true;
      if (message.header.nlmsg_type == NLMSG_ERROR || message.header.nlmsg_type == NLMSG_DONE) {
        Status status = message.header.nlmsg_type == NLMSG_ERROR ? StatusOfError(message, request.type())
                                                                 : StatusOfDone(message, request.type());
        if (!status.ok()) return status.failure();
        return answer;
      }
      if (message.header.nlmsg_type < NLMSG_MIN_TYPE) continue;
      answer.replies.push_back(
          {message.header, {message.payload.data, message.payload.data + message.payload.size}});
    }
  }
}

Result<std::vector<RtnlReply>> RtnlSocket::Ask(RtnlMessage& request) {
  request.AddFlags(NLM_F_ACK);
  Result<Answer> answer = Exchange(request);
  if (!answer.ok()) return answer.failure();
  return std::move(answer.value().replies);
}

Status RtnlSocket::Tell(RtnlMessage& request) {
  Result<std::vector<RtnlReply>> replies = Ask(request);
  if (!replies.ok()) return replies.failure();
  return Done{};
}

Result<RtnlList> RtnlSocket::Dump(RtnlMessage& request, std::chrono::milliseconds retry_for) {
  request.AddFlags(NLM_F_DUMP);
  auto until = std::chrono::steady_clock::now() + retry_for;
  for (;;) {
    Result<Answer> answer = Exchange(request);
    if (!answer.ok()) return answer.failure();
    bool consistent = !answer.value().interrupted;
    if (consistent || std::chrono::steady_clock::now() >= until) {
      return RtnlList{std::move(answer.value().replies), consistent};
    }
  }
}

}  // namespace tapfd
