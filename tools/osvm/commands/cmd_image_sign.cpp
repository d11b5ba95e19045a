#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../image_run.hpp"

namespace osvm::cli {
namespace {

class image_sign final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("FILE", path_, {}, "the image");
    o.value("key", "FILE", key_, "PEM private key, Ed25519 or P-256, without a passphrase");
  }
  int run(context& ctx) override {
    auto done = sign();
    if (!done) return ctx.fail(done.error());
    if (ctx.json()) ctx.print_json(boost::json::object{{"signed", path_}});
    return static_cast<int>(exit_code::done);
  }

 private:
  result<void> sign() const {
    if (key_.empty()) return error(errc::invalid_argument, "with which key? (add: --key FILE)");
    OSVM_TRY(const auto pem, read_small_file(key_));
    return images::sign_image(path_, pem);
  }
  std::string path_, key_;
};

}  // namespace

extern const command cmd_image_sign_entry;
const command cmd_image_sign_entry{
    .path = "image sign",
    .summary = "sign an image, in place",
    .examples =
        "  openssl genpkey -algorithm ed25519 -out key.pem\n  osvm image sign app.osvm --key key.pem\n"
        "  openssl pkey -in key.pem -pubout -out publisher.pem",
    .make = make_invocation<image_sign>,
};

}  // namespace osvm::cli
