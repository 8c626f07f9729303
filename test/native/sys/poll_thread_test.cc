// PollThread under load: descriptors come, go and are armed again while the thread reports them.

#include "sys/epoll/poll_thread.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <map>
#include <string>

#include "../check.h"

using namespace tapfd;

#define HOLDS(condition) CHECK(condition, "errno %d", errno)

namespace {

// The owner's event loop: a pipe that `wake` writes to.
struct Loop {
  int ends[2];
  std::unique_ptr<PollThread> thread;

  Loop() {
    HOLDS(pipe2(ends, O_CLOEXEC) == 0);
    Result<std::unique_ptr<PollThread>> started =
        PollThread::Start([fd = ends[1]] { HOLDS(write(fd, "", 1) == 1); });
    HOLDS(started.ok());
    thread = std::move(started.value());
  }
  ~Loop() {
    thread.reset();
    close(ends[0]);
    close(ends[1]);
  }
  std::vector<PollThread::Ready> Wait() {
    char byte;
    HOLDS(read(ends[0], &byte, 1) == 1);
    return thread->Take();
  }
  bool IsWoken(int milliseconds) {
    pollfd look{ends[0], POLLIN, 0};
    return poll(&look, 1, milliseconds) == 1;
  }
};

struct Pair {
  int a, b;
  Pair() {
    int both[2];
    HOLDS(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, both) == 0);
    a = both[0];
    b = both[1];
  }
  ~Pair() {
    if (a >= 0) close(a);
    close(b);
  }
};

void OneEventForEachArming() {
  Loop loop;
  Pair pair;
  HOLDS(loop.thread->Add(pair.a).ok());
  HOLDS((fcntl(pair.a, F_GETFL) & O_NONBLOCK) != 0);
  HOLDS(loop.thread->Add(pair.a).failure().error == EEXIST);
  HOLDS(send(pair.b, "x", 1, 0) == 1);
  HOLDS(!loop.IsWoken(20));
  for (uint64_t id = 1; id <= 3; ++id) {
    HOLDS(loop.thread->Arm(pair.a, id, EPOLLIN).ok());
    std::vector<PollThread::Ready> ready = loop.Wait();
    HOLDS(ready.size() == 1 && ready[0].id == id && ready[0].events == EPOLLIN);
    HOLDS(!loop.IsWoken(20));
  }
}

void AHangUpThatNobodyWaitsForIsNotReported() {
  Loop loop;
  int both[2];
  HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0);
  close(both[1]);
  HOLDS(loop.thread->Add(both[0]).ok());
  HOLDS(!loop.IsWoken(20));
  HOLDS(loop.thread->Arm(both[0], 1, EPOLLIN).ok());
  HOLDS((loop.Wait().at(0).events & EPOLLHUP) != 0);
  loop.thread->Remove(both[0]);
  close(both[0]);
}

void ADuplicateThatLivesOnIsNotReported() {
  Loop loop;
  Pair pair;
  HOLDS(loop.thread->Add(pair.a).ok());
  HOLDS(loop.thread->Arm(pair.a, 1, EPOLLIN).ok());
  int copy = dup(pair.a);
  loop.thread->Remove(pair.a);
  close(pair.a);
  pair.a = -1;
  HOLDS(send(pair.b, "x", 1, 0) == 1);
  HOLDS(!loop.IsWoken(20));
  // The number is free for another file.
  Pair other;
  HOLDS(loop.thread->Add(other.a).ok());
  close(copy);
}

void WhatCannotBePolledIsRefused() {
  Loop loop;
  int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  HOLDS(file >= 0);
  HOLDS(loop.thread->Add(file).failure().error == EPERM);
  close(file);
  HOLDS(loop.thread->Add(file).failure().error == EBADF);
}

void OneWakeUntilTaken() {
  Loop loop;
  Pair first, second;
  HOLDS(loop.thread->Add(first.a).ok() && loop.thread->Add(second.a).ok());
  HOLDS(send(first.b, "x", 1, 0) == 1 && send(second.b, "x", 1, 0) == 1);
  HOLDS(loop.thread->Arm(first.a, 1, EPOLLIN).ok());
  HOLDS(loop.IsWoken(-1));
  HOLDS(loop.thread->Arm(second.a, 2, EPOLLIN).ok());
  usleep(20000);  // the thread may report it by then, or later: in both cases it is not lost
  size_t seen = loop.Wait().size();
  while (seen < 2) seen += loop.Wait().size();
  HOLDS(seen == 2);
}

// Under ThreadSanitizer: descriptors that are closed, and numbers used again, while events are on their way.
void ComingAndGoing() {
  Loop loop;
  std::map<uint64_t, std::unique_ptr<Pair>> pairs;
  uint64_t last = 0, reported = 0, forgotten = 0;
  for (int round = 0; round < 20000; ++round) {
    if (pairs.size() < 32) {
      auto pair = std::make_unique<Pair>();
      HOLDS(send(pair->b, "x", 1, 0) == 1);
      HOLDS(loop.thread->Add(pair->a).ok());
      HOLDS(loop.thread->Arm(pair->a, ++last, EPOLLIN).ok());
      pairs.emplace(last, std::move(pair));
    }
    if (round % 3 == 0) {
      auto gone = pairs.begin();
      loop.thread->Remove(gone->second->a);
      pairs.erase(gone);
    }
    if (!loop.IsWoken(0)) continue;
    for (const PollThread::Ready& ready : loop.Wait()) {
      HOLDS(ready.id >= 1 && ready.id <= last);
      auto found = pairs.find(ready.id);
      ++(found == pairs.end() ? forgotten : reported);
      if (found != pairs.end()) HOLDS(loop.thread->Arm(found->second->a, ready.id, EPOLLIN).ok());
    }
  }
  HOLDS(reported > 100);
  for (auto& [id, pair] : pairs) loop.thread->Remove(pair->a);
}

void EndingWhileItReports() {
  for (int i = 0; i < 500; ++i) {
    Loop loop;
    Pair pair;
    HOLDS(loop.thread->Add(pair.a).ok());
    HOLDS(send(pair.b, "x", 1, 0) == 1);
    HOLDS(loop.thread->Arm(pair.a, 1, EPOLLIN).ok());
    if (i % 2 == 0) loop.Wait();
    loop.thread->Remove(pair.a);
  }
}

}  // namespace

int main(int, char** argv) {
  const std::map<std::string, void (*)()> tests = {
      {"one event for each arming", OneEventForEachArming},
      {"a hang-up that nobody waits for is not reported", AHangUpThatNobodyWaitsForIsNotReported},
      {"a duplicate that lives on is not reported", ADuplicateThatLivesOnIsNotReported},
      {"what cannot be polled is refused", WhatCannotBePolledIsRefused},
      {"one wake until it is taken", OneWakeUntilTaken},
      {"descriptors that come and go", ComingAndGoing},
      {"ending while it reports", EndingWhileItReports},
  };
  tests.at(argv[1])();
  std::puts("so it is");
}
