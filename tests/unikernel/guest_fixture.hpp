// Runs guest programs and says what is expected of them:
//
//   run("hello").expect_exit(0).expect_output("...");
//   run("cpu_faults", {"divide"}).expect_fault(fault_kind::arithmetic);
//
// Header only: it is compiled against the library and against its test variant, whose options differ.
#pragma once

#include <osvm/unikernel/instance.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace osvm::test {

using namespace std::chrono_literals;
using unikernel::exit_cause;
using unikernel::exit_report;
using unikernel::fault_kind;
using unikernel::instance;
using unikernel::instance_options;
using unikernel::instance_stats;
using unikernel::stdio;
using unikernel::transport;

// How long any guest of these tests may take; a guest that is still there then is killed and the test fails.
inline constexpr auto patience = 60s;

// A guest's end, with expectations. Each returns *this, and prints the program and its whole end on failure.
class outcome {
 public:
  std::string what;  // command line, for messages
  exit_report report;
  std::string out, err;
  instance_stats stats;

  outcome& expect_exit(int status) {
    EXPECT_EQ(report.cause, exit_cause::exited) << describe();
    EXPECT_EQ(report.status, status) << describe();
    return *this;
  }
  outcome& expect_cause(exit_cause cause) {
    EXPECT_EQ(report.cause, cause) << describe();
    return *this;
  }
  outcome& expect_signal(int signal) {
    EXPECT_EQ(report.cause, exit_cause::signaled) << describe();
    EXPECT_EQ(report.signal, signal) << describe();
    return *this;
  }
  // Ended by a fault of one of these kinds, with an instruction address and a name.
  outcome& expect_fault(std::initializer_list<fault_kind> kinds) {
    EXPECT_EQ(report.cause, exit_cause::faulted) << describe();
    EXPECT_TRUE(report.fault.has_value()) << describe();
    if (!report.fault) return *this;
    bool found = false;
    for (const fault_kind k : kinds) found = found || report.fault->kind == k;
    EXPECT_TRUE(found) << "fault is " << to_string(report.fault->kind) << "\n" << describe();
    EXPECT_NE(report.describe().find(to_string(report.fault->kind)), std::string::npos) << report.describe();
    return *this;
  }
  outcome& expect_fault(fault_kind kind) { return expect_fault({kind}); }
  outcome& expect_output(std::string_view text) {
    EXPECT_EQ(out, text) << describe();
    return *this;
  }
  outcome& expect_error_output(std::string_view text) {
    EXPECT_EQ(err, text) << describe();
    return *this;
  }
  outcome& expect_output_has(std::string_view text) {
    EXPECT_NE(out.find(text), std::string::npos) << "no \"" << text << "\" in the output\n" << describe();
    return *this;
  }
  outcome& expect_output_lacks(std::string_view text) {
    EXPECT_EQ(out.find(text), std::string::npos) << "\"" << text << "\" in the output\n" << describe();
    return *this;
  }
  // The number on the last line "NAME number" of the output.
  std::optional<long long> number(std::string_view name) const { return find(name, 10); }
  std::optional<long long> hex(std::string_view name) const { return find(name, 16); }

  std::string describe() const {
    return what + ": " + report.describe() + "\nstdout: " + out.substr(0, 2000) +
           "\nstderr: " + err.substr(0, 2000);
  }

 private:
  std::optional<long long> find(std::string_view name, int base) const {
    const std::string key = std::string(name) + " ";
    std::size_t at = out.rfind(key);
    while (at != std::string::npos && at != 0 && out[at - 1] != '\n') at = out.rfind(key, at - 1);
    if (at == std::string::npos) return std::nullopt;
    return static_cast<long long>(std::strtoull(out.c_str() + at + key.size(), nullptr, base));
  }
};

// Skips, with the reason, exactly when /dev/kvm cannot be opened.
class guest_test : public ::testing::Test {
 public:
  using tweak = std::function<void(instance_options&)>;

 protected:
  void SetUp() override {
    const int kvm = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) GTEST_SKIP() << "SKIPPED: /dev/kvm cannot be opened: " << std::strerror(errno);
    ::close(kvm);
    char name[] = "/tmp/osvm-guest-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir = name;
  }
  void TearDown() override {
    if (!dir.empty()) std::filesystem::remove_all(dir);
  }

  static std::string program_path(const std::string& name) {
    return std::string(OSVM_GUEST_DIR) + "/" + name;
  }
  static bool has_program(const std::string& name) { return std::filesystem::exists(program_path(name)); }
  static const kvm::host_facts& facts() {
    static const kvm::host_facts f = kvm::probe_host().value();
    return f;
  }
  // Loaded once per process: images are immutable.
  static const unikernel::image& program(const std::string& name) {
    static std::vector<std::pair<std::string, unikernel::image>> loaded;
    for (const auto& [n, image] : loaded)
      if (n == name) return image;
    loaded.reserve(64);
    return loaded.emplace_back(name, unikernel::image::load(program_path(name)).value()).second;
  }

  instance_options options(const std::string& name, std::vector<std::string> arguments = {}) {
    instance_options o;
    o.arguments = std::move(arguments);
    o.arguments.insert(o.arguments.begin(), name);
    o.output = stdio::capture(8 << 20);
    o.error = stdio::capture(8 << 20);
    o.socket_dir = dir;
    o.name = name;
    o.facts = &facts();
    // The whole suite runs again with every guest in a worker process, and in a jailed one.
    if (const char* worker = std::getenv("OSVM_TEST_WORKER"); worker && *worker)
      o.worker =
          unikernel::worker_options{.program = worker, .jail = std::getenv("OSVM_TEST_JAIL") != nullptr};
    return o;
  }
  result<instance> start(const std::string& name, std::vector<std::string> arguments = {},
                         const tweak& change = {}) {
    instance_options o = options(name, std::move(arguments));
    if (change) change(o);
    return instance::create(loop().get_executor(), program(name), std::move(o));
  }
  // Waits for the end and collects everything.
  outcome finish(instance& guest, std::string what) {
    outcome o;
    o.what = std::move(what);
    auto end = guest.wait(patience);
    if (!end) {
      ADD_FAILURE() << o.what << " did not end: " << end.error().to_string()
                    << "\nstdout: " << guest.take_output(1);
      guest.kill();
      end = guest.wait(patience);
    }
    if (end) o.report = *end;
    o.out = guest.take_output(1);
    o.err = guest.take_output(2);
    o.stats = guest.stats();
    return o;
  }
  outcome run(const std::string& name, std::vector<std::string> arguments = {}, const tweak& change = {}) {
    std::string what = name;
    for (const auto& a : arguments) what += " " + a;
    auto guest = start(name, std::move(arguments), change);
    if (!guest) {
      ADD_FAILURE() << what << " could not be created: " << guest.error().to_string();
      return {.what = what};
    }
    return finish(*guest, what);
  }

  runtime& loop() {
    if (!loop_) loop_.emplace(runtime_options{.threads = 1});
    return *loop_;
  }

  std::string dir;  // private to the test, removed afterwards

 private:
  std::optional<runtime> loop_;
};

}  // namespace osvm::test
