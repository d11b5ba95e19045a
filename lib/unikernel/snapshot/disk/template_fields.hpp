// What a template is, as bytes (docs/formats/template.md): its parts in the order of their fields.
#pragma once

#include "unikernel/snapshot/saved_instance.hpp"
#include "unikernel/worker/messages.hpp"

#include <map>
#include <type_traits>
#include <variant>

namespace osvm::unikernel {

struct saved_mapping {
  std::uint64_t begin = 0, end = 0;
  std::int32_t protection = 0;
  vma_kind kind = vma_kind::anonymous;
  bool shared = false, was_writable = false, grows_down = false, not_forked = false, wiped_by_fork = false;
  std::uint64_t populated = 0, file_offset = 0;
  std::string name;        // of a fixed set; "/" stands for the program's
  std::uint32_t file = 0;  // its number among the backings, from 1; 0: none
};

// Everything of a template but the pages.
struct template_state {
  std::uint64_t uptime_ns = 0;  // CLOCK_MONOTONIC when it was written
  detail::image_data image;     // without its memory
  instance_options options;
  std::vector<saved_memory::run> runs;
  std::vector<saved_mapping> mappings;
  std::vector<saved_backing> backings;
  std::uint64_t break_start = 0, break_end = 0, map_top = 0;
  std::string image_name;
  saved_process process;
  std::int32_t next_id = 0;
};

namespace wire {

template <class A>
void transfer(A& a, std::vector<std::byte>& bytes) {
  auto size = static_cast<std::uint32_t>(bytes.size());
  a.raw(&size, sizeof size);
  if constexpr (A::reading) {
    const auto taken = a.take(size);
    bytes.resize(taken.size());
    if (!taken.empty()) std::memcpy(bytes.data(), taken.data(), taken.size());
  } else {
    a.raw(bytes.data(), bytes.size());
  }
}

template <class A, std::size_t N>
void transfer(A& a, std::array<std::byte, N>& bytes) {
  a.raw(bytes.data(), N);
}

template <class A>
void transfer(A& a, rlimit& l) {
  a.raw(&l, sizeof l);
}

template <class A, class K, class V>
void transfer(A& a, std::map<K, V>& map) {
  std::vector<std::pair<K, V>> list;
  if constexpr (!A::reading) list.assign(map.begin(), map.end());
  transfer(a, list);
  if constexpr (A::reading) map = std::map<K, V>(list.begin(), list.end());
}

template <std::size_t I, class A, class... T>
void read_alternative(A& a, std::variant<T...>& value, std::uint8_t index) {
  if constexpr (I < sizeof...(T)) {
    if (index != I) return read_alternative<I + 1>(a, value, index);
    transfer(a, value.template emplace<I>());
  } else {
    a.fail();
  }
}

template <class A, class... T>
void transfer(A& a, std::variant<T...>& value) {
  auto index = static_cast<std::uint8_t>(value.index());
  a.raw(&index, 1);
  if constexpr (A::reading) {
    read_alternative<0>(a, value, index);
  } else {
    std::visit([&a](auto& one) { transfer(a, one); }, value);
  }
}

}  // namespace wire

template <class A>
void fields(A& a, alternate_stack& s) {
  a(s.pointer, s.size, s.flags);
}
template <class A>
void fields(A& a, signal_action& s) {
  a(s.handler, s.flags, s.restorer, s.mask);
}
template <class A>
void fields(A& a, saved_thread& t) {
  a(t.tid);
  a.raw(&t.user, sizeof t.user);
  a(t.fs_base, t.gs_base, t.blocked, t.stack, t.clear_child_tid, t.robust_list, t.name, t.xstate);
}
template <class A>
void fields(A&, saved_null&) {}
template <class A>
void fields(A& a, saved_standard& s) {
  a(s.which);
}
template <class A>
void fields(A& a, saved_file& f) {
  std::uint64_t position = f.position;
  a(f.path, f.flags, f.offset, position, f.device, f.inode);
  f.position = position;
}
template <class A>
void fields(A& a, saved_pipe& p) {
  a(p.pipe, p.writes, p.capacity, p.content);
}
template <class A>
void fields(A& a, saved_event& e) {
  a(e.count, e.semaphore);
}
template <class A>
void fields(A& a, saved_timer& t) {
  a(t.clock);
  a.raw(&t.left, sizeof t.left);
}
template <class A>
void fields(A& a, saved_signal_fd& s) {
  a(s.mask);
}
template <class A>
void fields(A& a, saved_epoll::watch& w) {
  std::uint32_t events = w.event.events;
  std::uint64_t data = w.event.data.u64;
  a(w.number, events, data);
  w.event.events = events;
  w.event.data.u64 = data;
}
template <class A>
void fields(A& a, saved_epoll& e) {
  a(e.watches);
}
template <class A>
void fields(A& a, guest_address& g) {
  a(g.family, g.ip, g.cid, g.port, g.name);
}
template <class A>
void fields(A& a, saved_socket& s) {
  wire::choice(a, s.as, saved_socket::form::reset);
  a(s.family, s.type, s.protocol, s.local, s.peer, s.options, s.v6_only, s.published, s.pair, s.content);
}
template <class A>
void fields(A& a, saved_number& n) {
  a(n.number, n.close_on_exec);
}
template <class A>
void fields(A& a, saved_description& d) {
  a(d.numbers, d.nonblocking, d.readable, d.writable, d.append, d.receive_timeout_ns, d.send_timeout_ns,
    d.what);
}
template <class A>
void fields(A& a, saved_process& p) {
  a(p.threads, p.descriptors, p.working_directory, p.umask, p.actions, p.limits, p.executable, p.arguments,
    p.auxiliary);
}
template <class A>
void fields(A& a, saved_memory::run& r) {
  a(r.va, r.size, r.offset, r.flags);
}
template <class A>
void fields(A& a, saved_backing& b) {
  a(b.path, b.inode, b.size, b.modified_ns, b.trusted);
}
template <class A>
void fields(A& a, saved_mapping& m) {
  wire::choice(a, m.kind, vma_kind::shared);
  a(m.begin, m.end, m.protection, m.shared, m.was_writable, m.grows_down, m.not_forked, m.wiped_by_fork,
    m.populated, m.file_offset, m.name, m.file);
}
template <class A>
void fields(A& a, template_state& s) {
  a(s.uptime_ns, s.image, s.options, s.runs, s.mappings, s.backings, s.break_start, s.break_end, s.map_top,
    s.image_name, s.process, s.next_id);
}

}  // namespace osvm::unikernel
