// Where a service keeps what must survive its process: one small document that is replaced as a whole.
// A weaker promise than the rest of this module: members may be added between minor versions.
#pragma once

#include <osvm/hotswap/error.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace osvm::hotswap {

// Members block, are called one at a time, and on service_options::store_executor.
class release_store {
 public:
  virtual ~release_store() = default;
  // What was saved last; nothing when nothing ever was.
  virtual result<std::optional<std::string>> load() = 0;
  // Durable when it has returned without an error. After an error, or when the process dies meanwhile, load()
  // gives either this document or the one before, whole.
  virtual result<void> save(std::string_view document) = 0;
  // Another process shall have the document: save() fails from now on, until take_back(), which fails while
  // the other one has it.
  virtual void let_go() {}
  virtual result<void> take_back() { return {}; }
};

// A file (mode 0600) in a folder that exists: written beside it, synced, and renamed over it. The store holds
// a lock, `path` + ".lock", until it is destroyed. Errors: errc::busy (another process, or store, has it),
// errno.
result<std::shared_ptr<release_store>> open_file_store(std::string path);

}  // namespace osvm::hotswap
