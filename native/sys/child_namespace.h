// The network namespace of the next child process of a thread.
//
// fork() copies the calling thread with its namespace, and a handler of pthread_atfork(3) moves the child
// before anything else happens in it. So the child is in the namespace whole, whatever it becomes (setuid,
// chdir, exec, a shell), and the parent never leaves its own.

#ifndef TAPFD_SYS_CHILD_NAMESPACE_H_
#define TAPFD_SYS_CHILD_NAMESPACE_H_

#include <sys/types.h>

#include <memory>
#include <utility>

#include "sys/net_namespace.h"
#include "sys/result.h"

namespace tapfd {

// While it exists, every child that this thread forks starts in `ns`; one that cannot enter it exits with
// status 127 before it does anything. Not nested. A child that is not made with fork() (vfork, posix_spawn)
// does not enter, and is not in entered().
class ChildNamespace {
 public:
  // `ns` outlives it. `dies_with_parent`: the child is killed when this thread ends, however that happens.
  static Result<ChildNamespace> Set(const NetNamespace& ns, bool dies_with_parent);

  ChildNamespace(ChildNamespace&& other) noexcept : report_(std::exchange(other.report_, nullptr)) {}
  ChildNamespace& operator=(ChildNamespace&&) = delete;
  ~ChildNamespace();

  // The child that was forked last and has entered the namespace; 0 if none was forked. A failure: why it
  // could not. Valid once the child has executed its program, or has exited.
  Result<pid_t> Entered() const;

 private:
  struct Report;
  explicit ChildNamespace(Report* report) : report_(report) {}
  static void InChild();

  Report* report_;  // memory that the child shares
};

// The calling thread in another namespace, for the start of a child without fork(). Nothing else may begin on
// the thread meanwhile, and no other thread from it: all would be inside.
class ThreadInNamespace {
 public:
  // Refused before anything has changed if the thread could not come back.
  static Result<ThreadInNamespace> Enter(const NetNamespace& ns);

  ThreadInNamespace(ThreadInNamespace&&) noexcept = default;
  ThreadInNamespace& operator=(ThreadInNamespace&&) = delete;
  ~ThreadInNamespace();

 private:
  explicit ThreadInNamespace(NetNamespace before)
      : before_(std::make_unique<NetNamespace>(std::move(before))) {}

  std::unique_ptr<NetNamespace> before_;
};

}  // namespace tapfd

#endif  // TAPFD_SYS_CHILD_NAMESPACE_H_
