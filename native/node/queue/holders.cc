// FrameQueue's findOtherQueues(): which other processes have queues of its device.

#include <string>
#include <vector>

#include "devices/queue_holders.h"
#include "node/async.h"
#include "node/queue/queue.h"

namespace tapfd {

namespace {

Napi::Value ToObject(Napi::Env env, OtherQueues& others) {
  Napi::Array holders = Napi::Array::New(env, others.holders.size());
  for (uint32_t i = 0; i < others.holders.size(); ++i) {
    const QueueHolder& holder = others.holders[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("pid", holder.pid);
    object.Set("fd", holder.fd);
    object.Set("command", holder.command);
    object.Set("certain", holder.certain);
    holders.Set(i, object);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("device", Napi::Number::New(env, static_cast<double>(others.device)));
  result.Set("holders", holders);
  return result;
}

}  // namespace

Napi::Value FrameQueue::FindOtherQueuesOf(const Napi::CallbackInfo& info) {
  // Numbers, not shares: another queue may be closed in the meantime, and its number is only compared.
  std::vector<int> own;
  for (const FrameQueue* queue : *queues_) {
    if (queue->fd_) own.push_back(queue->fd_->get());
  }
  auto find = [fd = fd_, own, name = info[0].As<Napi::String>().Utf8Value()]() mutable {
    std::shared_ptr<Fd> share = std::move(fd);
    return FindOtherQueues(share ? share->get() : -1, name, own);
  };
  return RunAsync(info.Env(), find, ToObject);
}

}  // namespace tapfd
