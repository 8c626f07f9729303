// Preloaded into a Node process by failing-syscalls.ts: makes the Nth system call of the addon fail.
//
// The calls go by libc's names, because that is where a preloaded library can stand in between. Only those
// made from within tapfd.node count (the return address tells), so Node's own work goes on as always; and
// libuv's trial of a descriptor, which it makes on the addon's behalf when a device is to be polled.
//
// Armed and read through a file that both sides map or write: see `struct Control`.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// The layout that failing-syscalls.ts writes and reads, in the machine's byte order.
struct Control {
  _Atomic uint32_t armed;
  _Atomic int32_t remaining;  // counts down with each call; the one that reaches 0 fails
  int32_t error;              // what it fails with
  _Atomic uint32_t calls;     // counted since it was armed
  char failed[48];            // name of the call that failed, empty while none has
};

static struct Control* control;

__attribute__((constructor)) static void Attach(void) {
  // Not for this process's children.
  unsetenv("LD_PRELOAD");
  const char* path = getenv("TAPFD_FAILING_SYSCALLS");
  if (path == NULL) return;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* mapped = mmap(NULL, sizeof(struct Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) control = mapped;
}

static int IsAddon(const void* caller) {
  Dl_info info;
  if (dladdr(caller, &info) == 0 || info.dli_fname == NULL) return 0;
  static const char kName[] = "/tapfd.node";
  size_t length = strlen(info.dli_fname);
  return length >= sizeof kName - 1 && strcmp(info.dli_fname + length - (sizeof kName - 1), kName) == 0;
}

// Counts the call; true, with errno set, when it is the one that is to fail.
static int Count(const char* name, unsigned long command) {
  atomic_fetch_add(&control->calls, 1);
  if (atomic_fetch_sub(&control->remaining, 1) != 1) return 0;
  snprintf(control->failed, sizeof control->failed, command == 0 ? "%s" : "%s %#lx", name, command);
  errno = control->error;
  return 1;
}

static int IsArmed(void) {
  return control != NULL && atomic_load(&control->armed);
}

static int Fails(const char* name, unsigned long command, const void* caller) {
  return IsArmed() && IsAddon(caller) && Count(name, command);
}

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))

// The function that this one stands before. Two threads may look it up at once and find the same.
#define REAL(name)                                     \
  static __typeof__(&name) _Atomic found;              \
  __typeof__(&name) real = atomic_load(&found);        \
  if (real == NULL) {                                  \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    atomic_store(&found, real);                        \
  }

