#include "node/link_watch.h"

#include <uv.h>

#include <memory>
#include <utility>
#include <vector>

#include "links/watch.h"
#include "node/addon_state.h"
#include "node/arguments.h"
#include "node/async.h"
#include "node/links.h"
#include "node/namespace.h"

namespace tapfd {

namespace {

class LinkWatch;

// The libuv side. It lives from Start() until libuv has closed its handle, longer than the JavaScript object
// when that is collected, and deletes itself then. On the JavaScript thread throughout.
class LinkPoll {
 public:
  static Result<LinkPoll*> Start(Napi::Env env, RtnlWatch watch, Napi::FunctionReference on_events,
                                 LinkWatch* object);
  // Stops polling at once; nothing is called after it. The JavaScript object forgets this with the same call.
  void Close();
  void Ref() { uv_ref(reinterpret_cast<uv_handle_t*>(&poll_)); }
  void Unref() { uv_unref(reinterpret_cast<uv_handle_t*>(&poll_)); }

 private:
  LinkPoll(Napi::Env env, RtnlWatch watch, Napi::FunctionReference on_events, LinkWatch* object)
      : env_(env),
        watch_(std::move(watch)),
        on_events_(std::move(on_events)),
        context_(std::make_unique<Napi::AsyncContext>(env, "tapfd.LinkWatch")),
        object_(object) {}

  static void OnReadable(uv_poll_t* poll, int status, int events);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle hook, void* self);
  static void OnClosed(uv_handle_t* handle);
  void Deliver(const std::vector<LinkEvent>& events, const Failure* failure);
  void Call(Napi::Array events);

  Napi::Env env_;
  uv_poll_t poll_{};
  RtnlWatch watch_;
  Napi::FunctionReference on_events_;
  // Not given up before the last callback has returned.
  std::unique_ptr<Napi::AsyncContext> context_;
  LinkWatch* object_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool closing_ = false;
};

// The JavaScript side (src/base/native.ts `NativeLinkWatch`).
class LinkWatch : public Napi::ObjectWrap<LinkWatch> {
 public:
  static void Register(Napi::Env env);
  static Napi::Value Make(Napi::Env env, RtnlWatch watch, Napi::FunctionReference on_events);

  explicit LinkWatch(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LinkWatch>(info) {}
  ~LinkWatch() override {
    if (poll_ != nullptr) poll_->Close();
  }
  void Forget() { poll_ = nullptr; }

 private:
  void Ref(const Napi::CallbackInfo&) {
    if (poll_ != nullptr) poll_->Ref();
  }
  void Unref(const Napi::CallbackInfo&) {
    if (poll_ != nullptr) poll_->Unref();
  }
  void Close(const Napi::CallbackInfo&) {
    if (poll_ != nullptr) poll_->Close();
  }

  LinkPoll* poll_ = nullptr;
};

// ---- LinkPoll ----

Result<LinkPoll*> LinkPoll::Start(Napi::Env env, RtnlWatch watch, Napi::FunctionReference on_events,
                                  LinkWatch* object) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  auto* self = new LinkPoll(env, std::move(watch), std::move(on_events), object);
  self->poll_.data = self;
  int error = uv_poll_init(loop, &self->poll_, self->watch_.fd());
  if (error != 0) {
    delete self;
    return Failure::FromError(-error, "epoll_ctl");
  }
  // The asynchronous kind of hook: the environment waits until libuv has let go of the handle.
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, self, &self->hook_);
  self->Unref();
  uv_poll_start(&self->poll_, UV_READABLE, OnReadable);
  return self;
}

void LinkPoll::Close() {
  if (closing_) return;
  closing_ = true;
  if (object_ != nullptr) object_->Forget();
  object_ = nullptr;
  on_events_.Reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), OnClosed);
}

void LinkPoll::OnClosed(uv_handle_t* handle) {
  auto* self = static_cast<LinkPoll*>(handle->data);
  napi_async_cleanup_hook_handle hook = self->hook_;
  delete self;
  napi_remove_async_cleanup_hook(hook);  // last: the environment may go with it
}

void LinkPoll::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* raw) {
  static_cast<LinkPoll*>(raw)->Close();
}

