// One descriptor polled on the environment's event loop.

#ifndef TAPFD_NODE_POLL_HANDLE_H_
#define TAPFD_NODE_POLL_HANDLE_H_

#include <napi.h>

#include "node/poll/source.h"
#include "sys/result.h"

namespace tapfd {

// Lives on its environment's thread. Does not own the descriptor, which may be closed once Close() has
// returned.
class PollHandle {
 public:
  static constexpr unsigned kReadable = PollSource::kReadable;
  static constexpr unsigned kWritable = PollSource::kWritable;
  using Listener = PollListener;

  PollHandle() = default;
  PollHandle(const PollHandle&) = delete;
  PollHandle& operator=(const PollHandle&) = delete;
  ~PollHandle() { Close(); }

  // Makes the descriptor non-blocking and watches nothing yet. EEXIST: this loop polls the same descriptor
  // already.
  Status Open(Napi::Env env, int fd, Listener* listener);
  // Nothing is called after it. Idempotent.
  void Close();
  bool is_open() const { return source_ != nullptr; }

  // Starts, changes or stops the polling; costs nothing when nothing changes. Does nothing unless open.
  Status Watch(unsigned events) {
    if (source_ == nullptr || source_->watched() == events) return Done{};
    return source_->Watch(events);
  }
  unsigned watched() const { return source_ == nullptr ? 0 : source_->watched(); }

  // Whether an open handle that watches something keeps the event loop alive. At first it does; what is set
  // before Open() holds.
  void Ref() { SetRef(true); }
  void Unref() { SetRef(false); }

  // Calls OnTurn() in every turn of the loop and keeps the loop from waiting, whatever the descriptor does.
  // That alone never keeps the loop alive.
  void RunEveryTurn(bool run) {
    if (source_ != nullptr) source_->RunEveryTurn(run);
  }
  bool runs_every_turn() const { return source_ != nullptr && source_->runs_every_turn(); }

 private:
  void SetRef(bool keeps_alive);

  PollSource* source_ = nullptr;
  bool keeps_alive_ = true;
};

}  // namespace tapfd

#endif  // TAPFD_NODE_POLL_HANDLE_H_
