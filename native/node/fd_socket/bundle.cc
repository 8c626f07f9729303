#include "node/fd_socket/bundle.h"

#include <utility>

#include "node/addon_state.h"
#include "node/arguments.h"
#include "sys/unix_socket.h"

namespace tapfd {

namespace {

Napi::Value Duplicate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Result<std::vector<Fd>> duplicates =
      DuplicateFds(FdNumbersFrom(info[0]), NumberFrom<int>(info[1]).value_or(0));
  if (duplicates.ok()) return FdBundle::Make(env, std::move(duplicates.value()));
  FailureToError(env, duplicates.failure()).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value CloseFd(const Napi::CallbackInfo& info) {
  auto fd = std::make_shared<Fd>(NumberFrom<int>(info[0]).value_or(-1));
  return RunAsync(info.Env(), [fd]() -> Status {
    fd->Close();
    return Done{};
  });
}

}  // namespace

std::vector<int> FdNumbersFrom(const Napi::Value& value) {
  std::vector<int> numbers;
  for (const Napi::Value& number : ElementsOf(value)) numbers.push_back(NumberFrom<int>(number).value_or(-1));
  return numbers;
}

void FdBundle::Register(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor = DefineClass(env, "FdBundle",
                                           {
                                               InstanceAccessor<&FdBundle::Numbers>("numbers"),
                                               InstanceMethod<&FdBundle::Take>("take"),
                                               InstanceMethod<&FdBundle::Close>("close"),
                                           });
  StateOf(env).fd_bundle = Napi::Persistent(constructor);
  exports.Set("closeFd", Napi::Function::New(env, CloseFd, "closeFd"));
  exports.Set("duplicateFds", Napi::Function::New(env, Duplicate, "duplicateFds"));
}

Napi::Object FdBundle::Make(Napi::Env env, std::vector<Fd> fds) {
  return StateOf(env).fd_bundle.New({Napi::External<std::vector<Fd>>::New(env, &fds)});
}

FdBundle::FdBundle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<FdBundle>(info),
      async_calls_(AsyncCallsOf(info.Env())),
      bundles_(StateOf(info.Env()).fd_bundles) {
  bundles_->insert(this);
  if (info[0].IsExternal()) fds_ = std::move(*info[0].As<Napi::External<std::vector<Fd>>>().Data());
}

FdBundle::~FdBundle() {
  bundles_->erase(this);
  CloseInBackground();
}

void FdBundle::CloseInBackground() {
  if (!fds_.empty()) async_calls_->CloseInBackground(std::exchange(fds_, {}));
}

void FdBundle::CloseAll(Napi::Env env) {
  for (FdBundle* bundle : *StateOf(env).fd_bundles) bundle->CloseInBackground();
}

Napi::Value FdBundle::Numbers(const Napi::CallbackInfo& info) {
  Napi::Array numbers = Napi::Array::New(info.Env(), fds_.size());
  for (uint32_t i = 0; i < fds_.size(); ++i) numbers.Set(i, fds_[i].get());
  return numbers;
}

Napi::Value FdBundle::Take(const Napi::CallbackInfo& info) {
  Napi::Value numbers = Numbers(info);
  if (info.Env().IsExceptionPending()) return info.Env().Undefined();
  for (Fd& fd : fds_) fd.Release();
  fds_.clear();
  return numbers;
}

Napi::Value FdBundle::Close(const Napi::CallbackInfo& info) {
  return RunAsync(info.Env(), [fds = std::move(fds_)]() mutable -> Status {
    fds.clear();
    return Done{};
  });
}

}  // namespace tapfd
