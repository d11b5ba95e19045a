#include "unikernel/worker/remote_source.hpp"

namespace osvm::unikernel {

using wire::kind;

result<unique_fd> content_requests::ask(std::uint32_t tree, std::uint32_t entry) {
  std::unique_lock lock(lock_);
  const std::uint32_t id = next_++;
  waiting_[id];
  const bool myself = std::this_thread::get_id() == receiver_;
  lock.unlock();
  wire::writer body;
  body(tree, entry);
  OSVM_CHECK(link_.send(kind::content, id, body));
  std::optional<wire::message> m;
  if (myself) {
    OSVM_TRY(m, receive_myself(id));
    lock.lock();
  } else {
    lock.lock();
    changed_.wait(lock, [&] { return closed_ || waiting_[id].has_value(); });
    m = std::move(waiting_[id]);
  }
  waiting_.erase(id);
  if (!m) return error(osvm::errc::closed, "the instance's handle is gone");
  std::optional<wire::failure> failed;
  const std::vector<int> numbers = m->numbers();
  wire::reader in(m->body, numbers);
  in(failed);
  if (failed) return wire::to_error(std::move(*failed));
  if (in.failed() || m->fds.size() != 1) return error(osvm::errc::malformed, "content of a file");
  return std::move(m->fds.front());
}

// The receiving thread itself asks only while the instance is made, when nothing else may come.
result<wire::message> content_requests::receive_myself(std::uint32_t id) {
  for (;;) {
    OSVM_TRY(auto m, link_.receive());
    if (m.kind() == kind::answer && m.head.id == id) return m;
    if (m.kind() != kind::kill) return error(osvm::errc::malformed, "question before there is an instance");
    killed_ = true;
  }
}

result<void> content_requests::answered(wire::message m) {
  const std::lock_guard guard(lock_);
  const auto at = waiting_.find(m.head.id);
  if (at == waiting_.end()) return error(osvm::errc::malformed, "answer to no question");
  at->second = std::move(m);
  changed_.notify_all();
  return {};
}

void content_requests::close() {
  const std::lock_guard guard(lock_);
  closed_ = true;
  changed_.notify_all();
}

result<std::shared_ptr<const unique_fd>> remote_source::open(std::size_t entry) const {
  const std::lock_guard guard(lock_);
  if (auto known = open_[entry].lock()) return known;
  OSVM_TRY(auto file, ask_.ask(tree_, static_cast<std::uint32_t>(entry)));
  auto made = std::make_shared<const unique_fd>(std::move(file));
  open_[entry] = made;
  return made;
}

}  // namespace osvm::unikernel
