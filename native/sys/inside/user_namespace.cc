#include "sys/inside/user_namespace.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace tapfd {

namespace {

constexpr size_t kStackBytes = 1024 * 1024;
constexpr size_t kGuardBytes = 64 * 1024;

// ---- the process that stands in ----

// The calling thread waits, and so its thread-local storage, which the stand-in has too, is used by one of
// them only. A signal would run its handler in both.
struct StandIn {
  int (*work)(void*);  // returns 0 or errno
  void* argument;
  int error;
  bool ran;
};

int RunStandIn(void* raw) {
  auto* call = static_cast<StandIn*>(raw);
  call->error = call->work(call->argument);
  call->ran = true;
  // Not exit(): the handlers of this process are the calling thread's.
  _exit(0);
}

// Returns 0 or errno, and sets `syscall` if it could not be run.
int RunInStandIn(int (*work)(void*), void* argument, const char** syscall) {
  void* stack =
      mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  *syscall = "mmap";
  if (stack == MAP_FAILED) return errno;
  mprotect(stack, kGuardBytes, PROT_NONE);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  StandIn call{work, argument, 0, false};
  // No signal at its end: the handlers of SIGCHLD, and wait() elsewhere in the process, do not see it.
  int flags = CLONE_VM | CLONE_FILES | CLONE_VFORK;
  pid_t pid = clone(RunStandIn, static_cast<char*>(stack) + kStackBytes, flags, &call);
  int error = pid < 0 ? errno : 0;
  if (pid > 0) {
    while (waitpid(pid, nullptr, __WCLONE) < 0 && errno == EINTR) continue;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  munmap(stack, kStackBytes);
  *syscall = "clone";
  if (error != 0) return error;
  // It was killed, or an emulator has given it memory of its own.
  if (!call.ran) return ENOSYS;
  *syscall = nullptr;
  return call.error;
}

// ---- entering ----

struct OwnerCall {
  int namespace_fd;
  void (*function)(void*);
  void* argument;
};

int EnterAndCall(void* raw) {
  auto* call = static_cast<OwnerCall*>(raw);
  int error = EnterAsOwner(call->namespace_fd);
  if (error != 0) return error;
  // Mounting, such as of a private sysfs, needs a mount namespace of the same owner.
  if (unshare(CLONE_NEWNS) != 0) return errno;
  call->function(call->argument);
  return 0;
}

// ---- creating ----

struct CreateCall {
  int beside;
  int namespace_fd;
  const char* syscall;
  uid_t uid;
  gid_t gid;
};

bool WriteFile(const char* path, const char* text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  size_t length = std::strlen(text);
  bool written = write(fd, text, length) == static_cast<ssize_t>(length);
  int saved = errno;
  close(fd);
  errno = saved;
  return written;
}

// The user is root inside, and nobody else exists there (user_namespaces(7)).
bool MapToRoot(uid_t uid, gid_t gid) {
  char map[32];
  std::snprintf(map, sizeof map, "0 %u 1", uid);
  if (!WriteFile("/proc/self/uid_map", map)) return false;
  // Kernels before 3.19 have no such file.
  if (!WriteFile("/proc/self/setgroups", "deny") && errno != ENOENT) return false;
  std::snprintf(map, sizeof map, "0 %u 1", gid);
  return WriteFile("/proc/self/gid_map", map);
}

int CreateInside(void* raw) {
  auto* call = static_cast<CreateCall*>(raw);
  if (call->beside >= 0) {
    call->syscall = "setns";
    int error = EnterAsOwner(call->beside);
    if (error != 0) return error;
  } else {
    call->syscall = "unshare CLONE_NEWUSER";
    if (unshare(CLONE_NEWUSER) != 0) return errno;
    call->syscall = "write /proc/self/uid_map";
    if (!MapToRoot(call->uid, call->gid)) return errno;
  }
  call->syscall = "unshare CLONE_NEWNET";
  if (unshare(CLONE_NEWNET) != 0) return errno;
  call->syscall = "open /proc/self/ns/net";
  call->namespace_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  return call->namespace_fd < 0 ? errno : 0;
}

}  // namespace

int EnterAsOwner(int namespace_fd) {
  int owner = ioctl(namespace_fd, NS_GET_USERNS);
  if (owner < 0) return errno;
  int entered = setns(owner, CLONE_NEWUSER);
  // EINVAL: it is in that user namespace already.
  int error = entered == 0 || errno == EINVAL ? 0 : errno;
  close(owner);
  if (error != 0) return error;
  return setns(namespace_fd, CLONE_NEWNET) == 0 ? 0 : errno;
}

Status RunAsOwner(int namespace_fd, void (*function)(void*), void* argument) {
  OwnerCall call{namespace_fd, function, argument};
  const char* failed = nullptr;
  int error = RunInStandIn(EnterAndCall, &call, &failed);
  if (error != 0) return Failure::FromError(error, failed == nullptr ? "setns" : failed);
  return Done{};
}

Result<Fd> CreateOwnedNamespace(int beside) {
  CreateCall call{beside, -1, nullptr, geteuid(), getegid()};
  const char* failed = nullptr;
  int error = RunInStandIn(CreateInside, &call, &failed);
  if (error != 0) return Failure::FromError(error, failed == nullptr ? call.syscall : failed);
  return Fd(call.namespace_fd);
}

}  // namespace tapfd
