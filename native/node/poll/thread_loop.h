// Polling by a thread, for runtimes whose libuv cannot (docs/runtimes.md): the thread waits, and wakes
// JavaScript by a thread-safe function.

#ifndef TAPFD_NODE_POLL_THREAD_LOOP_H_
#define TAPFD_NODE_POLL_THREAD_LOOP_H_

#include <napi.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "node/poll/source.h"
#include "sys/epoll/poll_thread.h"

namespace tapfd {

class ThreadSource;

// One for an environment. Everything but the PollThread runs on the environment's thread.
//
// A thread-safe function calls as long as calls arrive, and lets no timer run in between. So what is ready
// again at once waits for a turn of the event loop, which JavaScript is asked for.
class ThreadLoop : public std::enable_shared_from_this<ThreadLoop> {
 public:
  // schedule(keepsAlive) makes the event loop call Turn() once, later: at its next turn, unless that would
  // keep it alive.
  ThreadLoop(Napi::Env env, Napi::Function schedule);

  // Starts the thread: before anything else.
  Status Start();
  Result<PollSource*> Open(int fd, PollListener* listener);
  void Turn();
  // Ends the thread, then tells every listener that the environment ends. Idempotent.
  void End();

 private:
  friend class ThreadSource;
  using Clock = std::chrono::steady_clock;

  static void OnWake(napi_env env, napi_value function, void* context, void* data);
  void Dispatch();
  // The source may be gone afterwards, so it goes by its number.
  void Deliver(uint64_t id, uint32_t events);
  void Resume(uint64_t id, bool is_ready);
  ThreadSource* Find(uint64_t id) const;
  bool SpendShare();
  void Schedule();
  void CountKeepingAlive(int change);

  const Napi::Env env_;
  Napi::FunctionReference schedule_;
  std::unique_ptr<PollThread> thread_;
  napi_threadsafe_function wake_ = nullptr;
  bool ended_ = false;
  std::map<uint64_t, ThreadSource*> sources_;
  uint64_t last_id_ = 0;
  std::vector<uint64_t> deferred_;  // continue in the next turn
  bool scheduled_ = false;
  bool scheduled_alive_ = false;  // in a way that keeps the loop alive
  int keeping_alive_ = 0;         // sources
  unsigned deliveries_ = 0;       // without a turn, since:
  Clock::time_point since_;
};

}  // namespace tapfd

#endif  // TAPFD_NODE_POLL_THREAD_LOOP_H_
