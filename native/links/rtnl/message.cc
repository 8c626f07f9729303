#include "links/rtnl/message.h"

#include <algorithm>

namespace tapfd {

namespace {

constexpr size_t kMaxAttributeBytes = UINT16_MAX;
// Far above any request of this library, and below the default socket send buffer.
constexpr size_t kMaxMessageBytes = 128 * 1024;

size_t Aligned(size_t size) {
  return NLMSG_ALIGN(size);
}

}  // namespace

std::string RtnlTypeName(uint16_t type) {
  switch (type) {
    case RTM_NEWLINK:
      return "RTM_NEWLINK";
    case RTM_DELLINK:
      return "RTM_DELLINK";
    case RTM_GETLINK:
      return "RTM_GETLINK";
    case RTM_SETLINK:
      return "RTM_SETLINK";
    case RTM_NEWQDISC:
      return "RTM_NEWQDISC";
    case RTM_DELQDISC:
      return "RTM_DELQDISC";
    case RTM_NEWADDR:
      return "RTM_NEWADDR";
    case RTM_DELADDR:
      return "RTM_DELADDR";
    case RTM_GETADDR:
      return "RTM_GETADDR";
    default:
      return std::to_string(type);
  }
}

nlmsghdr RtnlMessage::Header() const {
  nlmsghdr header;
  std::memcpy(&header, bytes_.data(), sizeof header);
  return header;
}

void RtnlMessage::SetHeader(const nlmsghdr& header) {
  std::memcpy(bytes_.data(), &header, sizeof header);
}

void RtnlMessage::AddFlags(uint16_t flags) {
  nlmsghdr header = Header();
  header.nlmsg_flags |= flags;
  SetHeader(header);
}

void RtnlMessage::Append(const void* bytes, size_t size) {
  if (overflowed_ || bytes_.size() + Aligned(size) > kMaxMessageBytes) {
    overflowed_ = true;
    return;
  }
  const auto* first = static_cast<const uint8_t*>(bytes);
  bytes_.insert(bytes_.end(), first, first + size);
  bytes_.resize(Aligned(bytes_.size()), 0);
}

void RtnlMessage::PutBytes(uint16_t type, const void* bytes, size_t size) {
  if (RTA_LENGTH(0) + size > kMaxAttributeBytes) {
    overflowed_ = true;
    return;
  }
  rtattr attribute{};
  attribute.rta_type = type;
  attribute.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
  Append(&attribute, sizeof attribute);
  if (size > 0) Append(bytes, size);
}

size_t RtnlMessage::Begin(uint16_t type) {
  size_t start = bytes_.size();
  PutBytes(type, nullptr, 0);
  return start;
}

void RtnlMessage::End(size_t start) {
  size_t size = bytes_.size() - std::min(start, bytes_.size());
  if (overflowed_ || size > kMaxAttributeBytes) {
    overflowed_ = true;
    return;
  }
  rtattr attribute;
  std::memcpy(&attribute, bytes_.data() + start, sizeof attribute);
  attribute.rta_len = static_cast<unsigned short>(size);
  std::memcpy(bytes_.data() + start, &attribute, sizeof attribute);
}

ByteView RtnlMessage::Finish(uint32_t sequence) {
  nlmsghdr header = Header();
  header.nlmsg_len = static_cast<uint32_t>(bytes_.size());
  header.nlmsg_seq = sequence;
  SetHeader(header);
  return ByteView{bytes_.data(), bytes_.size()};
}

std::string RtnlAttribute::Text() const {
  const auto* first = reinterpret_cast<const char*>(payload.data);
  return std::string(first, first == nullptr ? 0 : strnlen(first, payload.size));
}

std::optional<MacAddress> RtnlAttribute::Mac() const {
  // Other lengths are addresses of other media (InfiniBand has 20 bytes), which this library does not handle.
  if (payload.size != sizeof(MacAddress)) return std::nullopt;
  return Value<MacAddress>();
}

bool RtnlAttributes::Next(RtnlAttribute* attribute) {
  rtattr header;
  if (rest_.size < sizeof header) return false;
  std::memcpy(&header, rest_.data, sizeof header);
  if (header.rta_len < sizeof header || header.rta_len > rest_.size) return false;
  attribute->type = header.rta_type & NLA_TYPE_MASK;
  attribute->payload = ByteView{rest_.data + sizeof header, header.rta_len - sizeof header};
  rest_ = rest_.From(Aligned(header.rta_len));
  return true;
}

bool RtnlMessages::Next(RtnlReceived* message) {
  nlmsghdr header;
  if (rest_.size < sizeof header) return false;
  std::memcpy(&header, rest_.data, sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest_.size) return false;
  message->header = header;
  message->payload = ByteView{rest_.data + sizeof header, header.nlmsg_len - sizeof header};
  rest_ = rest_.From(Aligned(header.nlmsg_len));
  return true;
}

}  // namespace tapfd
