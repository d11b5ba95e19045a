#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../image_run.hpp"

namespace osvm::cli {
namespace {

class image_verify final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("FILE", path_, {}, "the image");
    o.value("key", "FILE", key_, "PEM public key that must have signed it");
  }
  int run(context& ctx) override {
    auto done = verify();
    if (!done) return ctx.fail(done.error());
    if (ctx.json()) {
      ctx.print_json(boost::json::object{{"id", *done}, {"verified", true}, {"signature", !key_.empty()}});
    } else {
      ctx.print(*done + "\n");
      ctx.note(std::string("every file has its SHA-256") +
               (key_.empty() ? "; no signature was asked for (see: --key)" : ", and the key signed it"));
    }
    return static_cast<int>(exit_code::done);
  }

 private:
  result<std::string> verify() const {
    OSVM_TRY(const auto image, images::image_file::open(path_));
    if (!key_.empty()) {
      OSVM_TRY(const auto pem, read_small_file(key_));
      OSVM_CHECK(image.verify_signature(pem));
    }
    OSVM_CHECK(image.verify());
    return images::to_hex(image.id());
  }
  std::string path_, key_;
};

}  // namespace

extern const command cmd_image_verify_entry;
const command cmd_image_verify_entry{
    .path = "image verify",
    .summary = "compare an image's files with their digests, and its signature with a key",
    .examples = "  osvm image verify app.osvm\n  osvm image verify app.osvm --key publisher.pem",
    .make = make_invocation<image_verify>,
};

}  // namespace osvm::cli
