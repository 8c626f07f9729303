// What polls a descriptor for a PollHandle: libuv (uv_source.h), or a thread where the runtime has no libuv
// (thread_loop.h).

#ifndef TAPFD_NODE_POLL_SOURCE_H_
#define TAPFD_NODE_POLL_SOURCE_H_

#include "sys/result.h"

namespace tapfd {

// Called from the event loop, with no JavaScript below; may close the handle.
class PollListener {
 public:
  // `events` are ready, or `error` is the errno that ended the polling: EBADF for a POLLERR, which says
  // nothing about the descriptor itself (libuv, uv__poll_io). Watch() starts it again.
  virtual void OnPoll(int error, unsigned events) = 0;
  // See PollHandle::RunEveryTurn().
  virtual void OnTurn() {}
  // Must close the handle: the environment waits for that.
  virtual void OnEnvironmentEnd() = 0;

 protected:
  ~PollListener() = default;
};

// Owned by its PollHandle until Close(), then by itself.
class PollSource {
 public:
  static constexpr unsigned kReadable = 1;
  static constexpr unsigned kWritable = 2;

  PollSource(const PollSource&) = delete;
  PollSource& operator=(const PollSource&) = delete;

  virtual Status Watch(unsigned events) = 0;
  virtual void SetRef(bool keeps_alive) = 0;
  virtual void RunEveryTurn(bool run) = 0;
  virtual bool runs_every_turn() const = 0;
  // Nothing is called after it.
  virtual void Close() = 0;

  unsigned watched() const { return watched_; }

 protected:
  explicit PollSource(PollListener* listener) : listener_(listener) {}
  ~PollSource() = default;

  PollListener* listener_;  // null once closed
  unsigned watched_ = 0;
};

}  // namespace tapfd

#endif  // TAPFD_NODE_POLL_SOURCE_H_
