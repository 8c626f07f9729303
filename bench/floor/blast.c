// The producer that all receivers share: puts frames into a device's queue through a packet socket, bypassing
// the qdisc.
//
//     blast NAME KIND COMMANDS ANSWERS      both FIFOs
//
// `burst SIZE COUNT`: sends COUNT frames, none lost; `flood SIZE MS`: as many as it can in that time, at
// least one call's worth, lost ones not counted; `trickle SIZE US`: one every US microseconds, until killed.
// The answer is the number of frames that the queue accepted.

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include "device.h"

#define MESSAGES 64

static int open_socket(const char* name, bool vnet) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket AF_PACKET");
  int on = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0) die("PACKET_QDISC_BYPASS");
  if (vnet && setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0) die("PACKET_VNET_HDR");
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
  if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0) die("bind");
  return fd;
}

// ENOBUFS: the device's queue is full.
static size_t send_some(int fd, struct mmsghdr* messages, size_t max) {
  int sent = sendmmsg(fd, messages, max < MESSAGES ? (unsigned)max : MESSAGES, 0);
  if (sent < 0 && errno != ENOBUFS && errno != EINTR && errno != ENETDOWN) die("sendmmsg");
  return sent < 0 ? 0 : (size_t)sent;
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const char* kind = argv[2];
  int fd = open_socket(argv[1], strcmp(kind, "tap-vnet") == 0);
  ready();
  FILE* commands = fopen(argv[3], "r");
  FILE* answers = fopen(argv[4], "w");
  if (commands == NULL || answers == NULL) die("FIFO");

  static uint8_t frame[ROOM];
  struct iovec part = {frame, 0};
  struct sockaddr_ll to = {.sll_family = AF_PACKET,
                           .sll_protocol = htons(strcmp(kind, "tap") == 0 ? 0x88b5 : ETH_P_IP),
                           .sll_ifindex = (int)if_nametoindex(argv[1])};
  struct mmsghdr messages[MESSAGES] = {0};
  for (size_t i = 0; i < MESSAGES; i++) {
    messages[i].msg_hdr =
        (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1};
  }
  char verb[16];
  unsigned long size, amount;
  while (fscanf(commands, "%15s %lu %lu", verb, &size, &amount) == 3) {
    if (size + VNET_HEADER > ROOM) return 2;
    part.iov_len = fill_frame(frame, size, kind);
    uint64_t sent = 0;
    if (strcmp(verb, "burst") == 0) {
      while (sent < amount) sent += send_some(fd, messages, amount - sent);
    } else if (strcmp(verb, "flood") == 0) {
      uint64_t end = wall_ns() + amount * 1000000u;
      do {
        sent += send_some(fd, messages, MESSAGES);
      } while (wall_ns() < end);
    } else {
      for (;;) {
        send_some(fd, messages, 1);
        usleep((useconds_t)amount);
      }
    }
    fprintf(answers, "%llu\n", (unsigned long long)sent);
    fflush(answers);
  }
  return 0;
}
