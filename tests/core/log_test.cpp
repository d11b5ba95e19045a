#include <osvm/core/log.hpp>

#include "support/pipe.hpp"

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include <array>
#include <cmath>
#include <csignal>
#include <limits>
#include <sstream>
#include <thread>
#include <vector>

namespace osvm {
namespace {

using test::pipe_pair;

// 2026-01-02T03:04:05.006007Z
const auto moment = std::chrono::system_clock::time_point(std::chrono::microseconds(1767323045006007));

std::string one_json(const log_record& record) {
  pipe_pair pipe;
  make_json_log(pipe.writer.get(), {.minimum = log_level::trace})->write(record);
  return pipe.drain();
}

std::string one_human(const log_record& record, bool color = false) {
  pipe_pair pipe;
  make_human_log(pipe.writer.get(), {.minimum = log_level::trace, .color = color})->write(record);
  return pipe.drain();
}

TEST(log, json_line_is_exact) {
  const std::array<log_field, 6> fields{{{"path", "/x"},
                                         {"count", 3},
                                         {"size", 18446744073709551615ULL},
                                         {"delta", -4},
                                         {"ratio", 0.5},
                                         {"done", true}}};
  EXPECT_EQ(
      one_json({moment, log_level::warning, "hotswap", "drained", fields}),
      R"({"time":"2026-01-02T03:04:05.006007Z","level":"warning","component":"hotswap","message":"drained",)"
      R"("fields":{"path":"/x","count":3,"size":18446744073709551615,"delta":-4,"ratio":0.5,"done":true}})"
      "\n");
}

TEST(log, json_without_fields_has_no_fields_object) {
  EXPECT_EQ(one_json({moment, log_level::info, "kvm", "up", {}}),
            R"({"time":"2026-01-02T03:04:05.006007Z","level":"info","component":"kvm","message":"up"})"
            "\n");
}

TEST(log, hostile_values_stay_inside_one_json_line) {
  const std::string evil = "x\"}\n{\"level\":\"error\"\x1b[31m\xff";
  const std::array<log_field, 3> fields{
      {{"guest", evil}, {"bad\nkey", 1}, {"inf", std::numeric_limits<double>::infinity()}}};
  const std::string line = one_json({moment, log_level::info, "unikernel", "said", fields});
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const auto object = boost::json::parse(line).as_object();
  const auto& parsed = object.at("fields").as_object();
  EXPECT_EQ(object.at("level").as_string(), "info");
  EXPECT_EQ(parsed.at("guest").as_string(), "x\"}\n{\"level\":\"error\"\x1b[31m\xef\xbf\xbd");
  EXPECT_TRUE(parsed.at("inf").is_null());
}

TEST(log, human_line_is_exact) {
  const std::array<log_field, 3> fields{{{"backend", "unix:/run/a b"}, {"ms", 12.5}, {"empty", ""}}};
  EXPECT_EQ(one_human({moment, log_level::info, "hotswap", "shifted", fields}),
            "03:04:05.006 info    hotswap: shifted backend=\"unix:/run/a b\" ms=12.5 empty=\"\"\n");
}

TEST(log, human_line_shows_terminal_escapes_instead_of_sending_them) {
  const std::array<log_field, 1> fields{{{"guest", "\x1b]0;owned\x07\r\nforged line \"q\""}}};
  EXPECT_EQ(one_human({moment, log_level::error, "", "guest died", fields}),
            "03:04:05.006 error   guest died guest=\"\\x1b]0;owned\\x07\\r\\nforged line \\\"q\\\"\"\n");
}

TEST(log, color_is_only_there_when_asked_for) {
  EXPECT_EQ(one_human({moment, log_level::error, "", "m", {}}, true),
            "03:04:05.006 \x1b[31merror  \x1b[0m m\n");
}

TEST(log, long_values_are_cut) {
  const std::string big(10'000, 'x');
  const std::array<log_field, 1> fields{{{"v", big}}};
  EXPECT_NE(one_human({moment, log_level::info, "", "m", fields}).find("...(+5904 bytes)"),
            std::string::npos);
  EXPECT_NE(one_json({moment, log_level::info, "", "m", fields}).find("...(+5904 bytes)"), std::string::npos);
}

TEST(log, minimum_level_filters) {
  pipe_pair pipe;
  const auto sink = make_human_log(pipe.writer.get(), {.minimum = log_level::warning});
  const logger log(*sink, "core");
  EXPECT_FALSE(log.enabled(log_level::info));
  log.info("no");
  log.warning("yes");
  const std::string out = pipe.drain();
  EXPECT_EQ(out.find("no"), std::string::npos);
  EXPECT_NE(out.find("warning core: yes\n"), std::string::npos);
}

TEST(log, default_logger_writes_nowhere) {
  const logger log;
  for (const auto level : {log_level::trace, log_level::error}) EXPECT_FALSE(log.enabled(level));
  log.error("nobody hears this");
}

TEST(log, lines_of_many_threads_do_not_mix) {
  pipe_pair pipe;
  const auto sink = make_json_log(pipe.writer.get());
  std::string out;
  std::thread reader([&] { out = pipe.available(); });
  {
    std::vector<std::jthread> writers;
    for (int t = 0; t < 4; ++t) {
      writers.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) logger(*sink, "t").info("line", {{"thread", t}, {"i", i}});
      });
    }
  }
  pipe.writer.reset();
  reader.join();
  std::istringstream lines(out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    EXPECT_TRUE(boost::json::parse(line).is_object());
  EXPECT_EQ(count, 800);
  EXPECT_EQ(sink->dropped(), 0u);
}

TEST(log, a_full_non_blocking_descriptor_drops_counts_and_never_glues_lines) {
  pipe_pair pipe(O_NONBLOCK);
  const auto sink = make_human_log(pipe.writer.get());
  const logger log(*sink, "x");
  const std::string big(3000, 'y');
  while (sink->dropped() == 0) log.info("fill", {{"v", big}});
  std::string out = pipe.available();
  log.info("after");
  out += pipe.available();
  std::istringstream lines(out);
  bool after = false;
  for (std::string line; std::getline(lines, line);) after |= line.find("info    x: after") == 13;
  EXPECT_TRUE(after) << "the record after a torn line must begin a line of its own";
}

TEST(log, a_closed_reader_raises_no_signal) {
  pipe_pair pipe;
  pipe.reader.reset();
  const auto sink = make_human_log(pipe.writer.get());
  ASSERT_EQ(std::signal(SIGPIPE, SIG_DFL), SIG_DFL) << "the default action would end this process";
  logger(*sink, "x").error("nobody reads");
  EXPECT_EQ(sink->dropped(), 1u);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

}  // namespace
}  // namespace osvm
