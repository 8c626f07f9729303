#include "devices/tun_ioctl.h"

#include <linux/bpf.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <cstring>

namespace tapfd {

namespace {

// An ioctl that succeeds with any non-negative number. Retried when interrupted while waiting on RTNL.
template <typename Argument>
Status Ioctl(int fd, unsigned long request, Argument argument, const char* name) {
  int result;
  do {
    result = ioctl(fd, request, argument);
  } while (result < 0 && errno == EINTR);
  if (result < 0) return Failure::FromErrno(std::string("ioctl ") + name);
  return Done{};
}

// A socket filter of these instructions; invalid, with errno, when the kernel refuses it.
Fd LoadProgram(const std::vector<uint8_t>& instructions, std::vector<char>* log) {
  static const char kLicense[] = "GPL";
  union bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insns = reinterpret_cast<uint64_t>(instructions.data());
  attributes.insn_cnt = static_cast<uint32_t>(instructions.size() / sizeof(struct bpf_insn));
  attributes.license = reinterpret_cast<uint64_t>(kLicense);
  if (log != nullptr) {
    attributes.log_buf = reinterpret_cast<uint64_t>(log->data());
    attributes.log_size = static_cast<uint32_t>(log->size());
    attributes.log_level = 1;
  }
  // The kernel opens program descriptors close-on-exec (kernel/bpf/syscall.c bpf_prog_new_fd).
  return Fd(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes)));
}

}  // namespace

Result<unsigned> GetFeatures(int fd) {
  unsigned features = 0;
  Status status = Ioctl(fd, TUNGETFEATURES, &features, "TUNGETFEATURES");
  if (!status.ok()) return status.failure();
  return features;
}

Result<AttachedInterface> GetInterface(int fd) {
  struct ifreq request = {};
  Status status = Ioctl(fd, TUNGETIFF, &request, "TUNGETIFF");
  if (!status.ok()) return status.failure();
  return AttachedInterface{std::string(request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ)),
                           static_cast<unsigned short>(request.ifr_flags)};
}

Result<AttachedInterface> SetInterface(int fd, const std::string& name, unsigned flags) {
  struct ifreq request = {};
  if (name.size() >= IFNAMSIZ) {
    return Failure::Refused("ERR_TAPFD_INVALID_ARGUMENT", "the interface name is longer than 15 bytes");
  }
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = static_cast<short>(flags);
  Status status = Ioctl(fd, TUNSETIFF, &request, "TUNSETIFF");
  if (!status.ok()) return std::move(status.failure()).WithInterface(name);
  Result<AttachedInterface> attached = GetInterface(fd);
  if (attached.ok()) {
    // TUNGETIFF sets 0x1000 for every descriptor without a socket filter: the bit also means IFF_NOFILTER
    // (tun.c), so only the request tells whether there is packet information. NAPI is each queue's own, but
    // TUNGETIFF gives that of the first.
    constexpr unsigned kOfRequest = IFF_NO_PI | IFF_NAPI | IFF_NAPI_FRAGS;
    unsigned& found = attached.value().flags;
    found = (found & ~kOfRequest) | (flags & kOfRequest);
  }
  return attached;
}

Status SetPersist(int fd, bool persist) {
  return Ioctl(fd, TUNSETPERSIST, persist ? 1L : 0L, "TUNSETPERSIST");
}
Status SetOwner(int fd, uint32_t uid) {
  return Ioctl(fd, TUNSETOWNER, static_cast<unsigned long>(uid), "TUNSETOWNER");
}
Status SetGroup(int fd, uint32_t gid) {
  return Ioctl(fd, TUNSETGROUP, static_cast<unsigned long>(gid), "TUNSETGROUP");
}
Status SetCarrier(int fd, bool carrier) {
  int value = carrier ? 1 : 0;
  return Ioctl(fd, TUNSETCARRIER, &value, "TUNSETCARRIER");
}
Status SetSendBuffer(int fd, int bytes) {
  return Ioctl(fd, TUNSETSNDBUF, &bytes, "TUNSETSNDBUF");
}

Result<unsigned> SetMacvtapVnetHeader(int fd, bool on) {
  Result<AttachedInterface> before = GetInterface(fd);
  if (!before.ok()) return before.failure();
  unsigned flags = before.value().flags & ~static_cast<unsigned>(IFF_VNET_HDR);
  if (on) flags |= IFF_VNET_HDR;
  Result<AttachedInterface> changed = SetInterface(fd, before.value().name, flags);
  if (!changed.ok()) return changed.failure();
  return changed.value().flags;
}

