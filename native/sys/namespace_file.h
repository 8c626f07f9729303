// Creates a network namespace bound to a file, as `ip netns add` does, and removes the file.

#ifndef TAPFD_SYS_NAMESPACE_FILE_H_
#define TAPFD_SYS_NAMESPACE_FILE_H_

#include <string>
#include <utility>

#include "sys/net_namespace.h"
#include "sys/result.h"

namespace tapfd {

// Owner of the file: its destructor removes the file, and so the namespace unless something else holds it.
class NamespaceFile {
 public:
  // Creates the directory (mode 0755, a shared mount, like /run/netns), the file, and the namespace, which
  // has only `lo`, down.
  static Result<NamespaceFile> Create(const std::string& path);
  // Removes `path` if it is bound to `ns`. Another namespace is left alone, and anything that is not a
  // namespace is refused, so that no ordinary file is ever unlinked.
  static Status Remove(const std::string& path, const NetNamespace& ns);

  NamespaceFile(NamespaceFile&& other) noexcept
      : ns_(std::move(other.ns_)), path_(std::exchange(other.path_, {})) {}
  NamespaceFile& operator=(NamespaceFile&&) = delete;
  ~NamespaceFile();

  const std::string& path() const { return path_; }
  bool Holds(const NetNamespace& ns) const { return ns_.SameAs(ns); }
  Result<NetNamespace> Open() const { return ns_.Duplicate(); }

 private:
  NamespaceFile(NetNamespace ns, std::string path) : ns_(std::move(ns)), path_(std::move(path)) {}

  NetNamespace ns_;
  std::string path_;
};

}  // namespace tapfd

#endif  // TAPFD_SYS_NAMESPACE_FILE_H_
