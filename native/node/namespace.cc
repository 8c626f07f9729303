#include "node/namespace.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "devices/queue_holders.h"
#include "node/addon_state.h"
#include "node/arguments.h"
#include "node/async.h"
#include "sys/child_namespace.h"
#include "sys/namespace_file.h"

namespace tapfd {

namespace {

Napi::Value HandleOn(Napi::Env env, NetNamespace& ns) {
  return NamespaceHandle::Make(env, std::make_shared<const NetNamespace>(std::move(ns)));
}

Napi::Value OpenByFd(Napi::Env env, int fd) {
  // Synchronously: the caller may close its descriptor as soon as this returns.
  auto copy = std::make_shared<Fd>(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  int error = copy->valid() ? 0 : errno;
  return RunAsync(
      env,
      [copy, error, fd]() -> Result<NetNamespace> {
        if (error != 0) return Failure::FromError(error, "fcntl F_DUPFD_CLOEXEC");
        Result<NetNamespace> ns =
            NetNamespace::FromFd(std::move(*copy), "file descriptor " + std::to_string(fd));
        if (!ns.ok()) ns.failure().path.clear();
        return ns;
      },
      HandleOn);
}

// For an option that was given a Netns: another handle on the same descriptor, which neither closes for the
// other.
Napi::Value OpenByHandle(Napi::Env env, const Napi::Value& handle) {
  std::shared_ptr<const NetNamespace> ns = NamespaceHandle::From(handle);
  return RunAsync(
      env,
      [ns]() -> Result<std::shared_ptr<const NetNamespace>> {
        if (!ns) return NamespaceClosed();
        return ns;
      },
      [](Napi::Env e, std::shared_ptr<const NetNamespace>& same) -> Napi::Value {
        return NamespaceHandle::Make(e, std::move(same));
      });
}

// openNamespaceOfDevice(pid, fd): of the TUN or TAP behind another process's descriptor.
Napi::Value OpenNamespaceOfDevice(const Napi::CallbackInfo& info) {
  int pid = info[0].As<Napi::Number>().Int32Value();
  int fd = info[1].As<Napi::Number>().Int32Value();
  return RunAsync(
      info.Env(),
      [pid, fd]() -> Result<NetNamespace> {
        Result<Fd> ns = FindDeviceNamespace(pid, fd);
        if (!ns.ok()) return ns.failure();
        return NetNamespace::FromFd(std::move(ns.value()), "");
      },
      HandleOn);
}

Napi::Value OpenNamespace(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info[0].IsObject()) return OpenByHandle(env, info[0]);
  if (info[0].IsNumber()) return OpenByFd(env, info[0].As<Napi::Number>().Int32Value());
  if (info[0].IsString()) {
    std::string path = info[0].As<Napi::String>().Utf8Value();
    return RunAsync(
        env, [path] { return NetNamespace::OpenPath(path); }, HandleOn);
  }
  // Not the pool thread's namespace: threads of a process may be in different ones.
  auto tid = static_cast<pid_t>(syscall(SYS_gettid));
  return RunAsync(
      env, [tid] { return NetNamespace::OfThread(tid); }, HandleOn);
}

// The namespace ends with the last descriptor, process and socket that holds it.
Napi::Value CreateUnnamed(Napi::Env env, const Napi::Value& owned) {
  if (owned.IsObject()) {
    std::shared_ptr<const NetNamespace> beside = NamespaceHandle::From(owned);
    return RunAsync(
        env,
        [beside]() -> Result<NetNamespace> {
          if (!beside) return NamespaceClosed();
          return NetNamespace::CreateOwned(beside.get());
        },
        HandleOn);
  }
  if (owned.IsBoolean() && owned.As<Napi::Boolean>()) {
    return RunAsync(
        env, [] { return NetNamespace::CreateOwned(nullptr); }, HandleOn);
  }
  return RunAsync(
      env, [] { return NetNamespace::Create(); }, HandleOn);
}

struct CreatedNamespace {
  NetNamespace ns;
  NamespaceFile file;
};

Napi::Value CreateNamespace(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) return CreateUnnamed(info.Env(), info[1]);
  std::string path = info[0].As<Napi::String>().Utf8Value();
  return RunAsync(
      info.Env(),
      [path]() -> Result<CreatedNamespace> {
        Result<NamespaceFile> file = NamespaceFile::Create(path);
        if (!file.ok()) return file.failure();
        Result<NetNamespace> ns = file.value().Open();
        if (!ns.ok()) return ns.failure();
        return CreatedNamespace{std::move(ns.value()), std::move(file.value())};
      },
      [](Napi::Env env, CreatedNamespace& created) -> Napi::Value {
        // From here on the environment owns the file, which is removed however the environment ends.
        std::string path = created.file.path();
        StateOf(env).namespace_files.insert_or_assign(
            path, std::make_unique<NamespaceFile>(std::move(created.file)));
        return HandleOn(env, created.ns);
      });
}

Napi::Value RemoveNamespace(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>().Utf8Value();
  std::shared_ptr<const NetNamespace> ns = NamespaceHandle::From(info[1]);
  return RunAsync(
      info.Env(),
      [path, ns]() -> Status {
        if (!ns) return NamespaceClosed();
        return NamespaceFile::Remove(path, *ns);
      },
      [path, ns](Napi::Env env, Done&) -> Napi::Value {
        auto& files = StateOf(env).namespace_files;
        auto found = files.find(path);
        // A newer namespace of the same name is not the one that was removed.
        if (found != files.end() && found->second->Holds(*ns)) files.erase(found);
        return env.Undefined();
      });
}

// startInside(ns, start, withThread, diesWithThread): calls `start`, and returns the process that it has
// started in the namespace; 0 if this thread has entered it for the call, as the runtime does not fork().
Napi::Value StartInside(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto refuse = [&](const Failure& failure) {
    FailureToError(env, failure).ThrowAsJavaScriptException();
    return Napi::Value();
  };
  std::shared_ptr<const NetNamespace> ns = NamespaceHandle::From(info[0]);
  if (!ns) return refuse(NamespaceClosed());
  if (BooleanFrom(info[2]).value_or(false)) {
    Result<ThreadInNamespace> inside = ThreadInNamespace::Enter(*ns);
    if (!inside.ok()) return refuse(inside.failure());
    info[1].As<Napi::Function>().Call({});
    return env.IsExceptionPending() ? Napi::Value() : Napi::Number::New(env, 0);
  }
  Result<ChildNamespace> child = ChildNamespace::Set(*ns, BooleanFrom(info[3]).value_or(false));
  if (!child.ok()) return refuse(child.failure());
  info[1].As<Napi::Function>().Call({});
  if (env.IsExceptionPending()) return Napi::Value();
  Result<pid_t> entered = child.value().Entered();
  if (!entered.ok()) return refuse(entered.failure());
  return Napi::Number::New(env, entered.value());
}

}  // namespace

