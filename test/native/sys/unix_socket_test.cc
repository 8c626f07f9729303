// ReceiveUnix, with something that happens between its system calls: the program's own recvmsg stands before
// the C library's.

#include "sys/unix_socket.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "../check.h"

namespace {

// Runs once, after the next receiving call has returned.
std::function<void()> next_event;

}  // namespace

extern "C" ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
  ssize_t result = syscall(SYS_recvmsg, fd, message, flags);
  int error = errno;
  if (std::function<void()> event = std::exchange(next_event, nullptr)) event();
  errno = error;
  return result;
}

namespace tapfd {
namespace {

struct Pair {
  int ours;
  int theirs;
};

Pair NewPair() {
  Result<std::pair<ConnectedSocket, ConnectedSocket>> pair = PairUnix();
  CHECK(pair.ok(), "pair");
  return Pair{pair.value().first.fd.Release(), pair.value().second.fd.Release()};
}

void Send(int fd, const std::string& text, const std::vector<int>& fds) {
  ssize_t sent = SendUnix(fd, reinterpret_cast<const uint8_t*>(text.data()), text.size(), fds);
  CHECK(sent == static_cast<ssize_t>(text.size()), "send %s: %zd", text.c_str(), sent);
}

// No descriptor above those that are open fits.
void LimitDescriptors(bool limit) {
  struct rlimit limits;
  getrlimit(RLIMIT_NOFILE, &limits);
  int lowest = dup(0);
  close(lowest);
  limits.rlim_cur = limit ? static_cast<rlim_t>(lowest) : limits.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limits);
}

void ComesAfterAnEmptyLook() {
  Pair pair = NewPair();
  uint8_t data[100];
  LimitDescriptors(true);
  next_event = [&] { Send(pair.theirs, "hello", {0, 1}); };
  Received received = ReceiveUnix(pair.ours, data, sizeof data);
  CHECK(received.error == EAGAIN, "nothing was there: %d", received.error);
  received = ReceiveUnix(pair.ours, data, sizeof data);
  CHECK(received.truncated, "no room for them");
  LimitDescriptors(false);
  received = ReceiveUnix(pair.ours, data, sizeof data);
  CHECK(received.bytes == 5 && std::memcmp(data, "hello", 5) == 0, "%zu bytes", received.bytes);
  CHECK(received.fds.size() == 2, "%zu descriptors", received.fds.size());
}

void AnotherReaderTakesWhatWasPeeked() {
  Pair pair = NewPair();
  uint8_t data[100];
  Send(pair.theirs, "one", {});
  next_event = [&] {
    CHECK(read(pair.ours, data, 3) == 3, "the other reader");
    Send(pair.theirs, "two", {0});
  };
  Received received = ReceiveUnix(pair.ours, data, sizeof data);
  CHECK(received.lost_fds && received.bytes == 3 && received.fds.empty(), "%zu bytes", received.bytes);
  Send(pair.theirs, "three", {0});
  received = ReceiveUnix(pair.ours, data, sizeof data);
  CHECK(!received.lost_fds && received.fds.size() == 1, "%zu descriptors", received.fds.size());
}

}  // namespace
}  // namespace tapfd

int main(int, char** arguments) {
  std::string name = arguments[1];
  if (name == "a message that comes after an empty look keeps its descriptors")
    tapfd::ComesAfterAnEmptyLook();
  else
    tapfd::AnotherReaderTakesWhatWasPeeked();
  std::puts("so it is");
}
