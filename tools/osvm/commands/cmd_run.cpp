#include <unistd.h>

#include <osvm/unikernel/instance.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <optional>

#include "../debug_socket.hpp"
#include "../guest_programs.hpp"
#include "../image_run.hpp"
#include "../interrupts.hpp"
#include "../metrics_file.hpp"
#include "../policy_options.hpp"
#include "../private_dir.hpp"
#include "../publisher.hpp"
#include "../script.hpp"
#include "../stats_output.hpp"
#include "../trace_output.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

namespace uk = unikernel;

constexpr std::size_t trace_records = 8192;  // of 1 KiB: what a slow terminal may lag behind

// The command line as it was written.
struct raw_options {
  std::vector<std::string> publish, publish_vsock, publish_unix, connect, ro, rw, tmpfs, mount, env, allow,
      program;
  std::string memory, threads, processes, descriptors, max_written, policy, learn, key;
  std::string cpu_time, timeout, isolation = "hardware", name = "guest", socket_dir, cwd = "/", trace, gdb,
                                 core, limit_memory, limit_cpu, limit_tasks, limit_parent, metrics;
  bool stats = false, exitless = false, allow_all = false, no_libraries = false, verify_on_open = false,
       jail = false, gdb_wait = false;
};

struct plan {
  uk::instance_options instance;
  std::vector<publication> published;
  std::optional<prepared_image> image;  // when the program is one
  std::string program;                  // host path of the ELF file
};

result<void> read_budgets(const raw_options& raw, uk::budgets& out) {
  if (!raw.memory.empty()) {
    OSVM_TRY(out.memory_bytes, parse_size(raw.memory));
  }
  if (!raw.threads.empty()) {
    OSVM_TRY(const auto threads, parse_count(raw.threads, 1, 4096));
    out.threads = static_cast<unsigned>(threads);
  }
  if (!raw.processes.empty()) {
    OSVM_TRY(const auto processes, parse_count(raw.processes, 1, 4096));
    out.processes = static_cast<unsigned>(processes);
  }
  if (!raw.descriptors.empty()) {
    OSVM_TRY(const auto descriptors, parse_count(raw.descriptors, 3, 1 << 20));
    out.descriptors = static_cast<unsigned>(descriptors);
  }
  if (!raw.max_written.empty()) {
    OSVM_TRY(out.written_bytes, parse_size(raw.max_written));
  }
  if (!raw.cpu_time.empty()) {
    OSVM_TRY(out.cpu_time, parse_duration(raw.cpu_time));
  }
  if (!raw.timeout.empty()) {
    OSVM_TRY(out.wall_time, parse_duration(raw.timeout));
  }
  return {};
}

result<void> read_grants(const std::vector<std::string>& allow, uk::policy& out) {
  for (const auto& grant : allow) {
    if (grant == "jit") {
      out.allow.jit = true;
    } else if (grant.starts_with("vsock:")) {
      OSVM_TRY(const auto port, parse_count(grant.substr(6), 1, 0xfffffffe));
      out.vsock_connect.push_back(static_cast<std::uint32_t>(port));
    } else {
      return error(errc::invalid_argument, "--allow '" + grant + "': expected jit or vsock:PORT");
    }
  }
  return {};
}

result<void> read_publications(const raw_options& raw, plan& out) {
  const auto add = [&](const std::vector<std::string>& texts, uk::transport kind) -> result<void> {
    for (const auto& text : texts) {
      OSVM_TRY(auto parsed, parse_publication(text, kind));
      out.instance.policy.listen.push_back(parsed.guest);
      out.published.push_back(std::move(parsed));
    }
    return {};
  };
  OSVM_CHECK(add(raw.publish, uk::transport::tcp));
  for (const auto& text : raw.publish_unix) {
    OSVM_TRY(auto parsed, uk::parse_unix_listener(text));
    out.instance.policy.listen_unix.push_back(std::move(parsed));
  }
  return add(raw.publish_vsock, uk::transport::vsock);
}

result<void> read_connections(const std::vector<std::string>& texts, uk::policy& out) {
  for (const auto& text : texts) {
    OSVM_TRY(auto parsed, uk::parse_connect_grant(text));
    out.connect.push_back(std::move(parsed));
  }
  return {};
}

