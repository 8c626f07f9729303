#include "sys/looked_at.h"

#include <fcntl.h>
#include <sys/vfs.h>

namespace tapfd {

namespace {

constexpr long kNsfsMagic = 0x6e736673;  // linux/magic.h NSFS_MAGIC

}  // namespace

Result<LookedAt> LookedAt::At(const std::string& path, int flags) {
  // O_PATH finds the file and does not call its open().
  Fd fd(open(path.c_str(), O_PATH | O_CLOEXEC | flags));
  if (!fd.valid()) return Failure::FromErrno("open").WithPath(path);
  struct stat status;
  struct statfs fs;
  if (fstat(fd.get(), &status) != 0) return Failure::FromErrno("fstat").WithPath(path);
  if (fstatfs(fd.get(), &fs) != 0) return Failure::FromErrno("fstatfs").WithPath(path);
  return LookedAt(std::move(fd), path, status, fs.f_type == kNsfsMagic);
}

Result<Fd> LookedAt::Open(int flags) const {
  std::string itself = "/proc/self/fd/" + std::to_string(fd_.get());
  Fd fd(open(itself.c_str(), flags | O_CLOEXEC));
  if (!fd.valid()) return Failure::FromErrno("open").WithPath(path_);
  return fd;
}

}  // namespace tapfd
