#include "devices/queue_holders.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#ifndef STATX_TYPE
#include <linux/stat.h>
#endif
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "devices/tun_ioctl.h"
#include "sys/fd.h"

namespace tapfd {

namespace {

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

// Null if it does not exist (any more) or may not be read.
Directory OpenDirectory(const std::string& path) {
  return Directory(opendir(path.c_str()), closedir);
}

// The entries whose name is a number: processes, descriptors.
std::vector<int> NumbersIn(const Directory& directory) {
  std::vector<int> numbers;
  while (directory) {
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr) break;
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0]))) numbers.push_back(atoi(entry->d_name));
  }
  return numbers;
}

std::string ReadText(const std::string& path) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(4096, '\0');
  ssize_t length = file.valid() ? read(file.get(), text.data(), text.size()) : 0;
  text.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return text;
}

std::string ProcessPath(pid_t pid, const char* what) {
  return "/proc/" + std::to_string(pid) + "/" + what;
}

std::string CommandOf(pid_t pid) {
  std::string command = ReadText(ProcessPath(pid, "comm"));
  if (!command.empty() && command.back() == '\n') command.pop_back();
  return command;
}

// AT_STATX_DONT_SYNC: a file on a server that does not answer must not block this. musl has statx(2) only
// since 1.2.5.
bool IsDevice(int directory, int entry, dev_t number) {
  struct statx st;
  std::string name = std::to_string(entry);
  return syscall(SYS_statx, directory, name.c_str(), AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
         S_ISCHR(st.stx_mode) && makedev(st.stx_rdev_major, st.stx_rdev_minor) == number;
}

// tun.c tun_chr_show_fdinfo. All TUNs and TAPs share one number; those of other names need not be touched.
bool HasInterface(pid_t pid, int fd, const std::string& name) {
  std::string info = ReadText(ProcessPath(pid, "fdinfo/") + std::to_string(fd));
  return info.find("iff:\t" + name + "\n") != std::string::npos;
}

struct Descriptor {
  pid_t pid;
  int fd;
};

// Whether both refer to one open file description, and so to one queue.
bool IsSameQueue(const Descriptor& a, const Descriptor& b) {
  if (a.pid == b.pid && a.fd == b.fd) return true;
  return syscall(SYS_kcmp, a.pid, b.pid, KCMP_FILE, a.fd, b.fd) == 0;
}

// The other process's descriptor, for as long as it takes to ask it. Fails where that is not allowed
// (ptrace(2), PTRACE_MODE_ATTACH), or the kernel is older than pidfd_getfd(2), Linux 5.6.
Result<Fd> Copy(const Descriptor& found) {
  Fd process(static_cast<int>(syscall(SYS_pidfd_open, found.pid, 0)));
  if (!process.valid()) return Failure::FromErrno("pidfd_open");
  Fd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), found.fd, 0)));
  if (!copy.valid()) return Failure::FromErrno("pidfd_getfd");
  return copy;
}

enum class Answer { kNo, kYes, kUnknown };

// Two TUNs or TAPs of one name are one device if and only if they are in one namespace.
Answer IsSameNamespace(int fd, int other) {
  Result<Fd> ours = GetDeviceNamespace(fd);
  Result<Fd> theirs = GetDeviceNamespace(other);
  if (!ours.ok() || !theirs.ok()) return Answer::kUnknown;
  struct stat a, b;
  if (fstat(ours.value().get(), &a) != 0 || fstat(theirs.value().get(), &b) != 0) return Answer::kUnknown;
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino ? Answer::kYes : Answer::kNo;
}

// Whether a descriptor that looks like one of the device behind `fd` is one, and takes part in its traffic.
// Only the descriptor itself knows that.
Answer IsQueueOf(int fd, const Descriptor& found, bool macvtap) {
  Result<Fd> copy = Copy(found);
  if (!copy.ok()) {
    int error = copy.failure().error;
    if (error == ESRCH || error == EBADF) return Answer::kNo;  // ended, or closed
    // The number is a macvtap's alone, but a descriptor of a deleted one keeps it.
    return macvtap ? Answer::kYes : Answer::kUnknown;
  }
  Result<AttachedInterface> attached = GetInterface(copy.value().get());
  if (!attached.ok()) return Answer::kNo;  // of a deleted device
  if (macvtap) return Answer::kYes;
  if ((attached.value().flags & IFF_DETACH_QUEUE) != 0) return Answer::kNo;
  return IsSameNamespace(fd, copy.value().get());
}

}  // namespace

Result<OtherQueues> FindOtherQueues(int fd, const std::string& tun_name, const std::vector<int>& own) {
  struct stat st;
  if (fstat(fd, &st) != 0) return Failure::FromErrno("fstat");
  OtherQueues others{st.st_rdev, {}};
  pid_t self = getpid();
  std::vector<Descriptor> known{{self, fd}};
  for (int one : own) known.push_back({self, one});
  for (pid_t pid : NumbersIn(OpenDirectory("/proc"))) {
    Directory descriptors = OpenDirectory(ProcessPath(pid, "fd"));
    for (int number : NumbersIn(descriptors)) {
      if (!IsDevice(dirfd(descriptors.get()), number, st.st_rdev)) continue;
      if (!tun_name.empty() && !HasInterface(pid, number, tun_name)) continue;
      Descriptor found{pid, number};
      auto is_found = [&](const Descriptor& other) { return IsSameQueue(found, other); };
      if (std::any_of(known.begin(), known.end(), is_found)) continue;
      Answer answer = IsQueueOf(fd, found, tun_name.empty());
      if (answer == Answer::kNo) continue;
      known.push_back(found);
      others.holders.push_back({pid, number, CommandOf(pid), answer == Answer::kYes});
    }
  }
  return others;
}

Result<Fd> FindDeviceNamespace(pid_t pid, int fd) {
  Result<Fd> copy = Copy({pid, fd});
  if (!copy.ok()) return copy.failure();
  return GetDeviceNamespace(copy.value().get());
}

}  // namespace tapfd
