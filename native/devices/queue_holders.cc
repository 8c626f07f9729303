#include "devices/queue_holders.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
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

// AT_STATX_DONT_SYNC: a file on a server that does not answer must not block this.
bool IsDevice(int directory, int entry, dev_t number) {
  struct statx st;
  std::string name = std::to_string(entry);
  return statx(directory, name.c_str(), AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 && S_ISCHR(st.stx_mode) &&
         makedev(st.stx_rdev_major, st.stx_rdev_minor) == number;
}

// tun.c tun_chr_show_fdinfo.
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

// A descriptor of a deleted macvtap still shows its device number, which a later macvtap may get: only the
// descriptor itself knows its interface. Where it may not be asked, or the kernel is older than
// pidfd_getfd(2), the number must do.
bool LeadsTo(const Descriptor& found, const std::string& name) {
  Fd process(static_cast<int>(syscall(SYS_pidfd_open, found.pid, 0)));
  if (!process.valid()) return errno != ESRCH;  // it has ended
  Fd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), found.fd, 0)));
  if (!copy.valid()) return errno != ESRCH && errno != EBADF;  // or has closed it
  Result<AttachedInterface> attached = GetInterface(copy.get());
  return attached.ok() && attached.value().name == name;
}

}  // namespace

Result<OtherQueues> FindOtherQueues(int fd, const std::string& tun_name, const std::vector<int>& own) {
  struct stat st;
  if (fstat(fd, &st) != 0) return Failure::FromErrno("fstat");
  std::string macvtap_name;
  if (tun_name.empty()) {
    Result<AttachedInterface> attached = GetInterface(fd);
    if (!attached.ok()) return attached.failure();
    macvtap_name = attached.value().name;
  }
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
      if (tun_name.empty() && !LeadsTo(found, macvtap_name)) continue;
      known.push_back(found);
      others.holders.push_back({pid, number, CommandOf(pid)});
    }
  }
  return others;
}

}  // namespace tapfd
