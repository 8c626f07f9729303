#include "sys/child_namespace.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <new>

#include "sys/inside/user_namespace.h"

namespace tapfd {

struct ChildNamespace::Report {
  int namespace_fd;
  pid_t parent;  // with which it dies; 0: it does not
  pid_t pid;
  int error;
};

namespace {

// The handler gets no argument. It is a pointer and no owner, and null outside of one call of this thread.
thread_local void* next_child = nullptr;

}  // namespace

// Only system calls: in a child of a process with threads, nothing else is safe.
void ChildNamespace::InChild() {
  auto* report = static_cast<Report*>(next_child);
  if (report == nullptr) return;
  report->error = setns(report->namespace_fd, CLONE_NEWNET) == 0 ? 0 : errno;
  if (report->error == EPERM && EnterAsOwner(report->namespace_fd) == 0) report->error = 0;
  if (report->error != 0) _exit(127);
  if (report->parent != 0) {
    // Behind the change of credentials, which would clear it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != report->parent) _exit(127);
  }
  report->pid = getpid();
}

Result<ChildNamespace> ChildNamespace::Set(const NetNamespace& ns, bool dies_with_parent) {
  // Once for the process, which never unloads this library (binding.gyp: nodelete).
  static const int unregistered = pthread_atfork(nullptr, nullptr, InChild);
  if (unregistered != 0) return Failure::FromError(unregistered, "pthread_atfork");
  void* memory = mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return Failure::FromErrno("mmap");
  auto* report = new (memory) Report{ns.fd(), dies_with_parent ? getpid() : 0, 0, 0};
  next_child = report;
  return ChildNamespace(report);
}

ChildNamespace::~ChildNamespace() {
  if (report_ == nullptr) return;
  next_child = nullptr;
  munmap(report_, sizeof(Report));
}

Result<pid_t> ChildNamespace::Entered() const {
  if (report_->error != 0) return Failure::FromError(report_->error, "setns");
  return report_->pid;
}

Result<ThreadInNamespace> ThreadInNamespace::Enter(const NetNamespace& ns) {
  Result<NetNamespace> before = NetNamespace::Current();
  if (!before.ok()) return before.failure();
  // The thread is there: this asks only whether it may come back.
  if (setns(before.value().fd(), CLONE_NEWNET) != 0) return Failure::FromErrno("setns");
  ThreadInNamespace inside(std::move(before.value()));
  if (setns(ns.fd(), CLONE_NEWNET) != 0) return Failure::FromErrno("setns");
  return inside;
}

ThreadInNamespace::~ThreadInNamespace() {
  // It was allowed a moment ago. A program that went on elsewhere would use another network without knowing
  // it.
  if (before_ != nullptr && setns(before_->fd(), CLONE_NEWNET) != 0) abort();
}

}  // namespace tapfd
