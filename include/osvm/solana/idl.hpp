// A program's interface as Anchor describes it, and decoding by it: accounts, instructions and events of
// programs that this library knows nothing else about. Reads the specification 0.1.0 (Anchor 0.30 and later),
// the format before it, and what Shank makes. docs/guides/decode-with-idls.md.
#pragma once

#include <osvm/solana/keys.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace osvm::solana {

// Both the interface and the data are foreign.
struct idl_limits {
  std::size_t max_json = 8 << 20;    // bytes of the interface
  std::size_t max_items = 1 << 17;   // types, fields, instructions, accounts together
  std::size_t max_name = 256;        // bytes of one name
  std::size_t max_depth = 48;        // types inside types, of the interface and of a value
  std::size_t max_values = 1 << 20;  // of one decoded account, instruction or event
  std::size_t max_output = 64 << 20;
};

struct idl_error_name {
  std::uint32_t code = 0;
  std::string name, message;
};

struct idl_summary {
  std::string name, version;
  std::string specification;        // "0.1.0", "legacy", "shank"
  std::optional<pubkey> address{};  // the older format may lack it
  std::size_t instructions = 0, accounts = 0, events = 0, types = 0, errors = 0;
};

// Immutable, thread-safe. Numbers up to 64 bits become JSON numbers, wider ones decimal texts, `bytes`
// base64, keys base58; an enum's variant is "Name", {"Name":{…}} or {"Name":[…]}; maps are arrays of [key,
// value].
class idl final {
 public:
  // errc::malformed (the context names the place), errc::limit_exceeded, errc::unsupported (another
  // specification).
  static result<idl> parse(std::string_view json, const idl_limits& limits = {});
  idl(idl&&) noexcept;
  idl& operator=(idl&&) noexcept;
  ~idl();

  const idl_summary& summary() const noexcept;
  // Null when the program has no such error.
  const idl_error_name* find_error(std::uint32_t code) const noexcept;

  // Each gives one JSON object, and errc::not_found when nothing has that discriminator; errc::truncated,
  // errc::malformed and errc::limit_exceeded name the field.
  //
  // {"info":{…},"type":"Name"}; bytes behind the value are an account's spare room.
  result<std::string> account(bytes_view data) const;
  // {"info":{"accounts":{name:address or null,…},"args":{…}},"type":"name"}, with "remainingAccounts" and
  // "unreadBytes" where there are any. An event that the program sent to itself is
  // {"event":"Name","info":{…},"type":"event"}.
  result<std::string> instruction(const pubkey& program, std::span<const pubkey> accounts,
                                  bytes_view data) const;
  // What a log line "Program data: …" holds: {"event":"Name","info":{…},"type":"event"}.
  result<std::string> event(bytes_view data) const;

  struct impl;

 private:
  explicit idl(std::unique_ptr<impl> i) noexcept;
  std::unique_ptr<impl> impl_;
};

// Extension interface: where decoders find a program's interface. Thread-safe.
class idl_source {
 public:
  virtual ~idl_source() = default;
  // Null when there is none.
  virtual std::shared_ptr<const idl> find(const pubkey& program) const = 0;
};

// A folder with one file PROGRAM.json for each program. Files are read when first asked for and kept; what
// does not parse counts as absent. Thread-safe.
class idl_folder final : public idl_source {
 public:
  // The folder need not exist.
  explicit idl_folder(std::string path, idl_limits limits = {});
  ~idl_folder() override;

  std::shared_ptr<const idl> find(const pubkey& program) const override;
  // errc::not_found when there is no such file.
  result<std::shared_ptr<const idl>> load(const pubkey& program) const;
  // Checks and stores an interface under `program`, or under the address that it names. errc::busy when there
  // is one and `replace` is false; errc::invalid_argument when it names another program, or none.
  result<pubkey> add(std::string_view json, std::optional<pubkey> program, bool replace);
  // errc::not_found.
  result<> remove(const pubkey& program);
  // In the order of addresses' texts; other files are passed over.
  result<std::vector<pubkey>> list() const;
  std::string file_of(const pubkey& program) const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

// On-chain interfaces

// Where `anchor idl init` keeps a program's interface, and where the program metadata program does.
result<pubkey> idl_address(const pubkey& program);
result<pubkey> idl_metadata_address(const pubkey& program);
// The JSON text in the data of either account, unpacked. errc::malformed when the data is neither,
// errc::unsupported when the text lies elsewhere (a URL, another account), errc::limit_exceeded.
result<std::string> unpack_idl_account(bytes_view data, const idl_limits& limits = {});

}  // namespace osvm::solana