Result<int> GetVnetHeaderBytes(int fd) {
  int bytes = 0;
  Status status = Ioctl(fd, TUNGETVNETHDRSZ, &bytes, "TUNGETVNETHDRSZ");
  if (!status.ok()) return status.failure();
  return bytes;
}
Status SetVnetHeaderBytes(int fd, int bytes) {
  return Ioctl(fd, TUNSETVNETHDRSZ, &bytes, "TUNSETVNETHDRSZ");
}

Status SetOffload(int fd, unsigned mask) {
  return Ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(mask), "TUNSETOFFLOAD");
}

Result<unsigned> NegotiateOffload(int fd, const std::vector<unsigned>& masks) {
  for (unsigned mask : masks) {
    Status status = SetOffload(fd, mask);
    if (status.ok()) return mask;
    if (status.failure().error != EINVAL) return status.failure();
  }
  return Failure::FromError(EINVAL, "ioctl TUNSETOFFLOAD");
}

Status DetachSocketFilter(int fd) {
  return Ioctl(fd, TUNDETACHFILTER, nullptr, "TUNDETACHFILTER");
}

Status SetQueueAttached(int fd, bool attached) {
  struct ifreq request = {};
  request.ifr_flags = static_cast<short>(attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE);
  return Ioctl(fd, TUNSETQUEUE, &request, "TUNSETQUEUE");
}

Status SetTxFilter(int fd, bool all_multicast, const std::vector<MacAddress>& addresses) {
  // struct tun_filter ends in a flexible array.
  std::vector<uint8_t> buffer(sizeof(struct tun_filter) + addresses.size() * sizeof(MacAddress));
  struct tun_filter header = {};
  header.flags = all_multicast ? TUN_FLT_ALLMULTI : 0;
  header.count = static_cast<uint16_t>(addresses.size());
  std::memcpy(buffer.data(), &header, sizeof header);
  uint8_t* next = buffer.data() + offsetof(struct tun_filter, addr);
  for (const MacAddress& address : addresses) {
    std::memcpy(next, address.data(), address.size());
    next += address.size();
  }
  return Ioctl(fd, TUNSETTXFILTER, buffer.data(), "TUNSETTXFILTER");
}

Status SetSteeringProgram(int fd, int program_fd) {
  return Ioctl(fd, TUNSETSTEERINGEBPF, &program_fd, "TUNSETSTEERINGEBPF");
}
Status SetFilterProgram(int fd, int program_fd) {
  return Ioctl(fd, TUNSETFILTEREBPF, &program_fd, "TUNSETFILTEREBPF");
}

Result<Fd> LoadSocketFilter(const std::vector<uint8_t>& instructions) {
  Fd program = LoadProgram(instructions, nullptr);
  if (program.valid()) return program;
  Failure failure = Failure::FromErrno("bpf BPF_PROG_LOAD");
  // Loads it again for the verifier's log. Not the first time: a log that is too small fails a valid program
  // (ENOSPC).
  std::vector<char> log(64 * 1024);
  LoadProgram(instructions, &log);
  std::string text(log.data(), strnlen(log.data(), log.size()));
  text.erase(text.find_last_not_of(" \n") + 1);
  return std::move(failure).WithDetail(text);
}

Result<MacAddress> GetMac(int fd) {
  struct ifreq request = {};
  Status status = Ioctl(fd, SIOCGIFHWADDR, &request, "SIOCGIFHWADDR");
  if (!status.ok()) return status.failure();
  MacAddress mac;
  std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
  return mac;
}

Status SetMac(int fd, const MacAddress& mac) {
  struct ifreq request = {};
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, mac.data(), mac.size());
  return Ioctl(fd, SIOCSIFHWADDR, &request, "SIOCSIFHWADDR");
}

Result<Fd> GetDeviceNamespace(int fd) {
  // The kernel opens namespace descriptors close-on-exec (fs/nsfs.c open_related_ns).
  Fd ns(ioctl(fd, TUNGETDEVNETNS));
  if (!ns.valid()) return Failure::FromErrno("ioctl TUNGETDEVNETNS");
  return ns;
}

}  // namespace tapfd