void LinkPoll::OnReadable(uv_poll_t* poll, int status, int) {
  auto* self = static_cast<LinkPoll*>(poll->data);
  std::vector<LinkEvent> events;
  Status drained = self->watch_.Drain(&events);
  // libuv takes the POLLERR of an overrun for a dead descriptor and stops polling (uv__poll_io); it is not
  // dead.
  if (drained.ok() && status < 0) uv_poll_start(poll, UV_READABLE, OnReadable);
  if (!drained.ok()) uv_poll_stop(poll);
  if (!events.empty() || !drained.ok()) self->Deliver(events, drained.ok() ? nullptr : &drained.failure());
}

void LinkPoll::Deliver(const std::vector<LinkEvent>& events, const Failure* failure) {
  Napi::HandleScope scope(env_);
  Napi::Array array = Napi::Array::New(env_);
  auto append = [&](const char* type) {
    Napi::Object object = Napi::Object::New(env_);
    object.Set("type", type);
    array.Set(array.Length(), object);
    return object;
  };
  for (const LinkEvent& event : events) {
    switch (event.type) {
      case LinkEvent::Type::kChange:
        append("change").Set("link", LinkToObject(env_, event.link));
        break;
      case LinkEvent::Type::kRemove:
        append("remove").Set("link", LinkToObject(env_, event.link));
        break;
      case LinkEvent::Type::kOverrun:
        append("overrun");
        break;
    }
  }
  if (failure != nullptr) append("error").Set("error", FailureToError(env_, *failure).Value());
  Call(array);
}

void LinkPoll::Call(Napi::Array events) {
  // Raw: the reference may be reset by close() inside the call, and there is no JavaScript caller to throw
  // to.
  napi_value argument = events;
  napi_status status =
      napi_make_callback(env_, *context_, env_.Global(), on_events_.Value(), 1, &argument, nullptr);
  if (status == napi_ok) return;
  bool pending = false;
  napi_value error;
  // Nothing pending: the environment is ending, and nobody is left to tell.
  if (napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env_, &error) == napi_ok) {
    napi_fatal_exception(env_, error);
  }
}

// ---- LinkWatch ----

void LinkWatch::Register(Napi::Env env) {
  Napi::Function constructor = DefineClass(env, "LinkWatch",
                                           {
                                               InstanceMethod<&LinkWatch::Ref>("ref"),
                                               InstanceMethod<&LinkWatch::Unref>("unref"),
                                               InstanceMethod<&LinkWatch::Close>("close"),
                                           });
  StateOf(env).link_watch = Napi::Persistent(constructor);
}

Napi::Value LinkWatch::Make(Napi::Env env, RtnlWatch watch, Napi::FunctionReference on_events) {
  Napi::Object object = StateOf(env).link_watch.New({});
  // Where the environment is ending, there may be no object, and none can be unwrapped.
  LinkWatch* self = object.IsEmpty() ? nullptr : Unwrap(object);
  if (self == nullptr) return env.Undefined();
  Result<LinkPoll*> poll = LinkPoll::Start(env, std::move(watch), std::move(on_events), self);
  if (!poll.ok()) {
    FailureToError(env, poll.failure()).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  self->poll_ = poll.value();
  return object;
}

Napi::Value WatchLinks(const Napi::CallbackInfo& info) {
  std::shared_ptr<const NetNamespace> ns = NamespaceHandle::From(info[0]);
  int receive_buffer_bytes = NumberIn<int>(info[1].As<Napi::Object>(), "receiveBufferBytes").value_or(0);
  return RunAsync(
      info.Env(),
      [ns, receive_buffer_bytes]() -> Result<RtnlWatch> {
        if (!ns) return NamespaceClosed();
        return RunInNamespace(*ns, [&] { return RtnlWatch::Open(receive_buffer_bytes); });
      },
      [on_events = Napi::Persistent(info[2].As<Napi::Function>())](Napi::Env env, RtnlWatch& watch) mutable {
        return LinkWatch::Make(env, std::move(watch), std::move(on_events));
      });
}

}  // namespace

void RegisterLinkWatch(Napi::Env env, Napi::Object exports) {
  LinkWatch::Register(env);
  exports.Set("watchLinks", Napi::Function::New(env, WatchLinks, "watchLinks"));
}

}  // namespace tapfd
