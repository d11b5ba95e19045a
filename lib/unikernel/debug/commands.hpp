// The debugger's requests, answered from a target that stands still. Sans I/O.
#pragma once

#include "unikernel/debug/target.hpp"

#include <osvm/core/unique_fd.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::unikernel {

struct debug_answer {
  enum class then : std::uint8_t {
    stays,    // the target stands
    runs,     // it was let go: the next word is a stop of it
    detaches  // the session is over
  };
  std::optional<std::string> body;  // nothing: no packet is sent now
  then next = then::stays;
};

// Used by one thread.
class debug_commands final {
 public:
  explicit debug_commands(debug_target& target) : target_(target) {}
  debug_answer handle(std::string_view body);
  // What `handle` answered "?" with is this: why the target stands.
  std::string stop_reply(const debug_stop& stop);
  static std::string end_reply(const exit_report& report);
  bool wants_no_acknowledgements() const noexcept { return no_acknowledgements_; }

 private:
  std::string query(std::string_view body);
  std::string transfer(std::string_view body);
  std::string thread_list();
  std::string thread_description();
  std::string read_registers();
  std::string write_registers(std::string_view text);
  std::string read_register(std::string_view text);
  std::string write_register(std::string_view text);
  std::string read_memory(std::string_view text);
  std::string write_memory(std::string_view text, bool binary);
  std::string breakpoint(std::string_view text, bool set);
  std::string select_thread(std::string_view text);
  std::string file_request(std::string_view body);
  std::string open_file(std::string_view text);
  std::string read_file(std::string_view text);
  std::string file_status(std::string_view text);
  debug_answer go_on(std::string_view body);
  debug_answer go_on_old(std::string_view body);

  std::shared_ptr<const saved_thread> selected();

  static constexpr std::size_t max_files = 16;
  debug_target& target_;
  int selected_ = 0;  // a thread; 0: any
  debug_stop last_;
  bool no_acknowledgements_ = false;
  std::map<int, unique_fd> files_;
};

}  // namespace osvm::unikernel
