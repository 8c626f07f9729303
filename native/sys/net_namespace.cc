#include "sys/net_namespace.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "sys/inside/user_namespace.h"

namespace tapfd {

namespace {

constexpr long kNsfsMagic = 0x6e736673;  // linux/magic.h NSFS_MAGIC

Failure NotANamespace(const std::string& path) {
  return Failure::Refused("ERR_TAPFD_NOT_A_NAMESPACE", path + " is not a network namespace").WithPath(path);
}

struct ThreadCall {
  int namespace_fd;
  void (*function)(void*);
  void* argument;
  int error;
};

void* EnterAndRun(void* raw) {
  auto* call = static_cast<ThreadCall*>(raw);
  if (setns(call->namespace_fd, CLONE_NEWNET) != 0) {
    call->error = errno;
    return nullptr;
  }
  call->function(call->argument);
  return nullptr;
}

void* UnshareAndOpen(void* raw) {
  auto* outcome = static_cast<std::optional<Result<NetNamespace>>*>(raw);
  if (unshare(CLONE_NEWNET) != 0) {
    outcome->emplace(Failure::FromErrno("unshare"));
  } else {
    outcome->emplace(NetNamespace::Current());
  }
  return nullptr;
}

}  // namespace

Result<NetNamespace> NetNamespace::Create() {
  // On a thread that ends afterwards, since it stays in the new namespace.
  std::optional<Result<NetNamespace>> outcome;
  pthread_t thread;
  int error = pthread_create(&thread, nullptr, UnshareAndOpen, &outcome);
  if (error != 0) return Failure::FromError(error, "pthread_create");
  pthread_join(thread, nullptr);
  return std::move(*outcome);
}

Result<NetNamespace> NetNamespace::CreateOwned(const NetNamespace* beside) {
  Result<Fd> fd = CreateOwnedNamespace(beside == nullptr ? -1 : beside->fd());
  if (!fd.ok()) return fd.failure();
  return FromFd(std::move(fd.value()), "the new namespace");
}

Result<NetNamespace> NetNamespace::FromFd(Fd fd, const std::string& path) {
  struct statfs fs;
  struct stat st;
  if (fstatfs(fd.get(), &fs) != 0) return Failure::FromErrno("fstatfs").WithPath(path);
  if (fstat(fd.get(), &st) != 0) return Failure::FromErrno("fstat").WithPath(path);
  // An ioctl number means something else on another kind of file, so the file system is checked first.
  if (fs.f_type != kNsfsMagic || ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return NotANamespace(path);
  }
  return NetNamespace(std::move(fd), st.st_dev, st.st_ino);
}

Result<NetNamespace> NetNamespace::OpenPath(const std::string& path) {
  Result<LookedAt> file = LookedAt::At(path);
  if (!file.ok()) return file.failure();
  return FromFile(file.value());
}

Result<NetNamespace> NetNamespace::FromFile(const LookedAt& file) {
  if (!file.IsNamespace()) return NotANamespace(file.path());
  Result<Fd> fd = file.Open(O_RDONLY);
  if (!fd.ok()) return fd.failure();
  return FromFd(std::move(fd.value()), file.path());
}

Result<NetNamespace> NetNamespace::OfThread(pid_t tid) {
  return OpenPath("/proc/self/task/" + std::to_string(tid) + "/ns/net");
}

Result<NetNamespace> NetNamespace::Current() {
  return OpenPath("/proc/thread-self/ns/net");
}

bool NetNamespace::IsCurrent() const {
  struct stat st;
  return stat("/proc/thread-self/ns/net", &st) == 0 && st.st_dev == dev_ && st.st_ino == ino_;
}

Result<NetNamespace> NetNamespace::Duplicate() const {
  Fd copy(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return Failure::FromErrno("fcntl F_DUPFD_CLOEXEC");
  return NetNamespace(std::move(copy), dev_, ino_);
}

Status RunInNamespaceRaw(const NetNamespace& ns, void (*function)(void*), void* argument) {
  if (ns.IsCurrent()) {
    function(argument);
    return Done{};
  }
  ThreadCall call{ns.fd(), function, argument, 0};
  pthread_t thread;
  int error = pthread_create(&thread, nullptr, EnterAndRun, &call);
  if (error != 0) return Failure::FromError(error, "pthread_create");
  pthread_join(thread, nullptr);
  if (call.error == 0) return Done{};
  // The caller may own it nevertheless.
  if (call.error == EPERM && RunAsOwner(ns.fd(), function, argument).ok()) return Done{};
  return Failure::FromError(call.error, "setns");
}

}  // namespace tapfd