result<void> read_mounts(const std::vector<std::string>& texts, bool writable, uk::policy& out) {
  for (const auto& text : texts) {
    OSVM_TRY(auto parsed, parse_mount(text, writable));
    out.mounts.push_back(std::move(parsed));
  }
  return {};
}

result<void> read_scratch(const std::vector<std::string>& texts, uk::policy& out) {
  for (const auto& text : texts) {
    OSVM_TRY(auto parsed, uk::parse_tmpfs(text));
    out.scratch.push_back(std::move(parsed));
  }
  return {};
}

void add_grants(uk::policy from, uk::policy& to) {
  const auto append = [](auto&& source, auto& target) {
    target.insert(target.end(), std::make_move_iterator(source.begin()),
                  std::make_move_iterator(source.end()));
  };
  append(from.mounts, to.mounts);
  append(from.scratch, to.scratch);
  append(from.listen, to.listen);
  append(from.vsock_connect, to.vsock_connect);
  append(from.connect, to.connect);
  append(from.listen_unix, to.listen_unix);
  append(from.environment, to.environment);
  to.allow.jit = to.allow.jit || from.allow.jit;
}

// A script's interpreter is the program then, and the script is granted as the program would be.
result<void> read_script_line(plan& p) {
  OSVM_TRY(const auto found, read_script(p.program));
  if (!found) return {};
  auto& options = p.instance;
  p.program = found->interpreter;
  options.arguments.erase(options.arguments.begin());
  options.arguments.insert(options.arguments.begin(), found->arguments.begin(), found->arguments.end());
  auto& mounts = options.policy.mounts;
  const bool granted = std::any_of(mounts.begin(), mounts.end(),
                                   [&](const uk::mount& m) { return m.guest_path == found->path; });
  if (options.grant_libraries && !granted)
    mounts.push_back({.host_path = found->path, .guest_path = found->path, .writable = false});
  return {};
}

