#include "sys/epoll/poll_thread.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace tapfd {

namespace {

// No owner's ids.
constexpr uint64_t kStop = 0;
constexpr uint64_t kNobody = UINT64_MAX;
constexpr int kMaxEvents = 64;

Status Control(int epoll, int operation, int fd, uint64_t id, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (epoll_ctl(epoll, operation, fd, &event) != 0) return Failure::FromErrno("epoll_ctl");
  return Done{};
}

}  // namespace

Result<std::unique_ptr<PollThread>> PollThread::Start(std::function<void()> wake) {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return Failure::FromErrno("epoll_create1");
  Fd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) return Failure::FromErrno("eventfd");
  Status watched = Control(epoll.get(), EPOLL_CTL_ADD, stop.get(), kStop, EPOLLIN);
  if (!watched.ok()) return watched.failure();
  std::unique_ptr<PollThread> started(new PollThread(std::move(epoll), std::move(stop), std::move(wake)));
  // Signals are for the process's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&started->thread_, nullptr, Run, started.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    started->thread_ = {};
    return Failure::FromError(error, "pthread_create");
  }
  return Result<std::unique_ptr<PollThread>>(std::move(started));
}

PollThread::PollThread(Fd epoll, Fd stop, std::function<void()> wake)
    : epoll_(std::move(epoll)), stop_(std::move(stop)), wake_(std::move(wake)) {}

PollThread::~PollThread() {
  if (thread_ == pthread_t{}) return;
  eventfd_write(stop_.get(), 1);
  pthread_join(thread_, nullptr);
}

void* PollThread::Run(void* raw) {
  auto* self = static_cast<PollThread*>(raw);
  std::array<epoll_event, kMaxEvents> events;
  std::vector<Ready> ready;
  while (true) {
    int count = epoll_wait(self->epoll_.get(), events.data(), kMaxEvents, -1);
    if (count < 0 && errno != EINTR) return nullptr;
    ready.clear();
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kStop) return nullptr;
      if (events[i].data.u64 != kNobody) ready.push_back({events[i].data.u64, events[i].events});
    }
    if (!ready.empty()) self->Report(ready);
  }
}

void PollThread::Report(const std::vector<Ready>& ready) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ready_.insert(ready_.end(), ready.begin(), ready.end());
  }
  if (!pending_.exchange(true)) wake_();
}

std::vector<PollThread::Ready> PollThread::Take() {
  // Before the list is taken: what is added later wakes again.
  pending_ = false;
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(ready_, {});
}

Status PollThread::Add(int fd) {
  if (reserved_.count(fd) != 0) return Failure::FromError(EEXIST, "epoll_ctl");
  // On trial: a hang-up cannot be masked, and is nobody's yet.
  Status polled = Control(epoll_.get(), EPOLL_CTL_ADD, fd, kNobody, EPOLLONESHOT);
  if (!polled.ok()) return polled;
  Control(epoll_.get(), EPOLL_CTL_DEL, fd, 0, 0);
  int flags = fcntl(fd, F_GETFL);
  if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1) return Failure::FromErrno("fcntl F_SETFL");
  reserved_.insert(fd);
  return Done{};
}

Status PollThread::Arm(int fd, uint64_t id, uint32_t events) {
  events |= EPOLLONESHOT;
  Status changed = Control(epoll_.get(), EPOLL_CTL_MOD, fd, id, events);
  if (changed.ok() || changed.failure().error != ENOENT) return changed;
  return Control(epoll_.get(), EPOLL_CTL_ADD, fd, id, events);
}

void PollThread::Remove(int fd) {
  if (reserved_.erase(fd) != 0) Control(epoll_.get(), EPOLL_CTL_DEL, fd, 0, 0);
}

}  // namespace tapfd
