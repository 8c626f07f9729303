#include "node/poll/handle.h"

#include <utility>

#include "node/addon_state.h"
#include "node/poll/thread_loop.h"
#include "node/poll/uv_source.h"

namespace tapfd {

Status PollHandle::Open(Napi::Env env, int fd, Listener* listener) {
  ThreadLoop* loop = StateOf(env).thread_loop.get();
  Result<PollSource*> source = loop == nullptr ? OpenUvSource(env, fd, listener) : loop->Open(fd, listener);
  if (!source.ok()) return source.failure();
  source_ = source.value();
  source_->SetRef(keeps_alive_);
  return Done{};
}

void PollHandle::Close() {
  if (source_ != nullptr) std::exchange(source_, nullptr)->Close();
}

void PollHandle::SetRef(bool keeps_alive) {
  keeps_alive_ = keeps_alive;
  if (source_ != nullptr) source_->SetRef(keeps_alive);
}

}  // namespace tapfd