result<void> read_limits(const raw_options& raw, uk::instance_options& out) {
  uk::worker_limits limits;
  limits.parent = raw.limit_parent;
  if (!raw.limit_memory.empty()) {
    OSVM_TRY(limits.memory_bytes, parse_size(raw.limit_memory));
  }
  if (!raw.limit_cpu.empty()) {
    OSVM_TRY(const auto percent, parse_count(raw.limit_cpu, 1, 100'000));
    limits.cpu_percent = static_cast<unsigned>(percent);
  }
  if (!raw.limit_tasks.empty()) {
    OSVM_TRY(const auto tasks, parse_count(raw.limit_tasks, 4, 1 << 22));
    limits.tasks = static_cast<unsigned>(tasks);
  }
  if (out.worker) {
    out.worker->limits = std::move(limits);
  } else if (limits.any() || !limits.parent.empty()) {
    return error(errc::invalid_argument, "--limit-... are for the process of a guest (add: --jail)");
  }
  return {};
}

result<plan> read_plan(const raw_options& raw) {
  plan out;
  auto& options = out.instance;
  if (raw.program.empty()) return error(errc::invalid_argument, "which program? (try: osvm run ./program)");
  if (raw.isolation != "hardware" && raw.isolation != "process") {
    return error(errc::invalid_argument, "--isolation '" + raw.isolation + "': expected hardware or process");
  }
  options.level = raw.isolation == "hardware" ? uk::isolation::hardware : uk::isolation::process;
  options.arguments = raw.program;
  options.grant_libraries = !raw.no_libraries;
  out.program = raw.program.front();
  options.working_directory = raw.cwd;
  if (looks_like_image(raw.program.front())) {
    const images::run_options how{.granted_mounts = raw.mount, .verify_first = !raw.verify_on_open};
    options.arguments.erase(options.arguments.begin());
    OSVM_TRY(out.image, prepare_image(raw.program.front(), raw.key, how, options));
  } else if (!raw.key.empty() || raw.verify_on_open) {
    return error(errc::invalid_argument, "--key and --verify-on-open are for images (see: osvm image build)");
  }
  options.name = raw.name;
  options.exitless = raw.exitless;
  if (raw.gdb_wait && raw.gdb.empty())
    return error(errc::invalid_argument, "--gdb-wait waits at the socket of --gdb SOCKET");
  options.wait_for_debugger = raw.gdb_wait;
  if (raw.jail) {
    OSVM_TRY(auto worker, find_worker());
    options.worker = uk::worker_options{.program = std::move(worker), .jail = true};
  }
  OSVM_CHECK(read_limits(raw, options));
  if (raw.allow_all && raw.learn.empty()) {
    return error(errc::invalid_argument, "--allow-all is for learning a policy (add: --learn FILE)");
  }
  if (!raw.learn.empty()) options.learn = raw.allow_all ? uk::learning::allow_all : uk::learning::denials;
  if (!raw.policy.empty()) {
    OSVM_TRY(auto file, read_policy_file(raw.policy, options.budgets));
    add_grants(std::move(file.granted), options.policy);
    options.budgets = file.limits;
  }
  OSVM_CHECK(add_named_mounts(raw.mount, options.policy));
  OSVM_CHECK(read_budgets(raw, options.budgets));
  OSVM_CHECK(read_grants(raw.allow, options.policy));
  OSVM_CHECK(read_publications(raw, out));
  OSVM_CHECK(read_connections(raw.connect, options.policy));
  OSVM_CHECK(read_mounts(raw.ro, false, options.policy));
  OSVM_CHECK(read_mounts(raw.rw, true, options.policy));
  OSVM_CHECK(read_scratch(raw.tmpfs, options.policy));
  if (!out.image) OSVM_CHECK(read_script_line(out));
  for (const auto& text : raw.env) {
    OSVM_TRY(auto variable, parse_environment(text));
    options.policy.environment.push_back(std::move(variable));
  }
  options.input = uk::stdio::from_fd(STDIN_FILENO);
  options.output = uk::stdio::from_fd(STDOUT_FILENO);
  options.error = uk::stdio::from_fd(STDERR_FILENO);
  return out;
}

class run_command final : public invocation {
 public:
  void declare(option_set& o) override {
    o.values("publish", "HOST:PORT=guest:PORT", raw_.publish,
             "forward a host address to a TCP port of the guest");
    o.values("publish-vsock", "HOST:PORT=guest:PORT", raw_.publish_vsock,
             "the same for a vsock port of the guest");
    o.values("publish-unix", "HOST-PATH=guest:PATH", raw_.publish_unix,
             "let the guest's unix socket PATH be HOST-PATH on the host");
    o.values("connect", "HOST:PORT[=NAME]", raw_.connect,
             "let the guest connect there, and resolve the name (also unix:/path=/guest/path)");
    o.values("ro", "HOST:GUEST", raw_.ro, "let the guest read a file or folder");
    o.values("rw", "HOST:GUEST", raw_.rw, "let the guest read and write it");
    o.values("tmpfs", "GUEST[:SIZE]", raw_.tmpfs,
             "a folder in memory for the guest alone (64MiB), for example /tmp");
    o.value("key", "FILE", raw_.key, "the program is an image that this PEM public key must have signed");
    o.flag("verify-on-open", raw_.verify_on_open,
           "compare an image's files with their digests when they are opened, not all of them first");
    o.values("mount", "NAME", raw_.mount, "grant a mount of `osvm mount list`");
    o.value("policy", "FILE", raw_.policy, "grants and budgets from a YAML file; other options add to it");
    o.value("learn", "FILE", raw_.learn, "write the policy that this run would have needed");
    o.flag("allow-all", raw_.allow_all, "with --learn: DANGEROUS, grant everything and learn what is used");
    o.values("env", "K=V", raw_.env, "set a variable (K alone: this shell's value); nothing is inherited");
    o.values("allow", "jit|vsock:PORT", raw_.allow,
             "grant new code at run time, or a connection to a host vsock port");
    o.flag("no-libraries", raw_.no_libraries,
           "do not let the guest read the program, its loader and its libraries unasked");
    o.flag("exitless", raw_.exitless,
           "answer system calls in shared memory: faster, but takes a core while busy");
    o.flag("jail", raw_.jail,
           "serve the guest's system calls in a process of its own that has given up all else");
    o.value("limit-memory", "SIZE", raw_.limit_memory,
            "with --jail: let the host's control groups end that process beyond so much memory");
    o.value("limit-cpu", "PERCENT", raw_.limit_cpu, "with --jail: let it wait beyond so much of one core");
    o.value("limit-tasks", "N", raw_.limit_tasks, "with --jail: threads of that process at most");
    o.value("limit-parent", "GROUP", raw_.limit_parent,
            "with --limit-...: the control group below which its own is made (this process's)");
    o.value("cwd", "GUEST", raw_.cwd, "the guest's working directory");
    o.value("memory", "SIZE", raw_.memory, "guest memory at most (256MiB)");
    o.value("threads", "N", raw_.threads, "guest threads at most (64)");
    o.value("processes", "N", raw_.processes, "processes at most, each in a VM of its own (64)");
    o.value("descriptors", "N", raw_.descriptors, "open descriptors at most (256)");
    o.value("max-written", "SIZE", raw_.max_written, "bytes written below --rw at most (64MiB)");
    o.value("cpu-time", "D", raw_.cpu_time, "end the guest after so much CPU time");
    o.value("timeout", "D", raw_.timeout, "end the guest after so much time");
    o.value("isolation", "LEVEL", raw_.isolation, "hardware, or process (not in this version)");
    o.value("name", "NAME", raw_.name, "name of the guest's sockets");
    o.value("socket-dir", "DIR", raw_.socket_dir,
            "private folder for them (default: a new one, removed at the end)");
    o.maybe_value("trace", "FILE", raw_.trace, "-", "print each system call, to stderr or to FILE");
    o.value("gdb", "SOCKET", raw_.gdb, "let gdb attach to the guest at this new unix socket");
    o.flag("gdb-wait", raw_.gdb_wait, "with --gdb: the guest begins when a debugger lets it");
    o.value("core", "FILE", raw_.core,
            "write a core dump to this new file when a fault or signal ends the guest");
    o.value("metrics", "FILE", raw_.metrics,
            "keep the guest's counters there as Prometheus text, for a collector of text files");
    o.flag("stats", raw_.stats, "at the end, print what the guest did and used to stderr");
    o.rest("ELF [ARGS...]", raw_.program,
           "Run a Linux program, or a script by its interpreter, alone in its own virtual machine.");
  }

  int run(context& ctx) override {
    auto p = read_plan(raw_);
    if (!p) return ctx.fail(p.error(), exit_code::run_failed);
    auto status = execute(ctx, std::move(*p));
    return status ? *status : ctx.fail(status.error(), exit_code::run_failed);
  }

 private:
  result<int> execute(context& ctx, plan p) const;
  void report_end(const context& ctx, const uk::instance& guest, const uk::exit_report& ended,
                  bool asked) const;
  raw_options raw_;
};

result<int> run_command::execute(context& ctx, plan p) const {
  OSVM_TRY(const auto program,
           p.image ? result<uk::image>(std::move(p.image->program)) : uk::image::load(p.program));
  std::optional<private_dir> sockets;
  p.instance.socket_dir = raw_.socket_dir;
  if (raw_.socket_dir.empty()) {
    OSVM_TRY(sockets, private_dir::make("run"));
    p.instance.socket_dir = sockets->path();
  }
  std::optional<trace_writer> trace;  // before the loop, whose threads write into it
  if (!raw_.trace.empty()) {
    OSVM_TRY(trace, trace_writer::open(raw_.trace, ctx.json()));
    p.instance.events = {
        .denials = true, .trace = true, .capacity = trace_records, .handler = [&trace](auto events) {
          trace->write(events);
        }};
  }
  std::unique_ptr<debug_socket> debugger;
  if (!raw_.gdb.empty()) {
    OSVM_TRY(debugger, debug_socket::open(raw_.gdb));
  }
  std::unique_ptr<core_output> core;
  if (!raw_.core.empty()) {
    OSVM_TRY(core, core_output::open(raw_.core));
    p.instance.core = core->fd();
  }
  const auto learn = p.instance.learn;
  if (learn == uk::learning::allow_all) {
    ctx.note(
        "osvm: --allow-all: this run may read and write all files of this host that you may; no policy "
        "holds");
  }
  runtime loop;
  // From here on Ctrl-C is the guest's, a second one ends it, and this function cleans up.
  std::atomic<uk::instance*> running{nullptr};
  std::atomic<bool> passed_on{false};
  interrupts signals(loop.get_executor(), [&](int number) {
    auto* guest = running.load();
    if (!guest) return;
    if (passed_on.exchange(true) || !guest->signal(number)) guest->kill();
  });
  OSVM_TRY(auto published, publisher::open(loop.get_executor(), p.published));
  OSVM_TRY(auto guest, uk::instance::create(loop.get_executor(), program, std::move(p.instance)));
  running = &guest;
  if (signals.received() != 0) guest.kill();
  published.attach(guest);
  for (const auto& line : published.describe()) ctx.detail("published " + line);
  std::unique_ptr<metrics_file> metrics;
  if (!raw_.metrics.empty()) {
    OSVM_TRY(metrics, metrics_file::open(raw_.metrics, guest, raw_.name));
  }
  if (debugger) {
    debugger->serve(guest, [&](const error& e) { ctx.note("osvm: debugger: " + e.to_string()); });
    ctx.note("osvm: gdb can attach (try: gdb -ex 'target remote " + raw_.gdb + "' PROGRAM)");
  }
  const auto waited = guest.wait(std::chrono::nanoseconds::max());
  signals.disarm();
  if (debugger) debugger->stop();
  if (metrics) OSVM_CHECK(metrics->finish());
  OSVM_TRY(const auto ended, waited);
  if (!raw_.learn.empty()) {
    OSVM_TRY(const auto learned, guest.learned());
    OSVM_CHECK(write_learned(raw_.learn, learned, learn));
    ctx.note("osvm: wrote the policy of this run to " + raw_.learn + " (try: osvm run --policy " +
             raw_.learn + " ...)");
  }
  if (trace) trace->finish(guest.stats().events_dropped);
  if (core && core->written()) ctx.note("osvm: core dump in " + raw_.core);
  report_end(ctx, guest, ended, signals.received() != 0);
  const bool cut_off = ended.cause == uk::exit_cause::killed && signals.received() != 0;
  return cut_off ? 128 + signals.received() : ended.shell_status();
}

void run_command::report_end(const context& ctx, const uk::instance& guest, const uk::exit_report& ended,
                             bool asked) const {
  if (ended.cause != uk::exit_cause::exited && !asked) ctx.note("osvm: " + ended.describe());
  const auto stats = guest.stats();
  // A program that needs another process mostly says so in its own words, which rarely name the reason.
  for (const auto& d : stats.denials) {
    if (d.rule.starts_with("unsupported: one process"))
      ctx.note("osvm: the program called " + d.what + " (" + d.rule + ")");
  }
  if (!raw_.stats) {
    for (const auto& d : stats.denials) ctx.detail("denied " + d.what + " (grant it with " + d.rule + ")");
  } else if (ctx.json()) {
    ctx.note(to_json_line(stats_json(stats, ended)));  // stdout is the guest's
  } else {
    ctx.note("\n" + guest.isolation_report() + "\n" + stats_text(stats, ended));
  }
}

}  // namespace

extern const command cmd_run_entry;
const command cmd_run_entry{
    .path = "run",
    .summary = "run a program alone in its own virtual machine",
    .examples =
        "  osvm run ./hello world\n"
        "  osvm run /usr/bin/jq .name < f.json\n"
        "  osvm run --publish 127.0.0.1:8080=guest:80 --ro ./site:/site ./server /site\n"
        "  osvm run --timeout 10s --memory 64MiB --stats ./job\n"
        "  osvm run app.osvm --verbose\n"
        "  osvm run --trace=calls.txt ./job\n"
        "  osvm run --jail --ro ./site:/site --publish 127.0.0.1:8080=guest:80 ./server /site\n"
        "  osvm run --gdb /tmp/g.sock --gdb-wait ./job   # then: gdb -ex 'target remote /tmp/g.sock' ./job\n"
        "  osvm run --learn policy.yaml --allow-all ./job && osvm run --policy policy.yaml ./job\n"
        "Exit status: the guest's, 128+n when a signal ended it, 125 when osvm itself failed.",
    .make = make_invocation<run_command>,
    .on_usage_error = exit_code::run_failed,
};

}  // namespace osvm::cli
