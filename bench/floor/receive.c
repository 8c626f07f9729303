// The floor of receiving: poll(2), then read(2) until EAGAIN, into the same memory each time.
//
//     receive NAME KIND COMMANDS ANSWERS      FIFOs of `blast`
//
// Standard input: `drain SIZE COUNT ROUNDS` or `flood SIZE MS`; the answer is JSON.

#include <poll.h>

#include "device.h"

static uint8_t frame[ROOM];

static uint64_t read_all(int device) {
  uint64_t frames = 0;
  while (read(device, frame, sizeof frame) > 0) frames++;
  if (errno != EAGAIN) die("read");
  return frames;
}

// The producer fills the queue, then all of it is read: only the reading counts.
static void drain(int device, int commands, int answers, unsigned long size, unsigned long count,
                  unsigned long rounds) {
  uint64_t frames = 0, cpu = 0, wall = 0;
  for (unsigned long round = 0; round < rounds; round++) {
    char text[64];
    dprintf(commands, "burst %lu %lu\n", size, count);
    if (read(answers, text, sizeof text) <= 0) die("the producer");
    uint64_t cpu_before = cpu_ns(), wall_before = wall_ns();
    for (uint64_t got = 0; got < count;) {
      struct pollfd wanted = {.fd = device, .events = POLLIN};
      if (poll(&wanted, 1, 5000) != 1) die("poll: frames are missing");
      got += read_all(device);
      if (got >= count) frames += got;
    }
    cpu += cpu_ns() - cpu_before;
    wall += wall_ns() - wall_before;
  }
  report(frames, cpu, wall);
}

static void flood(int device, int commands, int answers, unsigned long size, unsigned long ms) {
  uint64_t frames = 0, cpu_before = cpu_ns(), wall_before = wall_ns();
  dprintf(commands, "flood %lu %lu\n", size, ms);
  for (bool going = true;;) {
    struct pollfd wanted[2] = {{.fd = device, .events = POLLIN}, {.fd = answers, .events = POLLIN}};
    int count = poll(wanted, going ? 2 : 1, going ? 5000 : 0);
    if (going && count == 0) die("poll: the producer does not answer");
    if (wanted[0].revents & POLLIN)
      frames += read_all(device);
    else if (!going)
      break;
    if (going && (wanted[1].revents & POLLIN)) {
      char text[64];
      if (read(answers, text, sizeof text) <= 0) die("the producer");
      going = false;
    }
  }
  report(frames, cpu_ns() - cpu_before, wall_ns() - wall_before);
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  int device = open_device(NULL, argv[1], argv[2], false);
  ready();
  int commands = open(argv[3], O_WRONLY | O_CLOEXEC);
  int answers = open(argv[4], O_RDONLY | O_CLOEXEC);
  if (commands < 0 || answers < 0) die("FIFO");
  char line[128];
  while (fgets(line, sizeof line, stdin) != NULL) {
    unsigned long size, amount, rounds;
    if (sscanf(line, "drain %lu %lu %lu", &size, &amount, &rounds) == 3) {
      drain(device, commands, answers, size, amount, rounds);
    } else if (sscanf(line, "flood %lu %lu", &size, &amount) == 2) {
      flood(device, commands, answers, size, amount);
    }
  }
  return 0;
}
