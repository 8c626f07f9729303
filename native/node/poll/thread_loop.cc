#include "node/poll/thread_loop.h"

#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>
#include <utility>

namespace tapfd {

namespace {

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR && EPOLLHUP == POLLHUP);

// More in this time, and the next waits for a turn of the loop (src/base/loop-share.ts). A turn that may not
// keep the loop alive comes only a millisecond later.
constexpr unsigned kMaxDeliveries = 2;
constexpr unsigned kMaxDeliveriesUnref = 16;
constexpr auto kShareTime = std::chrono::milliseconds(10);

uint32_t ToPoll(unsigned watched) {
  return ((watched & PollSource::kReadable) != 0 ? EPOLLIN : 0U) |
         ((watched & PollSource::kWritable) != 0 ? EPOLLOUT : 0U);
}

// As libuv's uv__io_poll: a hang-up alone is all that is watched.
unsigned FromPoll(uint32_t events, unsigned watched) {
  if ((events & (EPOLLIN | EPOLLOUT)) == 0 && (events & EPOLLHUP) != 0) return watched;
  return watched & (((events & EPOLLIN) != 0 ? PollSource::kReadable : 0U) |
                    ((events & EPOLLOUT) != 0 ? PollSource::kWritable : 0U));
}

}  // namespace

class ThreadSource final : public PollSource {
 public:
  ThreadSource(std::shared_ptr<ThreadLoop> loop, uint64_t id, int fd, PollListener* listener)
      : PollSource(listener), loop_(std::move(loop)), id_(id), fd_(fd) {}

  // Stopping leaves the thread armed: what it still reports is ignored, and starting again costs nothing.
  Status Watch(unsigned events) override {
    SetWatched(events);
    if (waits_ || (events & ~armed_) == 0) return Done{};
    return Arm();
  }

  void SetRef(bool keeps_alive) override {
    keeps_alive_ = keeps_alive;
    UpdateKeepingAlive();
  }

  void RunEveryTurn(bool run) override {
    every_turn_ = run;
    if (run) loop_->Schedule();
  }
  bool runs_every_turn() const override { return every_turn_; }

  void Close() override {
    SetWatched(0);
    loop_->sources_.erase(id_);
    if (loop_->thread_) loop_->thread_->Remove(fd_);
    delete this;
  }

 private:
  friend class ThreadLoop;

  Status Arm() {
    armed_ = watched_;
    return loop_->thread_->Arm(fd_, id_, ToPoll(watched_));
  }

  // What is ready now, of what is watched.
  uint32_t Look() const {
    pollfd look{fd_, static_cast<short>(ToPoll(watched_)), 0};
    int count = poll(&look, 1, 0);
    if (count <= 0) return 0;
    return (look.revents & POLLNVAL) != 0 ? static_cast<uint32_t>(EPOLLERR)
                                          : static_cast<uint32_t>(look.revents);
  }

  void SetWatched(unsigned events) {
    watched_ = events;
    UpdateKeepingAlive();
  }

  void UpdateKeepingAlive() {
    bool counts = keeps_alive_ && watched_ != 0;
    if (counts == counts_) return;
    counts_ = counts;
    loop_->CountKeepingAlive(counts ? 1 : -1);
  }

  const std::shared_ptr<ThreadLoop> loop_;
  const uint64_t id_;
  const int fd_;
  unsigned armed_ = 0;  // what the thread waits for
  bool waits_ = false;  // is being delivered or deferred: armed afterwards
  bool every_turn_ = false;
  bool keeps_alive_ = false;
  bool counts_ = false;
};

ThreadLoop::ThreadLoop(Napi::Env env, Napi::Function schedule)
    : env_(env), schedule_(Napi::Persistent(schedule)) {}

Status ThreadLoop::Start() {
  // The thread-safe function may call once more when this loop is gone.
  auto* context = new std::weak_ptr<ThreadLoop>(weak_from_this());
  auto forget = [](napi_env, void* data, void*) { delete static_cast<std::weak_ptr<ThreadLoop>*>(data); };
  napi_status status =
      napi_create_threadsafe_function(env_, nullptr, nullptr, Napi::String::New(env_, "tapfd.poll"), 0, 1,
                                      context, forget, context, OnWake, &wake_);
  if (status != napi_ok) {
    delete context;
    return Failure::Refused("ERR_TAPFD_UNSUPPORTED_RUNTIME", "the runtime has no thread-safe functions");
  }
  napi_unref_threadsafe_function(env_, wake_);
  Result<std::unique_ptr<PollThread>> thread = PollThread::Start(
      [wake = wake_] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); });
  if (!thread.ok()) {
    napi_release_threadsafe_function(std::exchange(wake_, nullptr), napi_tsfn_abort);
    return thread.failure();
  }
  thread_ = std::move(thread.value());
  // After the thread-safe function, so that it runs before that is taken away from the thread.
  auto* self = new std::weak_ptr<ThreadLoop>(weak_from_this());
  auto end = [](void* data) {
    std::unique_ptr<std::weak_ptr<ThreadLoop>> ending(static_cast<std::weak_ptr<ThreadLoop>*>(data));
    if (std::shared_ptr<ThreadLoop> loop = ending->lock()) loop->End();
  };
  napi_add_env_cleanup_hook(env_, end, self);
  return Done{};
}

