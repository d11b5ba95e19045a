#include "images/oci.hpp"

#include "images/digest.hpp"

#include <osvm/core/text.hpp>
#include <osvm/core/unique_fd.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <filesystem>

namespace osvm::images {
namespace {

namespace json = boost::json;
constexpr std::uint64_t max_document = 4 << 20;
constexpr std::size_t max_layers = 512;

error bad(const std::string& what) {
  return {errc::malformed, "OCI layout: " + what};
}

// The file that a digest names; its content is compared here, before anything is made of it.
result<std::string> blob_path(const std::string& folder, std::string_view name) {
  constexpr std::string_view kind = "sha256:";
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!name.starts_with(kind) || name.size() != kind.size() + 64 ||
      !std::all_of(name.begin() + kind.size(), name.end(), is_hex))
    return bad("digest '" + printable(name) + "' is not sha256");
  const std::string hex(name.substr(kind.size())), path = folder + "/blobs/sha256/" + hex;
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0) return errno_error(path);
  if (!S_ISREG(st.st_mode)) return bad(hex + " is not a regular file");
  hasher h;
  std::string buffer(256 << 10, '\0');
  for (ssize_t n = 0; (n = ::read(fd.get(), buffer.data(), buffer.size())) != 0;) {
    if (n < 0) return errno_error(path);
    h.add(as_bytes(std::string_view(buffer.data(), static_cast<std::size_t>(n))));
  }
  if (to_hex(h.finish()) != hex) return error(errc::digest_mismatch, "OCI blob " + hex);
  return path;
}

result<json::value> read_json(const std::string& path) {
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0) return errno_error(path);
  if (!S_ISREG(st.st_mode) || static_cast<std::uint64_t>(st.st_size) > max_document)
    return bad(path + " is too large");
  std::string text(static_cast<std::size_t>(st.st_size), '\0');
  if (::pread(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return bad(path + " could not be read");
  boost::system::error_code ec;
  auto value = json::parse(text, ec);
  if (ec) return bad(path + ": " + ec.message());
  return value;
}

const json::value* member(const json::value& v, std::string_view key) {
  const json::object* o = v.if_object();
  return o ? o->if_contains(key) : nullptr;
}

std::string_view text_member(const json::value& v, std::string_view key) {
  const json::value* m = member(v, key);
  const json::string* s = m ? m->if_string() : nullptr;
  return s ? std::string_view(*s) : std::string_view();
}

bool for_this_machine(const json::value& descriptor) {
  const json::value* platform = member(descriptor, "platform");
  return !platform ||
         (text_member(*platform, "architecture") == "amd64" && text_member(*platform, "os") == "linux");
}

// The manifest of an index: the only one, or the only one for linux/amd64. Indexes may lead to indexes,
// twice.
result<json::value> find_manifest(const std::string& folder, const json::value& index, int depth) {
  const json::value* list = member(index, "manifests");
  if (!list || !list->is_array()) return bad("no manifests");
  const json::value* chosen = nullptr;
  for (const json::value& d : list->get_array()) {
    if (!for_this_machine(d)) continue;
    if (chosen) return bad("more than one image for linux/amd64");
    chosen = &d;
  }
  if (!chosen) return bad("no image for linux/amd64");
  OSVM_TRY(const auto path, blob_path(folder, text_member(*chosen, "digest")));
  OSVM_TRY(auto document, read_json(path));
  if (member(document, "manifests"))
    return depth > 0 ? find_manifest(folder, document, depth - 1) : bad("indexes too deep");
  return document;
}

}  // namespace

bool is_oci_layout(const std::string& folder) {
  std::error_code ec;
  return std::filesystem::is_regular_file(folder + "/oci-layout", ec) &&
         std::filesystem::is_regular_file(folder + "/index.json", ec);
}

result<std::vector<std::string>> oci_layers(const std::string& folder) {
  OSVM_TRY(const auto index, read_json(folder + "/index.json"));
  OSVM_TRY(const auto document, find_manifest(folder, index, 2));
  const json::value* layers = member(document, "layers");
  if (!layers || !layers->is_array()) return bad("no layers");
  if (layers->get_array().size() > max_layers) return bad("too many layers");
  std::vector<std::string> out;
  for (const json::value& layer : layers->get_array()) {
    OSVM_TRY(auto path, blob_path(folder, text_member(layer, "digest")));
    out.push_back(std::move(path));
  }
  return out;
}

}  // namespace osvm::images
