// The parsers of links/rtnl/message.h on bytes that no kernel sends. Built with a sanitizer by
// rtnl-message.test.ts. Each input is in a heap block of exactly its size, so that reading one byte past its
// end is detected.

#include <linux/if_link.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>

#include "links/link.h"
#include "links/rtnl/message.h"

namespace tapfd {
namespace {

int failures = 0;

void Check(bool right, const char* what) {
  if (right) return;
  std::printf("wrong: %s\n", what);
  failures++;
}

struct Exact {
  explicit Exact(const std::vector<uint8_t>& from) : bytes(new uint8_t[from.size()]), size(from.size()) {
    std::copy(from.begin(), from.end(), bytes.get());
  }
  ByteView view() const { return ByteView{bytes.get(), size}; }
  std::unique_ptr<uint8_t[]> bytes;
  size_t size;
};

// Reads everything, including nested attributes.
size_t ReadAll(RtnlAttributes attributes, int depth) {
  size_t seen = 0;
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    seen += 1 + attribute.Text().size() + attribute.ValueOr<uint64_t>(0) % 2 + attribute.Mac().has_value();
    if (depth > 0) seen += ReadAll(RtnlAttributes(attribute.payload), depth - 1);
  }
  return seen;
}

size_t ReadDatagram(ByteView bytes) {
  size_t seen = 0;
  RtnlMessages messages(bytes);
  RtnlReceived message;
  while (messages.Next(&message)) {
    seen += ReadAll(message.Attributes<ifinfomsg>(), 3);
    if (std::optional<Link> link = LinkFromMessage(message)) seen += link->name.size();
  }
  return seen;
}

std::vector<uint8_t> GoodDatagram() {
  ifinfomsg header{};
  header.ifi_index = 7;
  RtnlMessage message(RTM_NEWLINK, 0, header);
  message.PutString(IFLA_IFNAME, "tap0");
  message.PutMac(IFLA_ADDRESS, MacAddress{2, 0, 0, 0, 0, 1});
  message.PutU32(IFLA_MTU, 1500);
  message.PutNested(IFLA_LINKINFO, [&] {
    message.PutString(IFLA_INFO_KIND, "tun");
    message.PutNested(IFLA_INFO_DATA, [&] {
      message.PutU8(IFLA_TUN_TYPE, 2);
      message.PutU32(IFLA_TUN_OWNER, 1000);
    });
  });
  rtnl_link_stats64 stats{};
  stats.rx_packets = 5;
  message.PutBytes(IFLA_STATS64, &stats, sizeof stats);
  ByteView bytes = message.Finish(1);
  return {bytes.data, bytes.data + bytes.size};
}

void TestGood() {
  Exact datagram(GoodDatagram());
  RtnlMessages messages(datagram.view());
  RtnlReceived message;
  Check(messages.Next(&message), "a message is there");
  std::optional<Link> link = LinkFromMessage(message);
  Check(link && link->index == 7 && link->name == "tap0" && link->mtu == 1500, "its attributes");
  Check(link && link->tun && link->tun->type == 2 && link->tun->owner == 1000u, "its nested attributes");
  Check(link && link->stats.rx_packets == 5, "its counters");
  Check(!messages.Next(&message), "and no other");
}

void TestEveryCut() {
  std::vector<uint8_t> good = GoodDatagram();
  for (size_t size = 0; size < good.size(); size++) {
    std::vector<uint8_t> cut(good.begin(), good.begin() + static_cast<long>(size));
    Check(ReadDatagram(Exact(cut).view()) == 0, "a message longer than the datagram is none");
    if (size < sizeof(nlmsghdr)) continue;
    // The length says what is there: what is left of the message is read, and no further.
    auto length = static_cast<uint32_t>(size);
    std::memcpy(cut.data(), &length, sizeof length);
    ReadDatagram(Exact(cut).view());
  }
}

void TestEveryByte() {
  std::vector<uint8_t> good = GoodDatagram();
  for (size_t place = 0; place < good.size(); place++) {
    for (int value : {0, 1, 3, 4, 5, 0x7f, 0x80, 0xff}) {
      std::vector<uint8_t> bad = good;
      bad[place] = static_cast<uint8_t>(value);
      ReadDatagram(Exact(bad).view());
    }
  }
}

void TestNoise() {
  std::mt19937 random(1);
  for (int round = 0; round < 200000; round++) {
    std::vector<uint8_t> noise(random() % 96);
    // Small bytes make lengths that fit now and then.
    for (uint8_t& byte : noise) byte = static_cast<uint8_t>(random() % (round % 2 ? 256 : 24));
    ReadDatagram(Exact(noise).view());
  }
}

void TestTooBig() {
  RtnlMessage fits(RTM_NEWLINK, 0, ifinfomsg{});
  std::vector<uint8_t> largest(UINT16_MAX - RTA_LENGTH(0));
  fits.PutBytes(1, largest.data(), largest.size());
  Check(!fits.overflowed(), "the largest attribute");
  fits.PutBytes(1, largest.data(), largest.size());
  Check(fits.overflowed(), "a message over the limit");

  RtnlMessage attribute(RTM_NEWLINK, 0, ifinfomsg{});
  largest.push_back(0);
  attribute.PutBytes(1, largest.data(), largest.size());
  Check(attribute.overflowed(), "an attribute over the limit");

  RtnlMessage nested(RTM_NEWLINK, 0, ifinfomsg{});
  nested.PutNested(1, [&] {
    for (int i = 0; i < 10000; i++) nested.PutMac(2, MacAddress{});
  });
  Check(nested.overflowed(), "a nested attribute over the limit");
}

}  // namespace
}  // namespace tapfd

int main() {
  tapfd::TestGood();
  tapfd::TestEveryCut();
  tapfd::TestEveryByte();
  tapfd::TestNoise();
  tapfd::TestTooBig();
  if (tapfd::failures == 0) std::printf("all right\n");
  return tapfd::failures == 0 ? 0 : 1;
}
