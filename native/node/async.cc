#include "node/async.h"

#include <cstring>

#include "node/addon_state.h"

namespace tapfd {

Napi::Error FailureToError(Napi::Env env, const Failure& failure) {
  std::string text = failure.message;
  if (failure.error != 0) {
    if (!text.empty()) text += ": ";
    text += failure.syscall + ": " + std::strerror(failure.error);
  }
  Napi::Error error = Napi::Error::New(env, text);
  Napi::Object object = error.Value().As<Napi::Object>();
  auto set = [&](const char* key, const std::string& value) {
    if (!value.empty()) object.Set(key, Napi::String::New(env, value));
  };
  if (failure.error != 0) object.Set("errno", Napi::Number::New(env, -failure.error));
  set("syscall", failure.syscall);
  set("code", failure.code);
  set("path", failure.path);
  set("interface", failure.interface);
  set("detail", failure.detail);
  return error;
}

void AsyncCalls::Add(Call* call) {
  calls_.insert(call);
}

void AsyncCalls::Remove(Call* call) {
  calls_.erase(call);
}

bool AsyncCalls::Begin() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (ended_) return false;
  ++running_;
  return true;
}

void AsyncCalls::Finish() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (--running_ == 0) finished_.notify_all();
}

void AsyncCalls::End() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    ended_ = true;
    finished_.wait(lock, [this] { return running_ == 0; });
  }
  for (Call* call : calls_) call->Abandon();
  for (BackgroundThread& background : threads_) pthread_join(background.thread, nullptr);
  threads_.clear();
}

void* AsyncCalls::RunThread(void* raw) {
  auto* background = static_cast<BackgroundThread*>(raw);
  background->work();
  background->done = true;
  return nullptr;
}

void AsyncCalls::RunInBackground(std::function<void()> work) {
  threads_.remove_if([](BackgroundThread& background) {
    return background.done && pthread_join(background.thread, nullptr) == 0;
  });
  if (ended_) {
    work();
    return;
  }
  BackgroundThread& background = threads_.emplace_back();
  background.work = std::move(work);
  if (pthread_create(&background.thread, nullptr, RunThread, &background) == 0) return;
  background.work();
  threads_.pop_back();
}

std::shared_ptr<AsyncCalls> AsyncCallsOf(Napi::Env env) {
  return StateOf(env).async_calls;
}

}  // namespace tapfd