void ThreadLoop::End() {
  if (std::exchange(ended_, true)) return;
  std::shared_ptr<ThreadLoop> self = shared_from_this();
  thread_.reset();
  while (!sources_.empty()) {
    auto [id, source] = *sources_.begin();
    source->listener_->OnEnvironmentEnd();
    sources_.erase(id);
  }
  if (wake_ != nullptr) napi_release_threadsafe_function(std::exchange(wake_, nullptr), napi_tsfn_abort);
  schedule_.Reset();
}

Result<PollSource*> ThreadLoop::Open(int fd, PollListener* listener) {
  if (ended_) return Failure::Refused("ERR_TAPFD_CLOSED", "the environment is ending");
  Status added = thread_->Add(fd);
  if (!added.ok()) return added.failure();
  auto* source = new ThreadSource(shared_from_this(), ++last_id_, fd, listener);
  sources_.emplace(last_id_, source);
  return static_cast<PollSource*>(source);
}

ThreadSource* ThreadLoop::Find(uint64_t id) const {
  auto found = sources_.find(id);
  return found == sources_.end() ? nullptr : found->second;
}

void ThreadLoop::OnWake(napi_env env, napi_value, void* context, void*) {
  // null: the environment is ending.
  if (env == nullptr) return;
  std::shared_ptr<ThreadLoop> loop = static_cast<std::weak_ptr<ThreadLoop>*>(context)->lock();
  if (loop && !loop->ended_) loop->Dispatch();
}

void ThreadLoop::Dispatch() {
  Napi::HandleScope scope(env_);
  for (const PollThread::Ready& ready : thread_->Take()) {
    ThreadSource* source = Find(ready.id);
    if (source == nullptr) continue;
    source->armed_ = 0;
    // Deferred: the turn looks for itself.
    if (source->waits_) continue;
    Deliver(ready.id, ready.events);
    Resume(ready.id, false);
    if (ended_) return;
  }
}

void ThreadLoop::Turn() {
  if (ended_) return;
  Napi::HandleScope scope(env_);
  std::shared_ptr<ThreadLoop> self = shared_from_this();
  scheduled_ = scheduled_alive_ = false;
  deliveries_ = 0;
  for (uint64_t id : std::exchange(deferred_, {})) {
    ThreadSource* source = Find(id);
    if (source == nullptr) continue;
    source->waits_ = false;
    uint32_t events = source->watched_ == 0 ? 0 : source->Look();
    if (events != 0) Deliver(id, events);
    Resume(id, events != 0);
    if (ended_) return;
  }
  std::vector<uint64_t> every_turn;
  for (auto [id, source] : sources_) {
    if (source->every_turn_) every_turn.push_back(id);
  }
  for (uint64_t id : every_turn) {
    ThreadSource* source = Find(id);
    if (source != nullptr && source->every_turn_) source->listener_->OnTurn();
    if (ended_) return;
  }
  for (auto [id, source] : sources_) {
    if (source->every_turn_) Schedule();
  }
}

void ThreadLoop::Deliver(uint64_t id, uint32_t events) {
  ThreadSource* source = Find(id);
  if (source->watched_ == 0) return;
  source->waits_ = true;
  if ((events & EPOLLERR) != 0) {
    source->SetWatched(0);
    source->listener_->OnPoll(EBADF, 0);
  } else if (unsigned ready = FromPoll(events, source->watched_); ready != 0) {
    source->listener_->OnPoll(0, ready);
  }
  source = Find(id);
  if (source != nullptr) source->waits_ = false;
}

void ThreadLoop::Resume(uint64_t id, bool is_ready) {
  ThreadSource* source = Find(id);
  if (source == nullptr || ended_ || (source->watched_ & ~source->armed_) == 0) return;
  bool continues = keeping_alive_ > 0 && (is_ready || source->Look() != 0);
  if (SpendShare() && !continues) {
    Status armed = source->Arm();
    if (armed.ok()) return;
    source->SetWatched(0);
    source->listener_->OnPoll(armed.failure().error, 0);
    return;
  }
  source->waits_ = true;
  deferred_.push_back(id);
  Schedule();
}

bool ThreadLoop::SpendShare() {
  Clock::time_point now = Clock::now();
  if (now - since_ > kShareTime) {
    since_ = now;
    deliveries_ = 0;
  }
  return ++deliveries_ <= (keeping_alive_ > 0 ? kMaxDeliveries : kMaxDeliveriesUnref);
}

void ThreadLoop::Schedule() {
  bool alive = keeping_alive_ > 0;
  if (ended_ || (scheduled_ && (scheduled_alive_ || !alive))) return;
  scheduled_ = true;
  scheduled_alive_ = alive;
  Napi::HandleScope scope(env_);
  schedule_.Call({Napi::Boolean::New(env_, alive)});
}

void ThreadLoop::CountKeepingAlive(int change) {
  keeping_alive_ += change;
  if (wake_ == nullptr) return;
  if (change > 0 && keeping_alive_ == 1) napi_ref_threadsafe_function(env_, wake_);
  if (change < 0 && keeping_alive_ == 0) napi_unref_threadsafe_function(env_, wake_);
}

}  // namespace tapfd
