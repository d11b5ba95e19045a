// What an instance's handle and its worker process say to each other. Fields in order are the format:
// docs/formats/worker.md.
#pragma once

#include "kvm/system.hpp"
#include "unikernel/elf/image_data.hpp"
#include "unikernel/worker/archive.hpp"

#include <osvm/unikernel/instance.hpp>

namespace osvm::unikernel::wire {

enum class kind : std::uint32_t {
  // To the worker.
  create = 1,       // create_request; answered when the guest runs, or with why it does not
  kill = 2,         // no body, no answer
  signal = 3,       // i32
  take_output = 4,  // i32 descriptor; answer: the text
  stats = 5,        // answer: instance_stats
  learned = 6,      // answer: learned_policy
  report = 7,       // answer: the isolation report
  adopt = 8,        // adoption_request, the first message of a new owner; answer: adopted_instance
  finish = 9,       // no body, no answer: the worker ends, though another process might adopt it
  // To the handle.
  answer = 16,     // `failure` (optional), then what the question asks for
  listening = 17,  // listener
  events = 18,     // list of event
  ended = 19,      // exit_report; the worker still answers questions
  // To the handle, answered by it.
  content = 20,  // u32 tree, u32 entry; answer: one descriptor
};

struct header {
  std::uint32_t kind = 0;
  std::uint32_t id = 0;        // of a question, and of its answer; 0: none is expected
  std::uint64_t attached = 0;  // body bytes in a memory file, the last descriptor; 0: the body follows here
};

// An error that crosses: its category by name.
struct failure {
  std::string category;
  std::int32_t code = 0;
  std::string context;
};

failure to_failure(const error& e);
error to_error(failure f);

struct tree_files {
  std::string guest_path;
  std::vector<std::string> writable;
  std::uint64_t overlay_bytes = 0;
  bool has_source = false;
  std::vector<source_entry> entries;
};

struct adoption_request {
  std::uint32_t version = 2;
  std::string nonce;
};

// What a new owner cannot know. Then comes, as at any time, where the guest listens, events, its end.
struct adopted_instance {
  std::vector<listener> granted;
  bool denials = false, trace = false, log = false;  // the events that there are
  std::uint64_t event_capacity = 1;
};

struct create_request {
  std::uint32_t version = 2;  // of this format: both sides come from one build
  std::uint32_t id = 0;       // the instance's, in socket names
  bool jail = false;
  std::chrono::nanoseconds orphan_after{0};  // zero: the worker ends with its owner
  adoption_ticket ticket;
  instance_options options;  // without `facts`, handlers and file sources
  std::vector<tree_files> trees;
  kvm::host_facts facts;
  bool has_system = false;
  kvm::system_info system;
  detail::image_data image;  // its memory file is the first descriptor
  int image_memory = -1;
};

}  // namespace osvm::unikernel::wire

namespace osvm::kvm {

template <class A>
void fields(A& a, cpuid_entry& e) {
  a.raw(&e, sizeof e);
}
template <class A>
void fields(A& a, system_info& s) {
  a(s.cpuid, s.xcr0, s.xstate_size, s.phys_bits, s.cr4_table, s.cr4_native);
}
template <class A>
void fields(A& a, host_facts& f) {
  unikernel::wire::choice(a, f.stub, syscall_stub::user);
  a(f.cpu, f.cores, f.kernel, f.kvm_vendor, f.sysret_works, f.cpl0_emulated, f.huge_pages, f.msr_filter,
    f.readonly_slots, f.sync_regs, f.tsc_direct, f.smep, f.smap, f.fsgsbase, f.phys_bits, f.max_vcpus,
    f.tsc_khz, f.exit_us, f.first_exit_us, f.probe_ms);
}

}  // namespace osvm::kvm

