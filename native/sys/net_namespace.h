// A network namespace held open by a descriptor, and a way to run code inside it that moves no lasting
// thread.

#ifndef TAPFD_SYS_NET_NAMESPACE_H_
#define TAPFD_SYS_NET_NAMESPACE_H_

#include <sys/types.h>

#include <string>

#include "sys/fd.h"
#include "sys/looked_at.h"
#include "sys/result.h"

namespace tapfd {

class NetNamespace {
 public:
  // Refuses `fd` unless it is a network namespace.
  static Result<NetNamespace> FromFd(Fd fd, const std::string& path);
  // Opens nothing but a namespace.
  static Result<NetNamespace> OpenPath(const std::string& path);
  static Result<NetNamespace> FromFile(const LookedAt& file);
  // The namespace of one thread of this process; a pool thread's own may differ from the caller's.
  static Result<NetNamespace> OfThread(pid_t tid);
  // A new one, which has only `lo`, down. Nothing but the result holds it.
  static Result<NetNamespace> Create();
  // The same in a user namespace: that of `beside`, or a new one if it is null. Needs no privilege.
  static Result<NetNamespace> CreateOwned(const NetNamespace* beside);
  // The one the calling thread is in.
  static Result<NetNamespace> Current();

  NetNamespace(NetNamespace&&) = default;
  NetNamespace& operator=(NetNamespace&&) = default;

  int fd() const { return fd_.get(); }
  // Device and inode of the namespace file: equal exactly when two descriptors are of one namespace.
  std::string key() const { return std::to_string(dev_) + ":" + std::to_string(ino_); }
  bool SameAs(const NetNamespace& other) const { return dev_ == other.dev_ && ino_ == other.ino_; }
  bool IsCurrent() const;
  Result<NetNamespace> Duplicate() const;

 private:
  NetNamespace(Fd fd, dev_t dev, ino_t ino) : fd_(std::move(fd)), dev_(dev), ino_(ino) {}

  Fd fd_;
  dev_t dev_;
  ino_t ino_;
};

// Runs `function(argument)` inside `ns` and waits for it: on this thread if it is in `ns` already (which
// needs no privilege), otherwise on a thread that enters the namespace, runs the function, and ends. If only
// the owner of its user namespace may enter it, and the caller is that, RunAsOwner() does so.
Status RunInNamespaceRaw(const NetNamespace& ns, void (*function)(void*), void* argument);

// The same for any callable that returns a Result<T>.
template <typename Work>
auto RunInNamespace(const NetNamespace& ns, const Work& work) -> decltype(work()) {
  using Outcome = decltype(work());
  struct Call {
    const Work* work;
    std::optional<Outcome> outcome;
  } call{&work, std::nullopt};
  Status entered = RunInNamespaceRaw(
      ns,
      [](void* argument) {
        auto* call = static_cast<Call*>(argument);
        call->outcome.emplace((*call->work)());
      },
      &call);
  if (!entered.ok()) return entered.failure();
  return std::move(*call.outcome);
}

}  // namespace tapfd

#endif  // TAPFD_SYS_NET_NAMESPACE_H_
