// What the floor programs share: opening a device as plainly as possible, a frame to send, the CPU time used.

#ifndef TAPFD_BENCH_DEVICE_H_
#define TAPFD_BENCH_DEVICE_H_

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// 64 KiB of packet and its headers.
#define ROOM (66 * 1024)
#define VNET_HEADER 10
// The size that stands for a super-frame: 44 segments of 1460 bytes behind Ethernet, IPv4 and TCP headers.
#define SUPER_SEGMENTS 44
#define SEGMENT_BYTES 1460
#define SUPER_BYTES (14 + 20 + 20 + SUPER_SEGMENTS * SEGMENT_BYTES)

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static inline void die(const char* what) {
  perror(what);
  exit(1);
}

// `kind`: tap, tun, or tap-vnet with the offloads that let super-frames through.
static inline int open_device(const char* netns, const char* name, const char* kind, bool blocking) {
  if (netns != NULL && strcmp(netns, "-") != 0) {
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", netns);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) != 0) die(path);
    close(ns);
  }
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | (blocking ? 0 : O_NONBLOCK));
  if (fd < 0) die("/dev/net/tun");
  bool vnet = strcmp(kind, "tap-vnet") == 0;
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags =
      (short)((strcmp(kind, "tun") == 0 ? IFF_TUN : IFF_TAP) | IFF_NO_PI | (vnet ? IFF_VNET_HDR : 0));
  if (ioctl(fd, TUNSETIFF, &request) != 0) die("ioctl TUNSETIFF");
  unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (vnet && ioctl(fd, TUNSETOFFLOAD, offload | TUN_F_USO4 | TUN_F_USO6) != 0 &&
      ioctl(fd, TUNSETOFFLOAD, offload) != 0) {
    die("ioctl TUNSETOFFLOAD");
  }
  return fd;
}

static inline void fill_ipv4(uint8_t* ip, size_t length, uint8_t protocol) {
  memset(ip, 0, 20);
  ip[0] = 0x45;
  ip[2] = (uint8_t)(length >> 8);
  ip[3] = (uint8_t)length;
  ip[8] = 64;
  ip[9] = protocol;
  memcpy(ip + 12, (uint8_t[]){192, 0, 2, 1, 192, 0, 2, 2}, 8);  // TEST-NET-1, RFC 5737
  uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  ip[10] = (uint8_t)(~sum >> 8);
  ip[11] = (uint8_t)~sum;
}

// Writes a frame of `size` bytes (SUPER_BYTES with a vnet header: VNET_HEADER more) and returns its length.
// The receiving side of the kernel drops it early: an unused EtherType, or another host's address.
static inline size_t fill_frame(uint8_t* frame, size_t size, const char* kind) {
  memset(frame, 0xa5, size + VNET_HEADER);
  if (strcmp(kind, "tun") == 0) {
    fill_ipv4(frame, size, 253);
    return size;
  }
  size_t header = 0;
  bool super = strcmp(kind, "tap-vnet") == 0;
  if (super) {
    struct virtio_net_hdr vnet = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                  .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                  .hdr_len = 54,
                                  .gso_size = SEGMENT_BYTES,
                                  .csum_start = 34,
                                  .csum_offset = 16};
    memcpy(frame, &vnet, VNET_HEADER);
    header = VNET_HEADER;
  }
  uint8_t* ethernet = frame + header;
  memcpy(ethernet, (uint8_t[]){2, 0, 0, 0, 0, 0xfe, 2, 0, 0, 0, 0, 0xfd}, 12);
  uint16_t type = htons(super ? 0x0800 : 0x88b5);
  memcpy(ethernet + 12, &type, 2);
  if (super) {
    fill_ipv4(ethernet + 14, size - 14, 6);
    memset(ethernet + 34, 0, 20);
    ethernet[34 + 12] = 5 << 4;
    ethernet[34 + 13] = 0x10;  // ACK
  }
  return header + size;
}

static inline uint64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t wall_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void report(uint64_t frames, uint64_t cpu, uint64_t wall) {
  printf("{\"frames\":%llu,\"cpuNs\":%llu,\"wallNs\":%llu}\n", (unsigned long long)frames,
         (unsigned long long)cpu, (unsigned long long)wall);
  fflush(stdout);
}

static inline void ready(void) {
  puts("{\"ready\":true}");
  fflush(stdout);
}

#endif  // TAPFD_BENCH_DEVICE_H_
