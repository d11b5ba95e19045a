// Bytes as a sequence of system calls. The shapes of the table give each argument its kind, so that most
// calls get past their first check: descriptors that exist, structures that make sense, pointers right at the
// edges.
//
//   sequence  = { call | poke }            at most 64
//   call      = op(1, op % 4 != 3) number(2, little-endian) argument...   one per letter of the call's shape
//   poke      = op(1, op % 4 == 3) offset(2) pointer                      writes a pointer into the guest's
//   buffer pointer   = kind(1) value              kind % 8: 0-2 buffer + value(2), 3 prepared structure
//   value(1), 4 straddling
//                                          the mapping's end by value(1), 5 read-only page, 6 never mapped,
//                                          or a shared mapping of a short file, whose second page does not
//                                          exist (value(1)), 7
//                                          value(8)
//   f         = kind(1): below 200 that modulo 16, below 230 AT_FDCWD, else value(4)
//   s         = kind(1): a prepared path, or a pointer
//   l, i, u, x = kind(1) value             kind % 4: 0 value(1), 1 value(2), 2 prepared, 3 value(8) or
//   value(4)
// What runs out reads as zero.
#pragma once

#include "support/guest_without_vm.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include <array>
#include <span>

namespace osvm::unikernel::testing {

class syscall_sequence {
 public:
  explicit syscall_sequence(std::span<const unsigned char> bytes) : bytes_(bytes), guest_(prepare()) {
    guest_.host.socket_folder = sockets_.path();
    guest_.state.network.names.set_folder(sockets_.path());
    for (const char* path : paths) path_at_.push_back(guest_.text(path));
    prepare_structures();
    constexpr std::uint64_t size = 4096;
    require(
        guest_.memory.map({.address = read_only, .size = size, .protection = PROT_READ, .fixed = true}) > 0,
        "read-only page");
    map_shared_file();
  }

  // Runs all calls; how many gave no error.
  int run() {
    int succeeded = 0;
    for (int n = 0; n < 64 && !bytes_.empty(); ++n) {
      guest_.thread.wait.set_limit(wait_clock::now());  // nothing blocks
      succeeded += next<std::uint8_t>() % 4 == 3 ? poke() : call();
    }
    return succeeded;
  }

 private:
  static constexpr std::uint64_t read_only = 0x3000'0000, shared = 0x3100'0000;
  static constexpr const char* paths[] = {
      "/data/file", "/data/new",      "/data/sub",  "/data/sub/../file", "/data/link",
      "/data/out",  "/data/absolute", "/data/fifo", "/proc/self/fd/3",   "/proc/self/exe",
      "/",          "/dev/urandom",   "/etc/hosts", "relative",          "",
      "/data/sub/"};

  guest prepare() {
    folder_.write("file", "content");
    std::filesystem::create_directory(folder_ / "sub");
    std::filesystem::create_symlink("sub/../file", folder_ / "link");
    std::filesystem::create_symlink("../../..", folder_ / "out");
    std::filesystem::create_symlink("/etc/passwd", folder_ / "absolute");
    require(::mkfifo((folder_ / "fifo").c_str(), 0600) == 0, "mkfifo");
    policy p;
    p.mounts = {{folder_.path(), "/data", true}, {folder_ / "file", "/one/file", false}};
    p.listen = {{transport::tcp, 8080}, {transport::vsock, 99}};
    p.vsock_connect = {7};
    return guest(p, {.memory_bytes = 8 << 20, .descriptors = 32, .written_bytes = 1 << 20});
  }

  // Calls cut the file off while the VMM copies from its mapping.
  void map_shared_file() {
    auto file = std::make_shared<file_backing>();
    auto host = std::make_shared<unique_fd>(::open((folder_ / "file").c_str(), O_RDWR | O_CLOEXEC));
    file->host = host->get();
    file->owner = host;
    file->writable = true;
    const map_request request{.address = shared,
                              .size = 8192,
                              .protection = PROT_READ | PROT_WRITE,
                              .fixed = true,
                              .shared = true,
                              .file = std::move(file)};
    require(guest_.memory.map(request) > 0, "shared page");
  }