namespace osvm::unikernel {

template <class A>
void fields(A& a, mount& m) {
  a(m.host_path, m.guest_path, m.writable, m.quota_bytes);
}
template <class A>
void fields(A& a, tmpfs& t) {
  a(t.guest_path, t.bytes);
}
template <class A>
void fields(A& a, listener& l) {
  wire::choice(a, l.kind, transport::vsock);
  a(l.port);
}
template <class A>
void fields(A& a, connect_grant& c) {
  a(c.host, c.port, c.guest_name);
}
template <class A>
void fields(A& a, unix_listener& l) {
  a(l.host_path, l.guest_path);
}
// Trees cross as wire::tree_files.
template <class A>
void fields(A& a, policy& p) {
  a(p.mounts, p.scratch, p.listen, p.vsock_connect, p.connect, p.listen_unix, p.environment, p.allow.jit);
}
template <class A>
void fields(A& a, budgets& b) {
  a(b.memory_bytes, b.threads, b.processes, b.descriptors, b.written_bytes, b.cpu_time, b.wall_time);
}
template <class A>
void fields(A& a, policy_file& p) {
  a(p.granted, p.limits);
}
template <class A>
void fields(A& a, learned_policy& p) {
  a(p.policy, p.notes);
}
template <class A>
void fields(A& a, stdio& s) {
  wire::choice(a, s.type, stdio::kind::log);
  std::uint64_t limit = s.limit;
  a(limit, s.content);
  s.limit = limit;
  if (s.type == stdio::kind::fd) a.descriptor(s.fd);
}
template <class A>
void fields(A& a, instance_options& o) {
  wire::choice(a, o.level, isolation::process);
  wire::choice(a, o.learn, learning::allow_all);
  std::uint64_t capacity = o.events.capacity;
  a(o.arguments, o.policy, o.budgets, o.input, o.output, o.error, o.grant_libraries, o.executable,
    o.working_directory, o.socket_dir, o.events.denials, o.events.trace, capacity, o.exitless, o.name);
  o.events.capacity = capacity;
}
template <class A>
void fields(A& a, source_entry& e) {
  wire::choice(a, e.type, source_type::link);
  a(e.mode, e.path, e.mtime, e.size, e.target);
}
template <class A>
void fields(A& a, image_info& i) {
  a(i.name, i.path, i.interpreter, i.position_independent, i.entry, i.memory_bytes, i.segments);
}
template <class A>
void fields(A& a, image_range& r) {
  a(r.offset, r.size, r.protection);
}
template <class A>
void fields(A& a, event& e) {
  wire::choice(a, e.kind, event_kind::log);
  a(e.at, e.thread, e.text, e.rule, e.call, e.result, e.duration, e.stream);
}
template <class A>
void fields(A& a, fault_info& f) {
  wire::choice(a, f.kind, fault_kind::internal);
  a(f.vector, f.error_code, f.address, f.rip, f.rsp, f.rflags, f.gpr, f.thread, f.detail);
}
template <class A>
void fields(A& a, exit_report& r) {
  wire::choice(a, r.cause, exit_cause::failed);
  a(r.status, r.signal, r.fault, r.detail);
}
template <class A>
void fields(A& a, boot_phases& b) {
  a(b.vm, b.memory, b.vcpu, b.start, b.total);
}
template <class A>
void fields(A& a, denial& d) {
  a(d.what, d.rule, d.count);
}
template <class A>
void fields(A& a, library_grant& g) {
  a(g.host_path, g.guest_path, g.needed_by);
}
template <class A>
void fields(A& a, library_refusal& r) {
  a(r.name, r.needed_by, r.reason);
}
template <class A>
void fields(A& a, adoption_ticket& t) {
  a(t.socket, t.nonce);
}
template <class A>
void fields(A& a, instance_stats& s) {
  a(s.boot, s.exits, s.polled_calls, s.page_faults, s.syscalls, s.denials, s.granted, s.refused,
    s.memory_bytes, s.memory_peak_bytes, s.resident_bytes, s.page_table_bytes, s.threads, s.processes_started,
    s.descriptors, s.written_bytes, s.socket_received_bytes, s.socket_sent_bytes, s.cpu_time,
    s.events_dropped);
}

}  // namespace osvm::unikernel

namespace osvm::unikernel::detail {

template <class A>
void fields(A& a, image_data& i) {
  a(i.info, i.base, i.file_bytes, i.alignment, i.ranges, i.zero_ranges, i.end, i.headers, i.header_count);
}

}  // namespace osvm::unikernel::detail

namespace osvm::unikernel::wire {

template <class A>
void fields(A& a, failure& f) {
  a(f.category, f.code, f.context);
}
template <class A>
void fields(A& a, tree_files& t) {
  a(t.guest_path, t.writable, t.overlay_bytes, t.has_source, t.entries);
}
template <class A>
void fields(A& a, adoption_request& r) {
  a(r.version, r.nonce);
  if (r.version != 2) a.fail();
}
template <class A>
void fields(A& a, adopted_instance& i) {
  a(i.granted, i.denials, i.trace, i.log, i.event_capacity);
}
template <class A>
void fields(A& a, create_request& r) {
  a(r.version);
  if (r.version != 2) return a.fail();
  a.descriptor(r.image_memory);
  a(r.id, r.jail, r.orphan_after, r.ticket, r.options, r.trees, r.facts, r.has_system, r.system, r.image);
}

}  // namespace osvm::unikernel::wire
