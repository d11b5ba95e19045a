// The demo's HTTP server as an ordinary process on a unix socket, which a test can kill.
#pragma once

#include "hotswap/support/process.hpp"
#include "hotswap/support/sockets.hpp"

#include <memory>
#include <string>
#include <vector>

namespace osvm::test {

class web_process {
 public:
  web_process(std::string path, std::string release, std::string journal = {})
      : path_(std::move(path)), release_(std::move(release)), journal_(std::move(journal)) {
    start();
  }
  std::string endpoint_text() const { return "unix:" + path_; }
  endpoint where() const { return unix_endpoint{path_}; }
  void kill9() { process_->end(SIGKILL); }
  // Started, and answering.
  bool start() {
    std::vector<std::string> words{OSVM_GUEST_DIR "/http_server", "0", release_, "--unix", path_};
    if (!journal_.empty()) words.insert(words.end(), {"--journal", journal_});
    process_ = std::make_unique<process>(words);
    return eventually([this] { return client(where()).connected(); }, 60s);
  }

 private:
  std::string path_, release_, journal_;
  std::unique_ptr<process> process_;
};

}  // namespace osvm::test
