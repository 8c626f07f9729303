// The floor of forwarding: writes what it reads from one device to the other unchanged, both ways,
// super-frames whole.
//
//     forward THREADS KIND NETNS NAME NETNS NAME      1 thread for both directions, or 2
//
// Standard input: `cpu` answers with the CPU time used so far; the program ends with its input.

#include <poll.h>
#include <pthread.h>

#include "device.h"

// One direction must not starve the other.
#define BURST 64

struct direction {
  int from;
  int to;
};

static void write_frame(int to, const uint8_t* frame, size_t length) {
  while (write(to, frame, length) < 0) {
    if (errno != EAGAIN) return;  // dropped, as a network card drops it
    struct pollfd wanted = {.fd = to, .events = POLLOUT};
    poll(&wanted, 1, 1000);
  }
}

static void pass_burst(struct direction way, uint8_t* frame) {
  for (int i = 0; i < BURST; i++) {
    ssize_t length = read(way.from, frame, ROOM);
    if (length <= 0) return;
    write_frame(way.to, frame, (size_t)length);
  }
}

static void* pass_one_way(void* argument) {
  struct direction way = *(struct direction*)argument;
  uint8_t* frame = malloc(ROOM);
  for (;;) {
    struct pollfd wanted = {.fd = way.from, .events = POLLIN};
    if (poll(&wanted, 1, -1) == 1) pass_burst(way, frame);
  }
  return NULL;
}

static void* pass_both_ways(void* argument) {
  struct direction* ways = argument;
  uint8_t* frame = malloc(ROOM);
  for (;;) {
    struct pollfd wanted[2] = {{.fd = ways[0].from, .events = POLLIN},
                               {.fd = ways[1].from, .events = POLLIN}};
    if (poll(wanted, 2, -1) < 1) continue;
    for (int i = 0; i < 2; i++) {
      if (wanted[i].revents & POLLIN) pass_burst(ways[i], frame);
    }
  }
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  int one = open_device(argv[3], argv[4], argv[2], false);
  int other = open_device(argv[5], argv[6], argv[2], false);
  struct direction ways[2] = {{one, other}, {other, one}};
  pthread_t thread;
  if (atoi(argv[1]) == 1) {
    pthread_create(&thread, NULL, pass_both_ways, ways);
  } else {
    for (int i = 0; i < 2; i++) pthread_create(&thread, NULL, pass_one_way, &ways[i]);
  }
  ready();
  char line[128];
  while (fgets(line, sizeof line, stdin) != NULL) report(0, cpu_ns(), wall_ns());
  return 0;
}
