// A thread that waits for descriptors to become ready, for event loops that cannot do so themselves.

#ifndef TAPFD_SYS_EPOLL_POLL_THREAD_H_
#define TAPFD_SYS_EPOLL_POLL_THREAD_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace tapfd {

// Belongs to the thread that started it, the owner, which makes all calls. The poll thread sees numbers only,
// never what they stand for: once Remove() has returned, the owner may close the descriptor and destroy all
// that goes with it, and what the thread still reports of it is a number that the owner no longer knows.
class PollThread {
 public:
  struct Ready {
    uint64_t id;      // from 1 on
    uint32_t events;  // EPOLLIN and so on
  };

  // `wake` is called on the poll thread, and then not again before the owner has called Take().
  static Result<std::unique_ptr<PollThread>> Start(std::function<void()> wake);
  PollThread(const PollThread&) = delete;
  PollThread& operator=(const PollThread&) = delete;
  // Waits for the thread, which must not be waiting for the owner in `wake`.
  ~PollThread();

  // Reserves a descriptor and makes it non-blocking. EEXIST: it is reserved already; EPERM: a file that
  // cannot be polled.
  Status Add(int fd);
  // Reports one event, with `id`: then it is to be armed again. An armed descriptor is changed.
  Status Arm(int fd, uint64_t id, uint32_t events);
  // Before the descriptor is closed: the file may have other descriptors, and would be reported for ever.
  void Remove(int fd);
  // What has been reported since the last call.
  std::vector<Ready> Take();

 private:
  PollThread(Fd epoll, Fd stop, std::function<void()> wake);
  static void* Run(void* self);
  void Report(const std::vector<Ready>& ready);

  const Fd epoll_;
  const Fd stop_;  // an eventfd
  const std::function<void()> wake_;
  std::set<int> reserved_;
  pthread_t thread_{};
  std::mutex mutex_;
  std::vector<Ready> ready_;  // under the mutex
  // The owner has been woken and has not called Take() yet.
  std::atomic<bool> pending_{false};
};

}  // namespace tapfd

#endif  // TAPFD_SYS_EPOLL_POLL_THREAD_H_
