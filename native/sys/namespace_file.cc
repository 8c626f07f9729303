#include "sys/namespace_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>

namespace tapfd {

namespace {

// Opens the namespace mounted at `path` itself; a symbolic link there is not followed.
Result<NetNamespace> OpenMounted(const std::string& path) {
  Result<LookedAt> file = LookedAt::At(path, O_NOFOLLOW);
  if (!file.ok()) return file.failure();
  return NetNamespace::FromFile(file.value());
}

// A namespace bound below a shared mount propagates to the mount namespaces of other processes, and so does
// its removal; otherwise one of them could keep the file busy forever. The lock is the one that `ip netns`
// takes on the directory: two creators at once would mount it over itself twice.
Status PrepareDirectory(const std::string& directory) {
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
    return Failure::FromErrno("mkdir").WithPath(directory);
  }
  Fd lock(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid()) return Failure::FromErrno("open").WithPath(directory);
  while (flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return Failure::FromErrno("flock").WithPath(directory);
  }
  const char* path = directory.c_str();
  if (mount("", path, "none", MS_SHARED | MS_REC, nullptr) == 0) return Done{};
  // EINVAL: it is not a mount point yet.
  if (errno != EINVAL) return Failure::FromErrno("mount").WithPath(directory);
  if (mount(path, path, "none", MS_BIND | MS_REC, nullptr) != 0)
    return Failure::FromErrno("mount").WithPath(directory);
  if (mount("", path, "none", MS_SHARED | MS_REC, nullptr) != 0)
    return Failure::FromErrno("mount").WithPath(directory);
  return Done{};
}

}  // namespace

Result<NamespaceFile> NamespaceFile::Create(const std::string& path) {
  Status prepared = PrepareDirectory(path.substr(0, path.rfind('/')));
  if (!prepared.ok()) return prepared.failure();
  Result<NetNamespace> ns = NetNamespace::Create();
  if (!ns.ok()) return ns.failure();
  Fd file(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
  if (!file.valid()) return Failure::FromErrno("open").WithPath(path);
  std::string source = "/proc/self/fd/" + std::to_string(ns.value().fd());
  if (mount(source.c_str(), path.c_str(), "none", MS_BIND, nullptr) != 0) {
    Failure failure = Failure::FromErrno("mount").WithPath(path);
    unlink(path.c_str());
    return failure;
  }
  return NamespaceFile(std::move(ns.value()), path);
}

Status NamespaceFile::Remove(const std::string& path, const NetNamespace& ns) {
  Result<NetNamespace> mounted = OpenMounted(path);
  if (!mounted.ok()) {
    if (mounted.failure().error == ENOENT) return Done{};
    return mounted.failure();
  }
  if (!mounted.value().SameAs(ns)) return Done{};
  if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
    return Failure::FromErrno("umount2").WithPath(path);
  if (unlink(path.c_str()) != 0) return Failure::FromErrno("unlink").WithPath(path);
  return Done{};
}

NamespaceFile::~NamespaceFile() {
  if (!path_.empty()) Remove(path_, ns_);
}

}  // namespace tapfd
