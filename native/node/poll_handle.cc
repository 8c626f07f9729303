#include "node/poll_handle.h"

#include <uv.h>

#include <memory>
#include <utility>

namespace tapfd {

static_assert(PollHandle::kReadable == UV_READABLE && PollHandle::kWritable == UV_WRITABLE);

// The libuv handles. They outlive the PollHandle by one or two turns of the loop, until their close callbacks
// have run.
struct PollHandle::LoopSide {
  uv_poll_t poll;
  uv_idle_t turn;
  bool has_turn = false;
  PollHandle* handle;
  Listener* listener;
  napi_async_cleanup_hook_handle cleanup;

  uv_handle_t* poll_handle() { return reinterpret_cast<uv_handle_t*>(&poll); }
  uv_handle_t* turn_handle() { return reinterpret_cast<uv_handle_t*>(&turn); }

  static void OnPoll(uv_poll_t* poll, int status, int events) {
    auto* side = static_cast<LoopSide*>(poll->data);
    // libuv has stopped the polling.
    if (status < 0) side->handle->watched_ = 0;
    side->listener->OnPoll(-status, static_cast<unsigned>(events));
  }
  static void OnTurn(uv_idle_t* turn) { static_cast<LoopSide*>(turn->data)->listener->OnTurn(); }
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* argument) {
    auto* side = static_cast<LoopSide*>(argument);
    // null: closing already; its close callback removes the hook.
    if (side->handle != nullptr) side->listener->OnEnvironmentEnd();
  }

  static void OnPollClosed(uv_handle_t* handle) {
    auto* side = static_cast<LoopSide*>(handle->data);
    if (side->has_turn) {
      uv_close(side->turn_handle(), OnAllClosed);
    } else {
      OnAllClosed(handle);
    }
  }
  static void OnAllClosed(uv_handle_t* handle) {
    std::unique_ptr<LoopSide> side(static_cast<LoopSide*>(handle->data));
    napi_async_cleanup_hook_handle cleanup = side->cleanup;
    side.reset();
    napi_remove_async_cleanup_hook(cleanup);  // last: the environment may go with it
  }
};

Status PollHandle::Open(Napi::Env env, int fd, Listener* listener) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  auto side = std::make_unique<LoopSide>();
  int error = uv_poll_init(loop, &side->poll, fd);
  if (error != 0) return Failure::FromError(-error, "epoll_ctl");
  side->poll.data = side.get();
  side->handle = this;
  side->listener = listener;
  // The asynchronous kind of hook: the environment waits until libuv has closed the handle.
  napi_add_async_cleanup_hook(env, LoopSide::OnEnvironmentEnd, side.get(), &side->cleanup);
  loop_side_ = side.release();
  SetRef(keeps_alive_);
  return Done{};
}

void PollHandle::Close() {
  if (loop_side_ == nullptr) return;
  LoopSide* side = std::exchange(loop_side_, nullptr);
  side->handle = nullptr;
  watched_ = 0;
  if (side->has_turn) uv_idle_stop(&side->turn);
  uv_close(side->poll_handle(), LoopSide::OnPollClosed);
}

Status PollHandle::Watch(unsigned events) {
  if (loop_side_ == nullptr || events == watched_) return Done{};
  watched_ = events;
  uv_poll_t* poll = &loop_side_->poll;
  int error =
      events == 0 ? uv_poll_stop(poll) : uv_poll_start(poll, static_cast<int>(events), LoopSide::OnPoll);
  if (error != 0) return Failure::FromError(-error, "epoll_ctl");
  return Done{};
}

void PollHandle::SetRef(bool keeps_alive) {
  keeps_alive_ = keeps_alive;
  if (loop_side_ == nullptr) return;
  if (keeps_alive) {
    uv_ref(loop_side_->poll_handle());
  } else {
    uv_unref(loop_side_->poll_handle());
  }
}

void PollHandle::RunEveryTurn(bool run) {
  if (loop_side_ == nullptr) return;
  LoopSide* side = loop_side_;
  if (!run) {
    if (side->has_turn) uv_idle_stop(&side->turn);
    return;
  }
  if (!side->has_turn) {
    uv_idle_init(side->poll.loop, &side->turn);
    side->turn.data = side;
    uv_unref(side->turn_handle());
    side->has_turn = true;
  }
  uv_idle_start(&side->turn, LoopSide::OnTurn);
}

bool PollHandle::runs_every_turn() const {
  return loop_side_ != nullptr && loop_side_->has_turn && uv_is_active(loop_side_->turn_handle()) != 0;
}

}  // namespace tapfd
