// Runs a piece of the kernel part on libuv's pool and settles a promise with what it returned.

#ifndef TAPFD_NODE_ASYNC_H_
#define TAPFD_NODE_ASYNC_H_

#include <napi.h>
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "sys/result.h"

namespace tapfd {

// The Error that src/base/errors.ts turns into the public one: errno (negative), syscall, code, path,
// interface, detail.
Napi::Error FailureToError(Napi::Env env, const Failure& failure);

// The calls of one environment that are under way. When the environment ends, calls that have not begun never
// do, those that run are waited for, and what they made is given back: a process that exits in the middle of
// an open leaves no link behind.
class AsyncCalls {
 public:
  class Call {
   public:
    virtual ~Call() = default;
    // Destroys the outcome that nobody will take, or the work that never begins.
    virtual void Abandon() = 0;
  };

  void Add(Call* call);
  void Remove(Call* call);
  // On the pool thread. False when the environment has ended: then nothing is to be done.
  bool Begin();
  void Finish();
  // On the environment's thread, once.
  void End();
  // On the environment's thread: destroys what owns descriptors or links on a thread of its own, for which
  // End() waits. Closing may wait: for RTNL where a descriptor, also one that waits unread in a socket, is a
  // device's last, or for a slow file server. A thread that End() does not wait for would be killed halfway
  // by the end of the process.
  template <typename Owner>
  void CloseInBackground(Owner owner) {
    auto shared = std::make_shared<Owner>(std::move(owner));
    RunApart([shared]() mutable { shared.reset(); });
  }

 private:
  struct Apart {
    std::function<void()> work;
    pthread_t thread;
    std::atomic<bool> done{false};
  };
  void RunApart(std::function<void()> work);
  static void* RunAndNote(void* apart);

  std::mutex mutex_;
  std::condition_variable finished_;
  std::set<Call*> calls_;   // touched by the environment's thread only
  std::list<Apart> apart_;  // that list too
  int running_ = 0;
  bool ended_ = false;
};

std::shared_ptr<AsyncCalls> AsyncCallsOf(Napi::Env env);

// `Work` runs on a pool thread and touches no JavaScript; `Convert` runs on the JavaScript thread and makes
// the value. When the environment ends in between, the outcome is destroyed, and with it every descriptor and
// every link that it owns.
template <typename Work, typename Convert>
class AsyncCall final : public Napi::AsyncWorker, public AsyncCalls::Call {
 public:
  using Outcome = decltype(std::declval<Work>()());

  // Empty, and nothing is done, when the environment is ending (a worker that is being terminated runs on for
  // a moment): what the work was made from may have been read halfway (node/arguments.h).
  static Napi::Promise Start(Napi::Env env, Work work, Convert convert) {
    napi_deferred deferred = nullptr;
    napi_value promise = nullptr;
    if (napi_create_promise(env, &deferred, &promise) != napi_ok) return Napi::Promise();
    auto* call = new AsyncCall(env, std::move(work), std::move(convert), deferred);
    call->Queue();
    return Napi::Promise(env, promise);
  }

  ~AsyncCall() override { calls_->Remove(this); }
  void Abandon() override {
    outcome_.reset();
    work_.reset();
  }

 protected:
  void Execute() override {
    if (!calls_->Begin()) return;
    outcome_.emplace((*work_)());
    work_.reset();  // what the work still owned is closed here, off the JavaScript thread
    calls_->Finish();
  }
  void OnOK() override {
    if (!outcome_) return;
    if (!outcome_->ok()) {
      napi_reject_deferred(Env(), deferred_, FailureToError(Env(), outcome_->failure()).Value());
      return;
    }
    Napi::Value value = convert_(Env(), outcome_->value());
    if (Env().IsExceptionPending()) {
      napi_reject_deferred(Env(), deferred_, Env().GetAndClearPendingException().Value());
    } else {
      napi_resolve_deferred(Env(), deferred_, value);
    }
  }

 private:
  AsyncCall(Napi::Env env, Work work, Convert convert, napi_deferred deferred)
      : Napi::AsyncWorker(env),
        calls_(AsyncCallsOf(env)),
        deferred_(deferred),
        work_(std::move(work)),
        convert_(std::move(convert)) {
    calls_->Add(this);
  }

  std::shared_ptr<AsyncCalls> calls_;
  napi_deferred deferred_;
  std::optional<Work> work_;
  Convert convert_;
  std::optional<Outcome> outcome_;
};

template <typename Work, typename Convert>
Napi::Promise RunAsync(Napi::Env env, Work work, Convert convert) {
  return AsyncCall<Work, Convert>::Start(env, std::move(work), std::move(convert));
}

template <typename Work>
Napi::Promise RunAsync(Napi::Env env, Work work) {
  return RunAsync(env, std::move(work), [](Napi::Env e, Done&) -> Napi::Value { return e.Undefined(); });
}

}  // namespace tapfd

#endif  // TAPFD_NODE_ASYNC_H_
