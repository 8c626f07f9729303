#include "sys/unix_socket.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tapfd {

namespace {

// `linux/socket.h`; older C libraries lack it.
#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif

// Room for all descriptors, and for anything that an earlier owner of the socket asked the kernel to add.
constexpr size_t kControlBytes = CMSG_SPACE(kMaxFds * sizeof(int)) + 512;

template <typename Call>
auto Uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// Sets a connected socket up: urgent data (MSG_OOB) becomes data like any other. Otherwise it would stay
// behind a peek and wake the event loop again and again, and the read that discards it could take, and lose,
// a message that came meanwhile.
Result<PeerCredentials> SetUpAndNamePeer(int fd) {
  int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) != 0) {
    return Failure::FromErrno("setsockopt SO_OOBINLINE");
  }
  struct ucred credentials = {};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return Failure::FromErrno("getsockopt SO_PEERCRED");
  }
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

Result<ConnectedSocket> WithPeer(Fd fd) {
  Result<PeerCredentials> peer = SetUpAndNamePeer(fd.get());
  if (!peer.ok()) return peer.failure();
  return ConnectedSocket{std::move(fd), peer.value()};
}

Result<Fd> NewSocket(int flags) {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!fd.valid()) return Failure::FromErrno("socket");
  return fd;
}

// 0, or the errno of connecting without waiting.
int TryConnect(const Fd& fd, const UnixAddress& address) {
  const auto* raw = reinterpret_cast<const struct sockaddr*>(&address.address);
  return Uninterrupted([&] { return connect(fd.get(), raw, address.length); }) == 0 ? 0 : errno;
}

int BindAndListen(const Fd& fd, const ListenSettings& settings, std::string* syscall) {
  const auto* raw = reinterpret_cast<const struct sockaddr*>(&settings.address.address);
  // The file gets its mode from the socket (net/unix/af_unix.c unix_bind_bsd), less the umask, so that it is
  // never accessible to more users than it should be.
  *syscall = "fchmod";
  if (settings.mode && fchmod(fd.get(), *settings.mode) != 0) return errno;
  *syscall = "bind";
  if (bind(fd.get(), raw, settings.address.length) != 0) return errno;
  *syscall = "listen";
  return listen(fd.get(), settings.backlog) == 0 ? 0 : errno;
}

