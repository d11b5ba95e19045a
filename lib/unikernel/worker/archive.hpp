// Values as bytes, for the messages between an instance's handle and its worker process (format:
// docs/formats/worker.md). Each struct lists its fields once, in `fields(archive, value)`, and both
// directions follow from that. Integers are little-endian and of their own width; a text or a list begins
// with its length as u32. A reader is bounded by the bytes that it was given and never throws on what they
// say.
#pragma once

#include <osvm/core/bytes.hpp>
#include <osvm/core/error.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace osvm::unikernel::wire {

class writer {
 public:
  static constexpr bool reading = false;

  template <class... T>
  void operator()(T&... values);

  void raw(const void* data, std::size_t size) { bytes_.append(static_cast<const char*>(data), size); }
  // A descriptor that goes along; borrowed until the message was sent.
  void descriptor(int& fd) { fds_.push_back(fd); }
  void fail() noexcept {}

  std::string& bytes() noexcept { return bytes_; }
  std::vector<int>& descriptors() noexcept { return fds_; }

 private:
  std::string bytes_;
  std::vector<int> fds_;
};

class reader {
 public:
  static constexpr bool reading = true;

  // Borrows both, which must outlive it and what it read.
  reader(std::string_view bytes, const std::vector<int>& fds) noexcept : bytes_(bytes), fds_(fds) {}

  template <class... T>
  void operator()(T&... values);

  void raw(void* out, std::size_t size) noexcept {
    if (failed_ || bytes_.size() < size) {
      failed_ = true;
      std::memset(out, 0, size);
      return;
    }
    std::memcpy(out, bytes_.data(), size);
    bytes_.remove_prefix(size);
  }
  std::string_view take(std::size_t size) noexcept {
    if (failed_ || bytes_.size() < size) {
      failed_ = true;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  // The next descriptor that came along, still owned by the message.
  void descriptor(int& fd) noexcept {
    fd = next_fd_ < fds_.size() ? fds_[next_fd_++] : -1;
    if (fd < 0) failed_ = true;
  }
  std::size_t remaining() const noexcept { return bytes_.size(); }
  void fail() noexcept { failed_ = true; }
  bool failed() const noexcept { return failed_; }
  // Whether all was read and made sense.
  bool whole() const noexcept { return !failed_ && bytes_.empty() && next_fd_ == fds_.size(); }

 private:
  std::string_view bytes_;
  const std::vector<int>& fds_;
  std::size_t next_fd_ = 0;
  bool failed_ = false;
};

template <class A, class T>
void transfer(A& a, T& value);

template <class A>
void transfer(A& a, bool& value) {
  auto byte = static_cast<std::uint8_t>(value);
  a.raw(&byte, 1);
  if (byte > 1) a.fail();
  value = byte != 0;
}

// Enumerations say their last enumerator: anything beyond it is malformed.
template <class A, class E>
void choice(A& a, E& value, E last) {
  static_assert(std::is_enum_v<E>);
  auto number = static_cast<std::uint8_t>(value);
  a.raw(&number, 1);
  if (number > static_cast<std::uint8_t>(last)) {
    a.fail();
    number = 0;
  }
  value = static_cast<E>(number);
}

template <class A>
void transfer(A& a, std::string& text) {
  auto size = static_cast<std::uint32_t>(text.size());
  a.raw(&size, sizeof size);
  if constexpr (A::reading) {
    text.assign(a.take(size));
  } else {
    a.raw(text.data(), text.size());
  }
}

template <class A, class R, class P>
void transfer(A& a, std::chrono::duration<R, P>& value) {
  auto count = static_cast<std::int64_t>(value.count());
  a.raw(&count, sizeof count);
  value = std::chrono::duration<R, P>(count);
}

template <class A, class T>
void transfer(A& a, std::vector<T>& list) {
  auto size = static_cast<std::uint32_t>(list.size());
  a.raw(&size, sizeof size);
  if constexpr (A::reading) {
    list.clear();
    // Every element takes a byte at least, so that a length cannot ask for more memory than the message has
    // times the size of one element; elements are made one by one.
    if (size > a.remaining()) a.fail();
    for (std::uint32_t i = 0; i < size && !a.failed(); ++i) transfer(a, list.emplace_back());
  } else {
    for (T& element : list) transfer(a, element);
  }
}

template <class A, class T, std::size_t N>
void transfer(A& a, std::array<T, N>& list) {
  for (T& element : list) transfer(a, element);
}

template <class A, class T>
void transfer(A& a, std::optional<T>& value) {
  bool there = value.has_value();
  transfer(a, there);
  if constexpr (A::reading) {
    value.reset();
    if (there && !a.failed()) transfer(a, value.emplace());
  } else if (there) {
    transfer(a, *value);
  }
}

template <class A, class T, class U>
void transfer(A& a, std::pair<T, U>& value) {
  transfer(a, value.first);
  transfer(a, value.second);
}

template <class A, class T>
void transfer(A& a, T& value) {
  if constexpr (std::is_arithmetic_v<T>) {
    a.raw(&value, sizeof value);
  } else {
    fields(a, value);
  }
}

template <class... T>
void writer::operator()(T&... values) {
  (transfer(*this, values), ...);
}
template <class... T>
void reader::operator()(T&... values) {
  (transfer(*this, values), ...);
}

}  // namespace osvm::unikernel::wire
