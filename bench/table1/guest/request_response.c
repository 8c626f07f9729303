/*
 * Request and response, like netperf's TCP_RR and UDP_RR: one byte out, one byte back, one at a time.
 *
 *     request_response serve PORT                               TCP and UDP, until killed
 *     request_response tcp|udp ADDRESS PORT SECONDS             prints one line of JSON
 *
 * A UDP request without an answer within 0.2 s counts as lost, and the next one has a new number; late
 * answers are recognised by their number and ignored.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SAMPLES = 4 * 1000 * 1000, WARM_UP = 20, LOST_AFTER_MS = 200, MAX_PEERS = 16 };

static void die(const char* what) {
  perror(what);
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void no_delay(int fd) {
  int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) die("TCP_NODELAY");
}

static struct sockaddr_in address_of(const char* host, const char* port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die("inet_pton");
  return address;
}

static int bound_socket(int type, const char* port) {
  struct sockaddr_in address = address_of("0.0.0.0", port);
  int fd = socket(AF_INET, type, 0);
  int on = 1;
  if (fd < 0) die("socket");
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) die("SO_REUSEADDR");
  if (bind(fd, (struct sockaddr*)&address, sizeof address) < 0) die("bind");
  return fd;
}

static void serve(const char* port) {
  struct pollfd watched[2 + MAX_PEERS] = {{.fd = bound_socket(SOCK_STREAM, port), .events = POLLIN},
                                          {.fd = bound_socket(SOCK_DGRAM, port), .events = POLLIN}};
  int count = 2;
  if (listen(watched[0].fd, MAX_PEERS) < 0) die("listen");
  puts("serving");
  fflush(stdout);
  for (;;) {
    char data[64];
    if (poll(watched, (nfds_t)count, -1) < 0) die("poll");
    for (int i = count - 1; i >= 2; i -= 1) {
      if (watched[i].revents == 0) continue;
      ssize_t got = read(watched[i].fd, data, sizeof data);
      if (got > 0 && write(watched[i].fd, data, (size_t)got) == got) continue;
      close(watched[i].fd);
      watched[i] = watched[--count];
    }
    if (watched[1].revents != 0) {
      struct sockaddr_in peer;
      socklen_t size = sizeof peer;
      ssize_t got = recvfrom(watched[1].fd, data, sizeof data, 0, (struct sockaddr*)&peer, &size);
      if (got >= 0) sendto(watched[1].fd, data, (size_t)got, 0, (struct sockaddr*)&peer, size);
    }
    if (watched[0].revents != 0) {
      int fd = accept(watched[0].fd, NULL, NULL);
      if (fd < 0) continue;
      if (count == 2 + MAX_PEERS) {
        close(fd);
        continue;
      }
      no_delay(fd);
      watched[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
  }
}

static int by_size(const void* a, const void* b) {
  float x = *(const float*)a;
  float y = *(const float*)b;
  return (x > y) - (x < y);
}

/* One byte out and back. Returns 1, or 0 if it was lost. */
static int ask(int fd, int is_udp, unsigned char number) {
  unsigned char answer = 0;
  if (send(fd, &number, 1, 0) != 1) die("send");
  for (;;) {
    if (is_udp) {
      struct pollfd watched = {.fd = fd, .events = POLLIN};
      if (poll(&watched, 1, LOST_AFTER_MS) == 0) return 0;
    }
    ssize_t got = recv(fd, &answer, 1, 0);
    if (got < 0) die("recv");
    if (got == 0) {
      fprintf(stderr, "request_response: the server closed the connection\n");
      exit(1);
    }
    if (answer == number) return 1;
  }
}

static void request(int is_udp, const char* host, const char* port, double seconds) {
  struct sockaddr_in address = address_of(host, port);
  int fd = socket(AF_INET, is_udp ? SOCK_DGRAM : SOCK_STREAM, 0);
  float* times = malloc(MAX_SAMPLES * sizeof *times);
  int count = 0;
  int lost = 0;
  unsigned char number = 0;
  if (fd < 0 || times == NULL) die("socket");
  if (connect(fd, (struct sockaddr*)&address, sizeof address) < 0) die("connect");
  if (!is_udp) no_delay(fd);
  for (int i = 0; i < WARM_UP; i += 1) ask(fd, is_udp, number++);
  int64_t start = now_ns();
  int64_t end = start + (int64_t)(seconds * 1e9);
  int64_t before = start;
  while (before < end && count < MAX_SAMPLES) {
    int answered = ask(fd, is_udp, number++);
    int64_t after = now_ns();
    if (answered)
      times[count++] = (float)((double)(after - before) / 1000);
    else
      lost += 1;
    before = after;
  }
  if (count == 0) {
    fprintf(stderr, "request_response: nothing was answered\n");
    exit(1);
  }
  qsort(times, (size_t)count, sizeof *times, by_size);
  printf("{\"perSecond\":%.1f,\"medianUs\":%.1f,\"p99Us\":%.1f,\"count\":%d,\"lost\":%d}\n",
         count * 1e9 / (double)(before - start), times[count / 2], times[(int)(count * 0.99)], count, lost);
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "serve") == 0) serve(argv[2]);
  if (argc == 5 && (strcmp(argv[1], "tcp") == 0 || strcmp(argv[1], "udp") == 0)) {
    request(argv[1][0] == 'u', argv[2], argv[3], atof(argv[4]));
    return 0;
  }
  fprintf(stderr, "request_response serve PORT | request_response tcp|udp ADDRESS PORT SECONDS\n");
  return 2;
}