Fd OpenInode(const std::string& path) {
  return Fd(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

// A path to this very inode, whatever has happened to its name.
std::string PathOf(const Fd& inode) {
  return "/proc/self/fd/" + std::to_string(inode.get());
}

// True if no socket is behind the socket file any more, for example because its server was killed; none ever
// will be again. The probe is a socket of another type: a live server's kernel refuses it (EPROTOTYPE) and
// the server never notices (net/unix/af_unix.c unix_find_bsd).
bool IsStale(const Fd& inode) {
  struct stat st;
  if (fstat(inode.get(), &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
  Fd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return false;
  return TryConnect(probe, UnixAddress::From(PathOf(inode))) == ECONNREFUSED;
}

bool IsSameFile(const Fd& inode, const std::string& path) {
  struct stat held;
  struct stat found;
  return fstat(inode.get(), &held) == 0 && lstat(path.c_str(), &found) == 0 && held.st_dev == found.st_dev &&
         held.st_ino == found.st_ino;
}

// renameat2(2), which musl has no function for. 0, or -1 and errno: EEXIST if the new name is taken.
long RenameToNewName(const std::string& from, const std::string& to) {
  return syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
}

// Renames the file before checking that it is the right one: between a check and the removal, the name could
// be given to another file. If it is another file, it is put back.
bool RemoveIfSame(const Fd& inode, const std::string& path) {
  if (!IsSameFile(inode, path)) return false;
  std::string aside = path + ".tapfd-" + std::to_string(getpid()) + "-" + std::to_string(inode.get());
  if (RenameToNewName(path, aside) != 0) {
    // A file system without RENAME_NOREPLACE: remove it by name.
    return errno == EINVAL && unlink(path.c_str()) == 0;
  }
  if (IsSameFile(inode, aside)) return unlink(aside.c_str()) == 0;
  RenameToNewName(aside, path);
  return false;
}

bool RemoveStaleFile(const std::string& path) {
  Fd inode = OpenInode(path);
  return inode.valid() && IsStale(inode) && RemoveIfSame(inode, path);
}

ssize_t ReceiveMessage(int fd, struct iovec* part, void* control, size_t control_bytes, int flags,
                       struct msghdr* message) {
  *message = {};
  message->msg_iov = part;
  message->msg_iovlen = 1;
  message->msg_control = control;
  message->msg_controllen = control_bytes;
  ssize_t bytes =
      Uninterrupted([&] { return recvmsg(fd, message, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
  return bytes < 0 ? -errno : bytes;
}

std::vector<Fd> TakeFds(struct msghdr* message) {
  std::vector<Fd> fds;
  for (struct cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr;
       header = CMSG_NXTHDR(message, header)) {
    bool rights = header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS;
    bool process = header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_PIDFD;
    if (!rights && !process) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
      Fd fd(number);
      if (rights) fds.push_back(std::move(fd));  // an unrequested pidfd is closed
    }
  }
  return fds;
}

// One recvmsg(2) with room for descriptors.
Received ReceiveWithFds(int fd, uint8_t* data, size_t size, int flags) {
  alignas(struct cmsghdr) uint8_t control[kControlBytes];
  struct iovec part = {data, size};
  struct msghdr message;
  Received received;
  ssize_t bytes = ReceiveMessage(fd, &part, control, sizeof control, flags, &message);
  if (bytes < 0) {
    received.error = static_cast<int>(-bytes);
    return received;
  }
  received.bytes = static_cast<size_t>(bytes);
  received.end = bytes == 0;
  received.fds = TakeFds(&message);
  received.truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  if (received.truncated) received.fds.clear();
  return received;
}

Failure NotAStreamSocket(int fd, const char* what) {
  return Failure::Refused(
      "ERR_TAPFD_NOT_A_UNIX_SOCKET",
      "descriptor " + std::to_string(fd) + " is not " + what + ": it must be a connected unix stream socket");
}

Result<int> SocketOption(int fd, int option, const char* syscall) {
  int value = 0;
  socklen_t length = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, option, &value, &length) != 0) return Failure::FromErrno(syscall);
  return value;
}

}  // namespace

UnixAddress UnixAddress::From(const std::string& name) {
  UnixAddress result = {};
  result.address.sun_family = AF_UNIX;
  result.length = offsetof(struct sockaddr_un, sun_path);
  bool abstract = !name.empty() && name[0] == '\0';
  // A path ends with a NUL; an abstract name begins with one, and its length delimits it.
  size_t bytes = name.size() + (abstract ? 0 : 1);
  if (bytes > sizeof result.address.sun_path) return result;
  std::memcpy(result.address.sun_path, name.data(), name.size());
  result.length += static_cast<socklen_t>(bytes);
  return result;
}

Result<ConnectedSocket> ConnectUnix(const UnixAddress& address) {
  Result<Fd> fd = NewSocket(SOCK_NONBLOCK);
  if (!fd.ok()) return fd.failure();
  int error = TryConnect(fd.value(), address);
  if (error != 0) return Failure::FromError(error, "connect");
  return WithPeer(std::move(fd.value()));
}

Result<ListeningSocket> ListenUnix(const ListenSettings& settings) {
  Result<Fd> fd = NewSocket(SOCK_NONBLOCK);
  if (!fd.ok()) return fd.failure();
  std::string syscall;
  int error = BindAndListen(fd.value(), settings, &syscall);
  if (error == EADDRINUSE && !settings.path.empty() && RemoveStaleFile(settings.path)) {
    error = BindAndListen(fd.value(), settings, &syscall);
  }
  if (error != 0 && syscall != "listen") return Failure::FromError(error, syscall);
  if (settings.path.empty()) {
    if (error != 0) return Failure::FromError(error, syscall);
    return ListeningSocket{std::move(fd.value()), SocketFile()};
  }
  Fd inode = OpenInode(settings.path);
  int open_error = errno;
  bool known = inode.valid();
  std::string inode_path = PathOf(inode);
  SocketFile file(settings.path, std::move(inode));
  if (error != 0) return Failure::FromError(error, syscall);
  // Without its inode, the file could not be distinguished from another one later.
  if (!known) {
    unlink(settings.path.c_str());
    return Failure::FromError(open_error, "open");
  }
  // Restores what the umask removed. By the inode: the name may be another file's by now.
  if (settings.mode && chmod(inode_path.c_str(), *settings.mode) != 0) return Failure::FromErrno("chmod");
  return ListeningSocket{std::move(fd.value()), std::move(file)};
}

void SocketFile::Remove() {
  if (inode_.valid()) RemoveIfSame(inode_, path_);
}

Result<ConnectedSocket> AcceptUnix(int fd) {
  Fd accepted(Uninterrupted([&] { return accept4(fd, nullptr, nullptr, SOCK_CLOEXEC); }));
  if (!accepted.valid()) return Failure::FromErrno("accept4");
  return WithPeer(std::move(accepted));
}

Result<std::pair<ConnectedSocket, ConnectedSocket>> PairUnix() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return Failure::FromErrno("socketpair");
  Fd first(fds[0]);
  Fd second(fds[1]);
  Result<ConnectedSocket> one = WithPeer(std::move(first));
  if (!one.ok()) return one.failure();
  Result<ConnectedSocket> other = WithPeer(std::move(second));
  if (!other.ok()) return other.failure();
  return std::make_pair(std::move(one.value()), std::move(other.value()));
}

Result<PeerCredentials> CheckAdoptable(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return Failure::FromErrno("fstat");
  if (!S_ISSOCK(st.st_mode)) return NotAStreamSocket(fd, "a socket");
  Result<int> domain = SocketOption(fd, SO_DOMAIN, "getsockopt SO_DOMAIN");
  if (!domain.ok()) return domain.failure();
  if (domain.value() != AF_UNIX) return NotAStreamSocket(fd, "a unix socket");
  Result<int> type = SocketOption(fd, SO_TYPE, "getsockopt SO_TYPE");
  if (!type.ok()) return type.failure();
  if (type.value() != SOCK_STREAM) return NotAStreamSocket(fd, "a stream socket");
  struct sockaddr_un peer_name;
  socklen_t length = sizeof peer_name;
  if (getpeername(fd, reinterpret_cast<struct sockaddr*>(&peer_name), &length) != 0) {
    if (errno == ENOTCONN) return NotAStreamSocket(fd, "connected");
    return Failure::FromErrno("getpeername");
  }
  // An earlier owner may have requested credentials with every message; they make each one look as if it had
  // descriptors.
  int off = 0;
  if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &off, sizeof off) != 0) {
    return Failure::FromErrno("setsockopt SO_PASSCRED");
  }
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return Failure::FromErrno("fcntl F_SETFD");
  return SetUpAndNamePeer(fd);
}