  template <class T>
  void structure(const T& value) {
    structure_at_.push_back(guest_.put(value));
  }
  void prepare_structures() {
    const std::uint64_t buffer = guest_.room(1024);
    structure(sockaddr_in{.sin_family = AF_INET, .sin_port = htons(8080), .sin_addr = {}, .sin_zero = {}});
    sockaddr_vm vm{};
    vm.svm_family = AF_VSOCK;
    vm.svm_cid = VMADDR_CID_ANY;
    vm.svm_port = 99;
    structure(vm);
    vm.svm_cid = 2;
    vm.svm_port = 7;
    structure(vm);
    structure(std::array<std::uint64_t, 4>{buffer, 16, buffer + 64, 100});            // two iovecs
    structure(std::array<std::uint64_t, 7>{0, 0, structure_at_.back(), 2, 0, 0, 0});  // a msghdr of them
    structure(epoll_event{.events = EPOLLIN | EPOLLOUT, .data = {.u64 = 7}});
    structure(std::array<pollfd, 3>{pollfd{0, POLLIN, 0}, {3, POLLIN | POLLOUT, 0}, {4, POLLOUT, 0}});
    structure(itimerspec{{0, 1000}, {0, 1000}});
    structure(timespec{0, 0});
    structure(std::array<std::uint64_t, 2>{0xff, 8});
    structure(socklen_t{16});
    structure(1);
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    std::strcpy(path.sun_path, "/data/sock");
    structure(path);
    std::strcpy(path.sun_path + 1, "abstract");
    path.sun_path[0] = 0;
    structure(path);
    structure(sockaddr_in{
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(0x7f000035)}, .sin_zero = {}});
  }

  template <class T>
  T next() {
    std::array<unsigned char, sizeof(T)> raw{};
    const std::size_t n = std::min(raw.size(), bytes_.size());
    std::copy_n(bytes_.begin(), n, raw.begin());
    bytes_ = bytes_.subspan(n);
    return std::bit_cast<T>(raw);
  }

  std::uint64_t pointer() {
    switch (next<std::uint8_t>() % 8) {
      case 3: return structure_at_[next<std::uint8_t>() % structure_at_.size()];
      case 4: return guest::base + guest::size - next<std::uint8_t>() % 64;
      case 5: return read_only + next<std::uint8_t>();
      case 6: {
        static constexpr std::uint64_t never[] = {0, guest::unmapped, 0xffff'8000'0000'0000,
                                                  ~std::uint64_t{0} - 7};
        const auto which = next<std::uint8_t>();
        return which % 8 >= 4 ? shared + which / 8 * std::uint64_t{256} : never[which % 4];
      }
      case 7: return next<std::uint64_t>();
      default: return guest::base + next<std::uint16_t>();
    }
  }
  std::uint64_t descriptor() {
    const auto kind = next<std::uint8_t>();
    if (kind < 200) return kind % 16;
    return static_cast<std::uint64_t>(kind < 230 ? AT_FDCWD : next<std::int32_t>());
  }
  std::uint64_t path() {
    const std::size_t kind = next<std::uint8_t>() % (path_at_.size() + 1);
    return kind < path_at_.size() ? path_at_[kind] : pointer();
  }
  std::uint64_t number(char letter) {
    static constexpr std::uint64_t lengths[] = {0, 4096, 1 << 20, 0x7fff'f000, ~std::uint64_t{0}};
    static constexpr std::uint64_t values[] = {
        O_CREAT | O_RDWR,    O_DIRECTORY, O_PATH,   O_NONBLOCK, O_CREAT | O_EXCL | O_WRONLY,
        O_APPEND | O_WRONLY, AF_INET,     AF_VSOCK, AF_UNIX,    SOCK_STREAM,
        0xffff'ffff};
    switch (next<std::uint8_t>() % 4) {
      case 0: return next<std::uint8_t>();
      case 1: return next<std::uint16_t>();
      case 2:
        return letter == 'l' ? lengths[next<std::uint8_t>() % std::size(lengths)]
                             : values[next<std::uint8_t>() % std::size(values)];
      default: return letter == 'l' ? next<std::uint64_t>() : next<std::uint32_t>();
    }
  }

  int poke() {
    const std::uint64_t at = guest::base + (next<std::uint16_t>() & 0x7ff8);
    (void)memory_access(guest_.memory).write(at, pointer());
    return 0;
  }
  int call() {
    const std::uint64_t asked = next<std::uint16_t>();
    const syscall_entry* entry = find_syscall(asked % max_syscall_number);
    if (!entry) return 0;
    call_context ctx{guest_.state, guest_.process, guest_.memory, guest_.thread, {}};
    std::size_t i = 0;
    for (const char letter : std::string_view(entry->shape).substr(0, 6)) {
      const bool is_pointer = letter == 'p' || letter == 'P';
      ctx.args[i++] = letter == 'f'   ? descriptor()
                      : letter == 's' ? path()
                      : is_pointer    ? pointer()
                                      : number(letter);
    }
    const std::int64_t r = dispatch(ctx, entry->number);
    require(r > -4096 || entry->number == 9 || entry->number == 12 || entry->number == 25,
            "an errno in range");
    require(guest_.process.descriptors.count() <= 32, "the descriptor budget");
    require(guest_.state.written_bytes <= 1 << 20, "the write budget");
    return r >= 0;
  }

  // Memory where there is such a file system: a fuzzer makes thousands of these.
  static std::filesystem::path parent() {
    return std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
  }

  std::span<const unsigned char> bytes_;
  temp_folder folder_{parent()}, sockets_{parent()};
  guest guest_;
  std::vector<std::uint64_t> path_at_, structure_at_;
};

}  // namespace osvm::unikernel::testing
