// Runs work that knows no JavaScript on libuv's thread pool and settles a promise with its result.

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

// The pending calls of one environment. When it ends, calls that have not begun never do, running ones are
// waited for, and their results are released: a process that exits in the middle of an open leaves no link
// behind.
class AsyncCalls {
 public:
  class Call {
   public:
    virtual ~Call() = default;
    // Destroys the outcome that JavaScript will not receive, or the work that never begins.
    virtual void Abandon() = 0;
  };

  void Add(Call* call);
  void Remove(Call* call);
  // On the pool thread. False if the environment has ended: then do nothing.
  bool Begin();
  void Finish();
  // On the environment's thread, once.
  void End();
  // On the environment's thread: destroys an owner of descriptors or links on a separate thread, which End()
  // waits for. Closing may wait: for RTNL if a descriptor, even one unread in a socket, is a device's last,
  // or for a slow file server. If End() did not wait, the end of the process would kill the thread halfway.
  template <typename Owner>
  void CloseInBackground(Owner owner) {
    auto shared = std::make_shared<Owner>(std::move(owner));
    RunInBackground([shared = std::move(shared)]() mutable { shared.reset(); });
  }

 private:
  struct BackgroundThread {
    std::function<void()> work;
    pthread_t thread;
    std::atomic<bool> done{false};
  };
  void RunInBackground(std::function<void()> work);
  static void* RunThread(void* background);

  std::mutex mutex_;
  std::condition_variable finished_;
  std::set<Call*> calls_;                // used by the environment's thread only
  std::list<BackgroundThread> threads_;  // likewise
  int running_ = 0;
  bool ended_ = false;
};

std::shared_ptr<AsyncCalls> AsyncCallsOf(Napi::Env env);

// `Work` runs on a pool thread and does not use JavaScript; `Convert` runs on the JavaScript thread and
// creates the value. If the environment ends in between, the outcome is destroyed, and with it every
// descriptor and every link that it owns.
template <typename Work, typename Convert>
class AsyncCall final : public Napi::AsyncWorker, public AsyncCalls::Call {
 public:
  using Outcome = decltype(std::declval<Work>()());

  // Does nothing and returns an empty promise if the environment is ending (a worker continues for a moment
  // while it is being terminated): the arguments of the work may be incomplete (node/arguments.h).
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
    work_.reset();  // closes what the work still owns, off the JavaScript thread
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
