// A flood ping that records each round trip: the next echo request is sent when the reply has arrived.
//
//     round_trip ADDRESS COUNT SIZE      bytes of the Ethernet frame, 64 to 1500
//
// Prints JSON: percentiles of the round trips in nanoseconds; a request without a reply within a second
// counts as lost.

#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#include "device.h"

static uint16_t checksum(const uint8_t* data, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < length; i += 2) sum += (uint32_t)(data[i] << 8 | data[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons((uint16_t)~sum);
}

static int by_length(const void* left, const void* right) {
  uint64_t a = *(const uint64_t*)left, b = *(const uint64_t*)right;
  return a < b ? -1 : a > b;
}

static bool await_reply(int fd, uint16_t id, uint16_t sequence, uint64_t end) {
  for (;;) {
    int64_t left = (int64_t)(end - wall_ns());
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    if (left <= 0 || poll(&wanted, 1, (int)(left / 1000000) + 1) != 1) return false;
    uint8_t packet[2048];
    ssize_t length = recv(fd, packet, sizeof packet, 0);
    if (length < 28) continue;
    struct icmphdr reply;
    memcpy(&reply, packet + 4 * (packet[0] & 15), sizeof reply);
    if (reply.type == ICMP_ECHOREPLY && reply.un.echo.id == id && reply.un.echo.sequence == sequence)
      return true;
  }
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
  if (fd < 0) die("socket ICMP");
  struct sockaddr_in to = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
  size_t count = strtoul(argv[2], NULL, 10), got = 0, lost = 0;
  // What remains for ICMP after the headers of Ethernet and IPv4.
  size_t length = strtoul(argv[3], NULL, 10) - 34;
  static uint8_t packet[1500];
  if (length < sizeof(struct icmphdr) || length > sizeof packet) return 2;
  uint64_t *trips = calloc(count, sizeof *trips), sum = 0;
  uint16_t id = (uint16_t)getpid();
  for (size_t i = 0; i < count; i++) {
    memset(packet, 0x5a, length);
    struct icmphdr header = {.type = ICMP_ECHO, .un.echo = {.id = id, .sequence = (uint16_t)i}};
    memcpy(packet, &header, sizeof header);
    header.checksum = checksum(packet, length);
    memcpy(packet, &header, sizeof header);
    uint64_t start = wall_ns();
    if (sendto(fd, packet, length, 0, (struct sockaddr*)&to, sizeof to) < 0) die("sendto");
    if (await_reply(fd, id, (uint16_t)i, start + 1000000000u)) {
      trips[got++] = wall_ns() - start;
    } else {
      lost++;
    }
  }
  if (got == 0) die("no reply at all");
  qsort(trips, got, sizeof *trips, by_length);
  for (size_t i = 0; i < got; i++) sum += trips[i];
  printf(
      "{\"received\":%zu,\"lost\":%zu,\"avg\":%llu,\"p50\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu}\n",
      got, lost, (unsigned long long)(sum / got), (unsigned long long)trips[got / 2],
      (unsigned long long)trips[got * 99 / 100], (unsigned long long)trips[got * 999 / 1000],
      (unsigned long long)trips[got - 1]);
  return 0;
}