Failure NamespaceClosed() {
  return Failure::Refused("ERR_TAPFD_CLOSED", "the handle on the network namespace is closed");
}

void NamespaceHandle::Register(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor = DefineClass(env, "NamespaceHandle",
                                           {
                                               InstanceAccessor<&NamespaceHandle::Key>("key"),
                                               InstanceAccessor<&NamespaceHandle::Descriptor>("fd"),
                                               InstanceMethod<&NamespaceHandle::Close>("close"),
                                           });
  StateOf(env).namespace_handle = Napi::Persistent(constructor);
}

Napi::Object NamespaceHandle::Make(Napi::Env env, std::shared_ptr<const NetNamespace> ns) {
  Napi::Object object = StateOf(env).namespace_handle.New({});
  // If the environment is ending, there may be no object, and none can be unwrapped.
  NamespaceHandle* self = object.IsEmpty() ? nullptr : Unwrap(object);
  if (self != nullptr) self->ns_ = std::move(ns);
  return object;
}

std::shared_ptr<const NetNamespace> NamespaceHandle::From(const Napi::Value& value) {
  // null: the environment is ending, and nothing will receive the error that the handle is closed.
  NamespaceHandle* self = Unwrap(value.As<Napi::Object>());
  return self == nullptr ? nullptr : self->ns_;
}

NamespaceHandle::NamespaceHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NamespaceHandle>(info), handles_(StateOf(info.Env()).namespace_handles) {
  handles_->insert(this);
}

NamespaceHandle::~NamespaceHandle() {
  handles_->erase(this);
}

void NamespaceHandle::CloseAll(Napi::Env env) {
  for (NamespaceHandle* handle : *StateOf(env).namespace_handles) handle->ns_.reset();
}

Napi::Value NamespaceHandle::Key(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), ns_ ? ns_->key() : "");
}

Napi::Value NamespaceHandle::Descriptor(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ns_ ? ns_->fd() : -1);
}

void NamespaceHandle::Close(const Napi::CallbackInfo&) {
  ns_.reset();
}

void RegisterNamespace(Napi::Env env, Napi::Object exports) {
  NamespaceHandle::Register(env, exports);
  exports.Set("openNamespace", Napi::Function::New(env, OpenNamespace, "openNamespace"));
  exports.Set("openNamespaceOfDevice",
              Napi::Function::New(env, OpenNamespaceOfDevice, "openNamespaceOfDevice"));
  exports.Set("createNamespace", Napi::Function::New(env, CreateNamespace, "createNamespace"));
  exports.Set("startInside", Napi::Function::New(env, StartInside, "startInside"));
  exports.Set("removeNamespace", Napi::Function::New(env, RemoveNamespace, "removeNamespace"));
}

}  // namespace tapfd