#define STAND_BEFORE(type, failure, name, parameters, arguments) \
  type name parameters {                                         \
    REAL(name)                                                   \
    if (Fails(#name, 0, CALLER)) return failure;                 \
    return real arguments;                                       \
  }

// open and its kin: the mode is there only with O_CREAT or O_TMPFILE, and reading it otherwise does no harm
// here.
#define STAND_BEFORE_OPEN(name, parameters, arguments) \
  int name parameters {                                \
    REAL(name)                                         \
    va_list list;                                      \
    va_start(list, flags);                             \
    mode_t mode = va_arg(list, mode_t);                \
    va_end(list);                                      \
    if (Fails(#name, 0, CALLER)) return -1;            \
    return real arguments;                             \
  }

STAND_BEFORE_OPEN(open, (const char* path, int flags, ...), (path, flags, mode))
STAND_BEFORE_OPEN(open64, (const char* path, int flags, ...), (path, flags, mode))
STAND_BEFORE_OPEN(openat, (int directory, const char* path, int flags, ...), (directory, path, flags, mode))
STAND_BEFORE_OPEN(openat64, (int directory, const char* path, int flags, ...), (directory, path, flags, mode))

// One pointer-sized argument follows, whatever its type.
#define STAND_BEFORE_COMMAND(name, type)                         \
  int name(int fd, type command, ...) {                          \
    REAL(name)                                                   \
    va_list list;                                                \
    va_start(list, command);                                     \
    void* argument = va_arg(list, void*);                        \
    va_end(list);                                                \
    if (Fails(#name, (unsigned long)command, CALLER)) return -1; \
    return real(fd, command, argument);                          \
  }
STAND_BEFORE_COMMAND(ioctl, unsigned long)
STAND_BEFORE_COMMAND(fcntl, int)
STAND_BEFORE_COMMAND(fcntl64, int)

static const char* SyscallName(long number) {
  switch (number) {
    case SYS_bpf:
      return "bpf";
    case SYS_fsopen:
      return "fsopen";
    case SYS_fsconfig:
      return "fsconfig";
    case SYS_fsmount:
      return "fsmount";
    case SYS_move_mount:
      return "move_mount";
    case SYS_open_tree:
      return "open_tree";
    case SYS_mount_setattr:
      return "mount_setattr";
    default:
      return "syscall";
  }
}

long syscall(long number, ...) {
  REAL(syscall)
  long a[6];
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  if (Fails(SyscallName(number), (unsigned long)number, CALLER)) return -1;
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) {
  REAL(pthread_create)
  if (Fails("pthread_create", 0, CALLER)) return control->error;
  return real(thread, attributes, start, argument);
}

// uv_poll_init tries the descriptor out with an event that names none (libuv, uv__io_check_fd in linux.c).
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event) {
  REAL(epoll_ctl)
  int is_trial = operation == EPOLL_CTL_ADD && event->data.fd == -1;
  if (is_trial && IsArmed() && Count("epoll_ctl", 0)) return -1;
  return real(epoll, operation, fd, event);
}

STAND_BEFORE(int, -1, epoll_create1, (int flags), (flags))

// The addon passes no more than the argument of the function.
int clone(int (*function)(void*), void* stack, int flags, void* argument, ...) {
  REAL(clone)
  if (Fails("clone", 0, CALLER)) return -1;
  return real(function, stack, flags, argument);
}

STAND_BEFORE(FILE*, NULL, fopen, (const char* path, const char* mode), (path, mode))
STAND_BEFORE(FILE*, NULL, fopen64, (const char* path, const char* mode), (path, mode))
STAND_BEFORE(DIR*, NULL, opendir, (const char* path), (path))
STAND_BEFORE(DIR*, NULL, fdopendir, (int fd), (fd))

STAND_BEFORE(int, -1, socket, (int domain, int type, int protocol), (domain, type, protocol))
STAND_BEFORE(int, -1, bind, (int fd, __CONST_SOCKADDR_ARG address, socklen_t length), (fd, address, length))
STAND_BEFORE(int, -1, connect, (int fd, __CONST_SOCKADDR_ARG address, socklen_t length),
             (fd, address, length))
STAND_BEFORE(int, -1, listen, (int fd, int backlog), (fd, backlog))
STAND_BEFORE(int, -1, accept4, (int fd, __SOCKADDR_ARG address, socklen_t* length, int flags),
             (fd, address, length, flags))
STAND_BEFORE(int, -1, socketpair, (int domain, int type, int protocol, int fds[2]),
             (domain, type, protocol, fds))
STAND_BEFORE(int, -1, shutdown, (int fd, int how), (fd, how))
STAND_BEFORE(int, -1, getpeername, (int fd, __SOCKADDR_ARG address, socklen_t* length), (fd, address, length))
STAND_BEFORE(int, -1, getsockname, (int fd, __SOCKADDR_ARG address, socklen_t* length), (fd, address, length))
STAND_BEFORE(int, -1, getsockopt, (int fd, int level, int name, void* value, socklen_t* length),
             (fd, level, name, value, length))
STAND_BEFORE(int, -1, setsockopt, (int fd, int level, int name, const void* value, socklen_t length),
             (fd, level, name, value, length))
STAND_BEFORE(ssize_t, -1, send, (int fd, const void* data, size_t length, int flags),
             (fd, data, length, flags))
STAND_BEFORE(ssize_t, -1, sendto,
             (int fd, const void* data, size_t length, int flags, __CONST_SOCKADDR_ARG address,
              socklen_t size),
             (fd, data, length, flags, address, size))
STAND_BEFORE(ssize_t, -1, sendmsg, (int fd, const struct msghdr* message, int flags), (fd, message, flags))
STAND_BEFORE(ssize_t, -1, recv, (int fd, void* data, size_t length, int flags), (fd, data, length, flags))
STAND_BEFORE(ssize_t, -1, recvfrom,
             (int fd, void* data, size_t length, int flags, __SOCKADDR_ARG address, socklen_t* size),
             (fd, data, length, flags, address, size))
// The addon reads netlink on the JavaScript thread only to hear news of links. When news comes has nothing to
// do with the call under test, so it is not counted.
ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
  REAL(recvmsg)
  int is_news = gettid() == getpid();
  if (!is_news && Fails("recvmsg", 0, CALLER)) return -1;
  return real(fd, message, flags);
}

STAND_BEFORE(ssize_t, -1, read, (int fd, void* data, size_t length), (fd, data, length))
STAND_BEFORE(ssize_t, -1, pread64, (int fd, void* data, size_t length, off64_t offset),
             (fd, data, length, offset))
STAND_BEFORE(ssize_t, -1, pwrite64, (int fd, const void* data, size_t length, off64_t offset),
             (fd, data, length, offset))
STAND_BEFORE(ssize_t, -1, readv, (int fd, const struct iovec* pieces, int count), (fd, pieces, count))
STAND_BEFORE(ssize_t, -1, writev, (int fd, const struct iovec* pieces, int count), (fd, pieces, count))
STAND_BEFORE(ssize_t, -1, write, (int fd, const void* data, size_t length), (fd, data, length))
STAND_BEFORE(ssize_t, -1, preadv64v2,
             (int fd, const struct iovec* pieces, int count, off64_t offset, int flags),
             (fd, pieces, count, offset, flags))
STAND_BEFORE(ssize_t, -1, pwritev64v2,
             (int fd, const struct iovec* pieces, int count, off64_t offset, int flags),
             (fd, pieces, count, offset, flags))
STAND_BEFORE(ssize_t, -1, readlink, (const char* path, char* data, size_t length), (path, data, length))
STAND_BEFORE(int, -1, poll, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))

STAND_BEFORE(int, -1, setns, (int fd, int type), (fd, type))
STAND_BEFORE(int, -1, unshare, (int flags), (flags))
STAND_BEFORE(int, -1, mount,
             (const char* source, const char* target, const char* type, unsigned long flags,
              const void* data),
             (source, target, type, flags, data))
STAND_BEFORE(int, -1, umount2, (const char* target, int flags), (target, flags))
STAND_BEFORE(int, -1, fsopen, (const char* name, unsigned int flags), (name, flags))
STAND_BEFORE(int, -1, fsconfig, (int fd, unsigned int command, const char* key, const void* value, int extra),
             (fd, command, key, value, extra))
STAND_BEFORE(int, -1, fsmount, (int fd, unsigned int flags, unsigned int attributes), (fd, flags, attributes))
STAND_BEFORE(int, -1, mkdir, (const char* path, mode_t mode), (path, mode))
STAND_BEFORE(int, -1, mkdirat, (int directory, const char* path, mode_t mode), (directory, path, mode))
STAND_BEFORE(char*, NULL, mkdtemp, (char* name), (name))
STAND_BEFORE(int, -1, mknod, (const char* path, mode_t mode, dev_t device), (path, mode, device))
STAND_BEFORE(int, -1, mknodat, (int directory, const char* path, mode_t mode, dev_t device),
             (directory, path, mode, device))
STAND_BEFORE(int, -1, chmod, (const char* path, mode_t mode), (path, mode))
STAND_BEFORE(int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
STAND_BEFORE(int, -1, renameat2,
             (int from, const char* old_path, int to, const char* new_path, unsigned int flags),
             (from, old_path, to, new_path, flags))
STAND_BEFORE(int, -1, rmdir, (const char* path), (path))
STAND_BEFORE(int, -1, unlink, (const char* path), (path))
STAND_BEFORE(int, -1, unlinkat, (int directory, const char* path, int flags), (directory, path, flags))

STAND_BEFORE(int, -1, stat, (const char* path, struct stat* found_stat), (path, found_stat))
STAND_BEFORE(int, -1, stat64, (const char* path, struct stat64* found_stat), (path, found_stat))
STAND_BEFORE(int, -1, lstat, (const char* path, struct stat* found_stat), (path, found_stat))
STAND_BEFORE(int, -1, lstat64, (const char* path, struct stat64* found_stat), (path, found_stat))
STAND_BEFORE(int, -1, fstat, (int fd, struct stat* found_stat), (fd, found_stat))
STAND_BEFORE(int, -1, fstat64, (int fd, struct stat64* found_stat), (fd, found_stat))
STAND_BEFORE(int, -1, fstatat, (int directory, const char* path, struct stat* found_stat, int flags),
             (directory, path, found_stat, flags))
STAND_BEFORE(int, -1, fstatat64, (int directory, const char* path, struct stat64* found_stat, int flags),
             (directory, path, found_stat, flags))
STAND_BEFORE(int, -1, statfs, (const char* path, struct statfs* found_statfs), (path, found_statfs))
STAND_BEFORE(int, -1, statx,
             (int directory, const char* path, int flags, unsigned int mask, struct statx* found_stat),
             (directory, path, flags, mask, found_stat))
STAND_BEFORE(int, -1, fstatfs, (int fd, struct statfs* found_statfs), (fd, found_statfs))
STAND_BEFORE(int, -1, fstatfs64, (int fd, struct statfs64* found_statfs), (fd, found_statfs))

STAND_BEFORE(int, -1, flock, (int fd, int operation), (fd, operation))
STAND_BEFORE(int, -1, dup, (int fd), (fd))
STAND_BEFORE(int, -1, dup3, (int fd, int copy, int flags), (fd, copy, flags))
STAND_BEFORE(int, -1, eventfd, (unsigned int value, int flags), (value, flags))
STAND_BEFORE(void*, MAP_FAILED, mmap64,
             (void* at, size_t bytes, int protection, int flags, int fd, off64_t offset),
             (at, bytes, protection, flags, fd, offset))
STAND_BEFORE(int, -1, pipe2, (int fds[2], int flags), (fds, flags))
