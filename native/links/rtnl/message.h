// rtnetlink messages: building requests, and parsing answers with every access bounds-checked.

#ifndef TAPFD_LINKS_RTNL_MESSAGE_H_
#define TAPFD_LINKS_RTNL_MESSAGE_H_

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "sys/mac_address.h"

namespace tapfd {

// Bytes owned by something else.
struct ByteView {
  const uint8_t* data = nullptr;
  size_t size = 0;

  // The view without its first `count` bytes; empty when there are fewer.
  ByteView From(size_t count) const {
    return count <= size ? ByteView{data + count, size - count} : ByteView{};
  }
};

// "RTM_NEWLINK".
std::string RtnlTypeName(uint16_t type);

// One request. An attribute that does not fit its 16-bit length leaves `overflowed()` set, and RtnlSocket
// refuses to send such a message: nothing is ever truncated.
class RtnlMessage {
 public:
  // `header` is the family's fixed part: ifinfomsg, ifaddrmsg.
  template <typename Header>
  RtnlMessage(uint16_t type, uint16_t flags, const Header& header) {
    nlmsghdr netlink{};
    netlink.nlmsg_type = type;
    netlink.nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
    PutStruct(netlink);
    PutStruct(header);
  }

  void PutBytes(uint16_t type, const void* bytes, size_t size);
  void PutU8(uint16_t type, uint8_t value) { PutBytes(type, &value, sizeof value); }
  void PutU16(uint16_t type, uint16_t value) { PutBytes(type, &value, sizeof value); }
  void PutU32(uint16_t type, uint32_t value) { PutBytes(type, &value, sizeof value); }
  void PutMac(uint16_t type, const MacAddress& mac) { PutBytes(type, mac.data(), mac.size()); }
  // With the closing NUL, as interface names and kinds are sent.
  void PutString(uint16_t type, const std::string& text) { PutBytes(type, text.c_str(), text.size() + 1); }

  // An attribute whose payload is whatever `body` puts.
  template <typename Body>
  void PutNested(uint16_t type, Body body) {
    size_t start = Begin(type);
    body();
    End(start);
  }
  // A bare struct, inside a nested attribute that begins with one (VETH_INFO_PEER).
  template <typename Struct>
  void PutStruct(const Struct& value) {
    Append(&value, sizeof value);
  }

  void AddFlags(uint16_t flags);
  uint16_t type() const { return Header().nlmsg_type; }
  bool overflowed() const { return overflowed_; }
  // The bytes to send, with length and sequence number filled in.
  ByteView Finish(uint32_t sequence);

 private:
  nlmsghdr Header() const;
  void SetHeader(const nlmsghdr& header);
  void Append(const void* bytes, size_t size);
  size_t Begin(uint16_t type);
  void End(size_t start);

  std::vector<uint8_t> bytes_;
  bool overflowed_ = false;
};

struct RtnlAttribute {
  uint16_t type = 0;  // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
  ByteView payload;

  // The payload's first bytes as a T; nullopt when there are too few. Payloads are aligned to 4 bytes only.
  template <typename T>
  std::optional<T> Value() const {
    if (payload.size < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, payload.data, sizeof value);
    return value;
  }
  template <typename T>
  T ValueOr(T otherwise) const {
    return Value<T>().value_or(otherwise);
  }
  // Up to the first NUL, or the whole payload if there is none.
  std::string Text() const;
  std::optional<MacAddress> Mac() const;
};

// Iterates over the attributes in `bytes`. Ends at the first whose length does not fit: nothing after it can
// be trusted.
class RtnlAttributes {
 public:
  explicit RtnlAttributes(ByteView bytes) : rest_(bytes) {}
  bool Next(RtnlAttribute* attribute);

 private:
  ByteView rest_;
};

struct RtnlReceived {
  nlmsghdr header{};
  ByteView payload;

  // The family's fixed part; nullopt when the message is shorter.
  template <typename Header>
  std::optional<Header> Fixed() const {
    if (payload.size < sizeof(Header)) return std::nullopt;
    Header fixed;
    std::memcpy(&fixed, payload.data, sizeof fixed);
    return fixed;
  }
  template <typename Header>
  RtnlAttributes Attributes() const {
    return RtnlAttributes(payload.From(NLMSG_ALIGN(sizeof(Header))));
  }
};

// Iterates over the messages of one datagram; ends at the first whose length does not fit.
class RtnlMessages {
 public:
  explicit RtnlMessages(ByteView datagram) : rest_(datagram) {}
  bool Next(RtnlReceived* message);

 private:
  ByteView rest_;
};

}  // namespace tapfd

#endif  // TAPFD_LINKS_RTNL_MESSAGE_H_
