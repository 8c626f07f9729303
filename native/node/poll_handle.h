// One descriptor polled on the environment's event loop. No other file uses libuv.

#ifndef TAPFD_NODE_POLL_HANDLE_H_
#define TAPFD_NODE_POLL_HANDLE_H_

#include <napi.h>

#include "sys/result.h"

namespace tapfd {

// Lives on its environment's thread. Does not own the descriptor, which may be closed once Close() has
// returned.
class PollHandle {
 public:
  static constexpr unsigned kReadable = 1;
  static constexpr unsigned kWritable = 2;

  // Called from the event loop, with no JavaScript below; may close the handle.
  class Listener {
   public:
    // `events` are ready, or `error` is the errno that ended the polling: EBADF for a POLLERR, which says
    // nothing about the descriptor itself (libuv, uv__poll_io). Watch() starts it again.
    virtual void OnPoll(int error, unsigned events) = 0;
    // See RunEveryTurn().
    virtual void OnTurn() {}
    // Must close the handle: the environment waits for that.
    virtual void OnEnvironmentEnd() = 0;

   protected:
    ~Listener() = default;
  };

  PollHandle() = default;
  PollHandle(const PollHandle&) = delete;
  PollHandle& operator=(const PollHandle&) = delete;
  ~PollHandle() { Close(); }

  // Makes the descriptor non-blocking and watches nothing yet. EEXIST: this loop polls the same descriptor
  // already.
  Status Open(Napi::Env env, int fd, Listener* listener);
  // Nothing is called after it. Idempotent.
  void Close();
  bool is_open() const { return loop_side_ != nullptr; }

  // Starts, changes or stops the polling; costs nothing when nothing changes. Does nothing unless open.
  Status Watch(unsigned events);
  unsigned watched() const { return watched_; }

  // Whether an open handle that watches something keeps the event loop alive. At first it does; what is set
  // before Open() holds.
  void Ref() { SetRef(true); }
  void Unref() { SetRef(false); }

  // Calls OnTurn() in every turn of the loop and keeps the loop from waiting, whatever the descriptor does.
  // That alone never keeps the loop alive.
  void RunEveryTurn(bool run);
  bool runs_every_turn() const;

 private:
  struct LoopSide;
  void SetRef(bool keeps_alive);

  LoopSide* loop_side_ = nullptr;
  unsigned watched_ = 0;
  bool keeps_alive_ = true;
};

}  // namespace tapfd

#endif  // TAPFD_NODE_POLL_HANDLE_H_
