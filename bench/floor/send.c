// The floor of sending: one write(2) a frame, from a buffer that holds as many frames as a batch in
// JavaScript.
//
//     send NAME KIND
//
// Standard input: `send SIZE COUNT`; the answer is JSON.

#include <poll.h>

#include "device.h"

#define BATCH 256
#define SUPER_BATCH 16

static void send_frames(int device, const char* kind, unsigned long size, unsigned long count) {
  static uint8_t batch[SUPER_BATCH * ROOM];
  const size_t frames = size > 4096 ? SUPER_BATCH : BATCH;
  const size_t step = (size + VNET_HEADER + 7) & ~(size_t)7;
  size_t length = 0;
  for (size_t i = 0; i < frames; i++) length = fill_frame(batch + i * step, size, kind);
  uint64_t cpu_before = cpu_ns(), wall_before = wall_ns();
  for (unsigned long sent = 0; sent < count;) {
    if (write(device, batch + sent % frames * step, length) == (ssize_t)length) {
      sent++;
    } else if (errno == EAGAIN) {
      struct pollfd wanted = {.fd = device, .events = POLLOUT};
      poll(&wanted, 1, 5000);
    } else {
      die("write");
    }
  }
  report(count, cpu_ns() - cpu_before, wall_ns() - wall_before);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  int device = open_device(NULL, argv[1], argv[2], false);
  ready();
  char line[128];
  while (fgets(line, sizeof line, stdin) != NULL) {
    unsigned long size, count;
    if (sscanf(line, "send %lu %lu", &size, &count) == 2) send_frames(device, argv[2], size, count);
  }
  return 0;
}