Received ReceiveUnix(int fd, uint8_t* data, size_t size) {
  // Peeks first, which duplicates the descriptors: if this process can have no more (EMFILE), a real read
  // would discard them, whereas after a peek the message is still there.
  Received received = ReceiveWithFds(fd, data, size, MSG_PEEK);
  if (received.error != 0 || received.end || received.truncated) return received;
  struct iovec part = {data, received.bytes};
  struct msghdr message;
  ssize_t taken = ReceiveMessage(fd, &part, nullptr, 0, 0, &message);
  if (taken < 0) {
    Received failed;
    failed.error = static_cast<int>(-taken);
    return failed;
  }
  received.bytes = static_cast<size_t>(taken);
  // A peek also returns descriptors from beyond the bytes that it returns (unix_stream_read_generic); the
  // read tells whether they belong to these bytes. If not, they come again with their own bytes.
  bool has_fds = (message.msg_flags & MSG_CTRUNC) != 0;
  // Somebody else reads from this socket, too, and took what was peeked.
  received.lost_fds = has_fds && received.fds.empty();
  if (!has_fds) received.fds.clear();
  return received;
}

ssize_t SendUnix(int fd, const uint8_t* data, size_t size, const std::vector<int>& fds) {
  alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(kMaxFds * sizeof(int))] = {};
  struct iovec part = {const_cast<uint8_t*>(data), size};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    if (fds.size() > kMaxFds) return -EINVAL;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  ssize_t sent = Uninterrupted([&] { return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
  return sent < 0 ? -errno : sent;
}

Status ShutdownWrite(int fd) {
  if (shutdown(fd, SHUT_WR) != 0) return Failure::FromErrno("shutdown");
  return Done{};
}

Result<std::vector<Fd>> DuplicateFds(const std::vector<int>& fds, int least) {
  std::vector<Fd> duplicates;
  for (int fd : fds) {
    Fd duplicate(fcntl(fd, F_DUPFD_CLOEXEC, least));
    if (!duplicate.valid()) return Failure::FromErrno("fcntl F_DUPFD_CLOEXEC");
    duplicates.push_back(std::move(duplicate));
  }
  return duplicates;
}

}  // namespace tapfd
