// osvm run --gdb: a unix socket at which debuggers attach to the guest, one after another.
#pragma once

#include <osvm/core/unique_fd.hpp>
#include <osvm/unikernel/instance.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace osvm::cli {

class debug_socket final {
 public:
  // Listens at `path`, mode 0600, which must not exist.
  static result<std::unique_ptr<debug_socket>> open(const std::string& path);
  explicit debug_socket(unique_fd listener, std::string path);
  ~debug_socket();  // after stop(); removes the path

  // Serves from a thread of its own. `guest` outlives stop(); `report` gets what a session failed with.
  void serve(unikernel::instance& guest, std::function<void(const error&)> report);
  void stop() noexcept;

 private:
  void accept_all(unikernel::instance& guest, const std::function<void(const error&)>& report);

  unique_fd listener_, stop_;
  const std::string path_;
  std::mutex lock_;
  int connection_ = -1;  // the session's, so that stop() can end it
  bool stopping_ = false;
  std::thread thread_;
};

// osvm run --core: the file, which is removed again when it stayed empty.
class core_output final {
 public:
  static result<std::unique_ptr<core_output>> open(const std::string& path);
  core_output(unique_fd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  ~core_output();
  int fd() const noexcept { return file_.get(); }
  bool written() const noexcept;

 private:
  unique_fd file_;
  const std::string path_;
};

}  // namespace osvm::cli
