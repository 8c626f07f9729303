// UDP datagrams in bursts for the kernel to split (UDP_SEGMENT, udp(7)): each burst travels as one
// super-frame. The receiver checks each datagram and answers each burst, so nothing is lost for lack of
// buffer space.
//
//     udp_bursts receive ADDRESS     says "listening"; ends after the last burst with the number of datagrams
//     udp_bursts send ADDRESS

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "../check.h"

namespace {

constexpr const char* kPort = "5002";
constexpr uint32_t kBursts = 50;
constexpr uint32_t kDatagrams = 40;
constexpr uint32_t kBytes = 1200;
constexpr uint32_t kLastBytes = 700;  // the last of a burst is shorter

void Fill(uint8_t* to, uint32_t number, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; ++i) to[i] = static_cast<uint8_t>(number * 31 + i * 7 + (i >> 8));
}

uint32_t BytesOf(uint32_t number) {
  return number % kDatagrams == kDatagrams - 1 ? kLastBytes : kBytes;
}

int Open(const char* address, bool listen, struct addrinfo** found) {
  struct addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  CHECK(getaddrinfo(address, kPort, &hints, found) == 0, "%s", address);
  int fd = socket((*found)->ai_family, SOCK_DGRAM, 0);
  // Long enough for any machine; only a loss gets there.
  struct timeval patience = {30, 0};
  CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0, "%s", strerror(errno));
  if (listen) CHECK(bind(fd, (*found)->ai_addr, (*found)->ai_addrlen) == 0, "%s", strerror(errno));
  if (!listen) CHECK(connect(fd, (*found)->ai_addr, (*found)->ai_addrlen) == 0, "%s", strerror(errno));
  return fd;
}

void Receive(int fd) {
  std::printf("listening\n");
  std::fflush(stdout);
  uint8_t got[2048], expected[2048];
  uint32_t number = 0;
  while (number < kBursts * kDatagrams) {
    struct sockaddr_storage from;
    socklen_t from_bytes = sizeof from;
    ssize_t length = recvfrom(fd, got, sizeof got, 0, reinterpret_cast<struct sockaddr*>(&from), &from_bytes);
    CHECK(length >= 0, "datagram %u: %s", number, strerror(errno));
    CHECK(length == BytesOf(number), "datagram %u has %zd bytes", number, length);
    Fill(expected, number, BytesOf(number));
    CHECK(std::memcmp(got, expected, BytesOf(number)) == 0, "datagram %u is another", number);
    ++number;
    if (number % kDatagrams != 0) continue;
    sendto(fd, &number, sizeof number, 0, reinterpret_cast<struct sockaddr*>(&from), from_bytes);
  }
  std::printf("%u datagrams\n", number);
}

void Send(int fd) {
  int bytes = kBytes;
  CHECK(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &bytes, sizeof bytes) == 0, "%s", strerror(errno));
  static uint8_t burst[kDatagrams * kBytes];
  for (uint32_t number = 0; number < kBursts * kDatagrams; number += kDatagrams) {
    for (uint32_t i = 0; i < kDatagrams; ++i) Fill(burst + i * kBytes, number + i, BytesOf(number + i));
    size_t length = (kDatagrams - 1) * kBytes + kLastBytes;
    CHECK(send(fd, burst, length, 0) == static_cast<ssize_t>(length), "%s", strerror(errno));
    uint32_t answer = 0;
    CHECK(recv(fd, &answer, sizeof answer, 0) == sizeof answer, "no answer: %s", strerror(errno));
    CHECK(answer == number + kDatagrams, "%u arrived", answer);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 3, "see the comment in the source");
  bool receive = std::strcmp(argv[1], "receive") == 0;
  struct addrinfo* address = nullptr;
  int fd = Open(argv[2], receive, &address);
  if (receive) {
    Receive(fd);
  } else {
    Send(fd);
  }
  freeaddrinfo(address);
  close(fd);
}
