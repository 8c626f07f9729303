#include "node/link_watch.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "links/watch.h"
#include "node/addon_state.h"
#include "node/arguments.h"
#include "node/async.h"
#include "node/links.h"
#include "node/namespace.h"
#include "node/poll/callback.h"
#include "node/poll/handle.h"

namespace tapfd {

namespace {

// src/base/native-links.ts `NativeLinkWatch`. Polling does not keep the object alive: when the garbage
// collector takes it, its destructor closes the watch.
class LinkWatch final : public Napi::ObjectWrap<LinkWatch>, private PollHandle::Listener {
 public:
  static void Register(Napi::Env env);
  static Napi::Value Make(Napi::Env env, RtnlWatch watch, Napi::FunctionReference on_events);

  explicit LinkWatch(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LinkWatch>(info) {}

 private:
  void Ref(const Napi::CallbackInfo&) { poll_.Ref(); }
  void Unref(const Napi::CallbackInfo&) { poll_.Unref(); }
  void CloseNow(const Napi::CallbackInfo&) { Close(); }

  Status Open(RtnlWatch watch, Napi::FunctionReference on_events);
  // Stops polling at once; nothing is called after it.
  void Close();
  void OnPoll(int error, unsigned events) override;
  void OnEnvironmentEnd() override { Close(); }
  void Deliver(const std::vector<LinkEvent>& events, const Failure* failure);

  std::optional<RtnlWatch> watch_;
  PollHandle poll_;
  Napi::FunctionReference on_events_;
  // Destroyed with the object, not by close(), which may be called in a callback.
  std::optional<CallbackContext> context_;
};

Status LinkWatch::Open(RtnlWatch watch, Napi::FunctionReference on_events) {
  watch_.emplace(std::move(watch));
  on_events_ = std::move(on_events);
  context_.emplace(Env(), "tapfd.LinkWatch");
  poll_.Unref();
  Status opened = poll_.Open(Env(), watch_->fd(), this);
  if (opened.ok()) opened = poll_.Watch(PollHandle::kReadable);
  if (!opened.ok()) Close();
  return opened;
}

void LinkWatch::Close() {
  poll_.Close();
  on_events_.Reset();
  watch_.reset();
}

void LinkWatch::OnPoll(int, unsigned) {
  Napi::HandleScope scope(Env());
  // JavaScript may drop or close the watch in the callback: this keeps the object until the end of the call.
  Napi::Object self = Value();
  if (self.IsEmpty()) return;  // collected: the destructor is about to run
  std::vector<LinkEvent> events;
  Status drained = watch_->Drain(&events);
  // An overrun raises POLLERR, at which libuv stops polling; the socket still works.
  poll_.Watch(drained.ok() ? PollHandle::kReadable : 0);
  if (!events.empty() || !drained.ok()) Deliver(events, drained.ok() ? nullptr : &drained.failure());
}

void LinkWatch::Deliver(const std::vector<LinkEvent>& events, const Failure* failure) {
  Napi::Array array = Napi::Array::New(Env());
  auto append = [&](const char* type) {
    Napi::Object object = Napi::Object::New(Env());
    object.Set("type", type);
    array.Set(array.Length(), object);
    return object;
  };
  for (const LinkEvent& event : events) {
    switch (event.type) {
      case LinkEvent::Type::kChange:
        append("change").Set("link", LinkToObject(Env(), event.link));
        break;
      case LinkEvent::Type::kRemove:
        append("remove").Set("link", LinkToObject(Env(), event.link));
        break;
      case LinkEvent::Type::kOverrun:
        append("overrun");
        break;
    }
  }
  if (failure != nullptr) append("error").Set("error", FailureToError(Env(), *failure).Value());
  context_->Call(Env().Global(), on_events_.Value(), {array});
}

void LinkWatch::Register(Napi::Env env) {
  Napi::Function constructor = DefineClass(env, "LinkWatch",
                                           {
                                               InstanceMethod<&LinkWatch::Ref>("ref"),
                                               InstanceMethod<&LinkWatch::Unref>("unref"),
                                               InstanceMethod<&LinkWatch::CloseNow>("close"),
                                           });
  StateOf(env).link_watch = Napi::Persistent(constructor);
}

Napi::Value LinkWatch::Make(Napi::Env env, RtnlWatch watch, Napi::FunctionReference on_events) {
  Napi::Object object = StateOf(env).link_watch.New({});
  // If the environment is ending, there may be no object, and none can be unwrapped.
  LinkWatch* self = object.IsEmpty() ? nullptr : Unwrap(object);
  if (self == nullptr) return env.Undefined();
  Status opened = self->Open(std::move(watch), std::move(on_events));
  if (opened.ok()) return object;
  FailureToError(env, opened.failure()).ThrowAsJavaScriptException();
  return env.Undefined();
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
