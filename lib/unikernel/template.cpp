#include <osvm/unikernel/template.hpp>

#include "unikernel/engine/in_process.hpp"
#include "unikernel/snapshot/disk/new_file.hpp"
#include "unikernel/snapshot/disk/template_file.hpp"
#include "unikernel/snapshot/saved_instance.hpp"

#include <fcntl.h>

namespace osvm::unikernel {

instance_template::instance_template(std::shared_ptr<const saved_instance> saved) noexcept
    : saved_(std::move(saved)) {}

result<instance> instance_template::spawn(executor ex, spawn_options options) const {
  instance_options o = saved_->options;
  o.input = std::move(options.input);
  o.output = std::move(options.output);
  o.error = std::move(options.error);
  if (!options.socket_dir.empty()) o.socket_dir = std::move(options.socket_dir);
  o.events = std::move(options.events);
  o.name = std::move(options.name);
  OSVM_TRY(auto made, in_process_engine::spawn(std::move(ex), saved_, o));
  return instance(std::move(made));
}

const policy& instance_template::granted() const noexcept {
  return saved_->options.policy;
}

result<void> instance_template::save(const std::string& path) const {
  OSVM_TRY(auto file, new_file::create(path));
  OSVM_CHECK(write_template(file.fd(), *saved_));
  return file.keep();
}

result<instance_template> instance_template::load(const std::string& path, const load_options& options) {
  const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return errno_error(path);
  kvm::host_facts facts;
  if (options.facts) {
    facts = *options.facts;
  } else {
    OSVM_TRY(facts, kvm::probe_host());
  }
  OSVM_TRY(auto saved, read_template(file.get(), facts));
  return instance_template(std::move(saved));
}

template_info instance_template::info() const {
  template_info i;
  i.memory_bytes = saved_->memory.bytes;
  i.threads = static_cast<unsigned>(saved_->process.threads.size());
  for (const saved_description& d : saved_->process.descriptors)
    i.descriptors += static_cast<unsigned>(d.numbers.size());
  return i;
}

}  // namespace osvm::unikernel
