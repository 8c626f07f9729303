#include "sys/net_namespace.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "sys/inside/user_namespace.h"

namespace tapfd {

namespace {

constexpr long kNsfsMagic = 0x6e736673;  // linux/magic.h NSFS_MAGIC

// Whether a file of nsfs is a network namespace. qemu-user passes on no NS_GET_NSTYPE: there, /proc says
// it, whose links to such files only the kernel writes ("net:[4026531840]").
bool IsOfNetwork(int fd) {
  int type = ioctl(fd, NS_GET_NSTYPE);
  if (type != -1 || (errno != ENOTTY && errno != ENOSYS)) return type == CLONE_NEWNET;
  char target[32];
  ssize_t length = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target);
  return length > 0 && std::string(target, static_cast<size_t>(length)).rfind("net:[", 0) == 0;
}

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
  if (fs.f_type != kNsfsMagic || !IsOfNetwork(fd.get())) {
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
