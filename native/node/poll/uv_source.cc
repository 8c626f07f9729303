#include "node/poll/uv_source.h"

#include <uv.h>

#include <memory>

// A runtime without libuv loads the addon all the same: it never calls these (thread_loop.h).
#pragma weak napi_get_uv_event_loop
#pragma weak napi_add_async_cleanup_hook
#pragma weak napi_remove_async_cleanup_hook
#pragma weak uv_close
#pragma weak uv_idle_init
#pragma weak uv_idle_start
#pragma weak uv_idle_stop
#pragma weak uv_is_active
#pragma weak uv_poll_init
#pragma weak uv_poll_start
#pragma weak uv_poll_stop
#pragma weak uv_ref
#pragma weak uv_unref

namespace tapfd {

namespace {

static_assert(PollSource::kReadable == UV_READABLE && PollSource::kWritable == UV_WRITABLE);

// Outlives its PollHandle by one or two turns of the loop, until the close callbacks have run.
class UvSource final : public PollSource {
 public:
  explicit UvSource(PollListener* listener) : PollSource(listener) {}

  Status Open(Napi::Env env, int fd) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    int error = uv_poll_init(loop, &poll_, fd);
    if (error != 0) return Failure::FromError(-error, "epoll_ctl");
    poll_.data = this;
    // The asynchronous kind of hook: the environment waits until libuv has closed the handle.
    napi_add_async_cleanup_hook(env, OnEnvironmentEnd, this, &cleanup_);
    return Done{};
  }

  Status Watch(unsigned events) override {
    watched_ = events;
    int error = events == 0 ? uv_poll_stop(&poll_) : uv_poll_start(&poll_, static_cast<int>(events), OnPoll);
    if (error != 0) return Failure::FromError(-error, "epoll_ctl");
    return Done{};
  }

  void SetRef(bool keeps_alive) override {
    if (keeps_alive) {
      uv_ref(poll_handle());
    } else {
      uv_unref(poll_handle());
    }
  }

  void RunEveryTurn(bool run) override {
    if (!run) {
      if (has_turn_) uv_idle_stop(&turn_);
      return;
    }
    if (!has_turn_) {
      uv_idle_init(poll_.loop, &turn_);
      turn_.data = this;
      uv_unref(turn_handle());
      has_turn_ = true;
    }
    uv_idle_start(&turn_, OnTurn);
  }

  bool runs_every_turn() const override {
    return has_turn_ && uv_is_active(reinterpret_cast<const uv_handle_t*>(&turn_)) != 0;
  }

  void Close() override {
    listener_ = nullptr;
    watched_ = 0;
    if (has_turn_) uv_idle_stop(&turn_);
    uv_close(poll_handle(), OnPollClosed);
  }

 private:
  uv_handle_t* poll_handle() { return reinterpret_cast<uv_handle_t*>(&poll_); }
  uv_handle_t* turn_handle() { return reinterpret_cast<uv_handle_t*>(&turn_); }

  static void OnPoll(uv_poll_t* poll, int status, int events) {
    auto* self = static_cast<UvSource*>(poll->data);
    // libuv has stopped the polling.
    if (status < 0) self->watched_ = 0;
    self->listener_->OnPoll(-status, static_cast<unsigned>(events));
  }
  static void OnTurn(uv_idle_t* turn) { static_cast<UvSource*>(turn->data)->listener_->OnTurn(); }
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* argument) {
    auto* self = static_cast<UvSource*>(argument);
    // null: closing already; its close callback removes the hook.
    if (self->listener_ != nullptr) self->listener_->OnEnvironmentEnd();
  }

  static void OnPollClosed(uv_handle_t* handle) {
    auto* self = static_cast<UvSource*>(handle->data);
    if (self->has_turn_) {
      uv_close(self->turn_handle(), OnAllClosed);
    } else {
      OnAllClosed(handle);
    }
  }
  static void OnAllClosed(uv_handle_t* handle) {
    std::unique_ptr<UvSource> self(static_cast<UvSource*>(handle->data));
    napi_async_cleanup_hook_handle cleanup = self->cleanup_;
    self.reset();
    napi_remove_async_cleanup_hook(cleanup);  // last: the environment may go with it
  }

  uv_poll_t poll_{};
  uv_idle_t turn_{};
  bool has_turn_ = false;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
};

}  // namespace

Result<PollSource*> OpenUvSource(Napi::Env env, int fd, PollListener* listener) {
  auto source = std::make_unique<UvSource>(listener);
  Status opened = source->Open(env, fd);
  if (!opened.ok()) return opened.failure();
  return static_cast<PollSource*>(source.release());
}

}  // namespace tapfd
