// A ledger and accounts of snapshots, and decoding. JSON travels as text: the typed package parses it.
#include <osvm/ledger/account_store.hpp>
#include <osvm/ledger/query.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/idl.hpp>

#include "edge.hpp"

#include <pybind11/stl.h>

#include <string>

namespace osvm::python {
namespace {

using namespace py::literals;

struct opened_ledger {
  ledger::blockstore store;
  std::optional<ledger::genesis> genesis;
};
using ledger_ptr = std::shared_ptr<opened_ledger>;

ledger_ptr open_ledger(const std::string& folder) {
  return without_gil([&]() -> result<ledger_ptr> {
    OSVM_TRY(auto store, ledger::blockstore::open(folder));
    auto genesis = ledger::load_genesis(folder);
    if (!genesis && genesis.error().code != boost::system::errc::no_such_file_or_directory)
      return genesis.error();
    return std::make_shared<opened_ledger>(
        opened_ledger{std::move(store), genesis ? std::optional(std::move(*genesis)) : std::nullopt});
  });
}

result<ledger::block_query> query_of(const std::string& encoding, const std::string& details,
                                     const std::string& commitment) {
  const auto e = solana::parse_encoding(encoding);
  const auto d = solana::parse_details(details);
  const auto level = ledger::parse_commitment(commitment);
  if (!e) return error(errc::invalid_argument, "encoding: json, jsonParsed, base64, base58");
  if (!d) return error(errc::invalid_argument, "details: full, accounts, signatures, none");
  if (!level || *level == ledger::commitment::processed)
    return error(errc::invalid_argument, "commitment: finalized, confirmed");
  ledger::block_query out;
  out.encode.encoding = *e;
  out.encode.max_version = 255;
  out.details = *d;
  out.level = *level;
  return out;
}

py::dict bounds_of(const ledger_ptr& l) {
  const auto b = l->store.bounds();
  return py::dict("lowest"_a = b->lowest, "highest"_a = b->highest, "highest_full"_a = b->highest_full,
                  "first_root"_a = b->first_root, "last_root"_a = b->last_root,
                  "last_confirmed"_a = b->last_confirmed, "first_available"_a = b->first_available);
}

struct slot_row {
  ledger::slot_t slot = 0;
  std::optional<ledger::slot_t> parent{};
  std::uint64_t shreds = 0;
  bool full = false, root = false, dead = false;
};
// At most `limit` slots from `first` on.
py::list slots_of(const ledger_ptr& l, ledger::slot_t first, std::size_t limit) {
  const auto rows = without_gil([&]() -> result<std::vector<slot_row>> {
    std::vector<slot_row> out;
    OSVM_CHECK(l->store.each_meta(first, [&](const ledger::slot_meta& m) {
      out.push_back({m.slot, m.parent, m.consumed, m.full()});
      return out.size() < limit;
    }));
    for (auto& r : out) {
      OSVM_TRY(r.root, l->store.is_root(r.slot));
      OSVM_TRY(r.dead, l->store.is_dead(r.slot));
    }
    return out;
  });
  py::list out;
  for (const auto& r : rows)
    out.append(py::dict("slot"_a = r.slot, "parent"_a = r.parent, "shreds"_a = r.shreds, "full"_a = r.full,
                        "root"_a = r.root, "dead"_a = r.dead));
  return out;
}

py::list wire_of(const ledger_ptr& l, ledger::slot_t slot) {
  const auto block = without_gil([&] { return l->store.read_block(slot); });
  py::list out;
  for (std::size_t i = 0; i < block->transactions().size(); ++i) {
    const auto w = block->wire(i);
    out.append(py::bytes(reinterpret_cast<const char*>(w.data()), w.size()));
  }
  return out;
}

template <class T>
T parse_key(const std::string& text) {
  return take(T::parse(text));
}

void bind_store(py::module_& m) {
  py::class_<opened_ledger, ledger_ptr>(m, "Ledger")
      .def_static("open", &open_ledger, "folder"_a)
      .def("refresh", [](const ledger_ptr& l) { return without_gil([&] { return l->store.refresh(); }); })
      .def("bounds", &bounds_of)
      .def("slots", &slots_of, "first"_a, "limit"_a)
      .def("wire", &wire_of, "slot"_a)
      .def("lost",
           [](const ledger_ptr& l) {
             py::list out;
             for (const auto& x : l->store.database().lost())
               out.append(py::dict("column"_a = x.column, "file"_a = x.file, "reason"_a = x.reason));
             return out;
           })
      .def("block",
           [](const ledger_ptr& l, ledger::slot_t slot, const std::string& encoding,
              const std::string& details, const std::string& commitment) {
             return without_gil([&]() -> result<std::string> {
               OSVM_TRY(const auto q, query_of(encoding, details, commitment));
               return ledger::block_json(l->store, l->genesis, slot, q);
             });
           })
      .def("transaction",
           [](const ledger_ptr& l, const std::string& signature, const std::string& encoding,
              const std::string& commitment) {
             const auto s = parse_key<solana::signature>(signature);
             return without_gil([&]() -> result<std::string> {
               OSVM_TRY(const auto q, query_of(encoding, "full", commitment));
               return ledger::transaction_json(l->store, l->genesis, s, q);
             });
           })
      .def("signatures", [](const ledger_ptr& l, const std::string& address, std::size_t limit,
                            const std::string& commitment) {
        const auto key = parse_key<solana::pubkey>(address);
        return without_gil([&]() -> result<std::string> {
          OSVM_TRY(const auto q, query_of("json", "full", commitment));
          return ledger::signatures_json(l->store, l->genesis, key, {.limit = limit, .level = q.level});
        });
      });
}

// decoding

using idl_ptr = std::shared_ptr<const solana::idl>;

class given_idls final : public solana::idl_source {
 public:
  explicit given_idls(const std::vector<idl_ptr>& list) : list_(list) {}
  idl_ptr find(const solana::pubkey& program) const override {
    for (const auto& i : list_)
      if (i->summary().address == program) return i;
    return nullptr;
  }

 private:
  const std::vector<idl_ptr>& list_;
};

std::string decode_account(const std::string& owner, const std::string& data,
                           const std::optional<std::string>& address, const std::optional<unsigned>& decimals,
                           const std::vector<idl_ptr>& idls, bool as_validator) {
  const solana::account_view account{parse_key<solana::pubkey>(owner), 0, 0, false, as_bytes(data)};
  const auto key = address ? parse_key<solana::pubkey>(*address) : solana::pubkey{};
  return without_gil([&]() -> result<std::string> {
    if (decimals && *decimals > 255) return error(errc::invalid_argument, "decimals: 0 to 255");
    const given_idls source(idls);
    const solana::more_decoders more{.idls = &source};
    solana::account_context context;
    if (!as_validator) context.more = &more;
    if (decimals)
      context.mint = solana::token_mint{.supply = 0, .decimals = static_cast<std::uint8_t>(*decimals)};
    std::string text;
    solana::json_writer out(text);
    if (!solana::write_parsed_account(out, key, account, context))
      return error(errc::not_found,
                   "no decoder understands these " + std::to_string(data.size()) + " bytes of " + owner);
    return text;
  });
}

std::string decode_transaction(const std::string& wire, const std::vector<idl_ptr>& idls, bool as_validator) {
  return without_gil([&]() -> result<std::string> {
    solana::transaction_view tx;
    OSVM_CHECK(solana::parse_transaction(as_bytes(wire), tx));
    if (tx.size != wire.size()) return error(errc::malformed, "bytes behind the transaction");
    const given_idls source(idls);
    const solana::more_decoders more{.idls = &source};
    std::string text;
    solana::json_writer out(text);
    out.begin_object();
    OSVM_CHECK(solana::write_transaction_fields(out, as_bytes(wire), tx, nullptr,
                                                {.encoding = solana::transaction_encoding::json_parsed,
                                                 .max_version = 255,
                                                 .more = as_validator ? nullptr : &more}));
    out.field("signaturesValid", solana::sanitize(tx) && solana::verify_signatures(tx));
    out.end_object();
    return text;
  });
}

std::string decode_instruction(const idl_ptr& idl, const std::string& program,
                               const std::vector<std::string>& accounts, const std::string& data) {
  const auto key = parse_key<solana::pubkey>(program);
  std::vector<solana::pubkey> keys;
  for (const auto& a : accounts) keys.push_back(parse_key<solana::pubkey>(a));
  return without_gil([&] { return idl->instruction(key, keys, as_bytes(data)); });
}

void bind_decoding(py::module_& m) {
  py::class_<solana::idl, std::shared_ptr<solana::idl>>(m, "Idl")
      .def_static("parse",
                  [](const std::string& json) {
                    return without_gil([&]() -> result<std::shared_ptr<solana::idl>> {
                      OSVM_TRY(auto parsed, solana::idl::parse(json));
                      return std::make_shared<solana::idl>(std::move(parsed));
                    });
                  })
      .def_property_readonly("name", [](const solana::idl& i) { return i.summary().name; })
      .def_property_readonly("address",
                             [](const solana::idl& i) -> std::optional<std::string> {
                               const auto& a = i.summary().address;
                               return a ? std::optional(a->to_string()) : std::nullopt;
                             })
      .def("account",
           [](const std::shared_ptr<solana::idl>& i, const std::string& data) {
             return without_gil([&] { return i->account(as_bytes(data)); });
           })
      .def("event",
           [](const std::shared_ptr<solana::idl>& i, const std::string& data) {
             return without_gil([&] { return i->event(as_bytes(data)); });
           })
      .def("instruction", [](const std::shared_ptr<solana::idl>& i, const std::string& program,
                             const std::vector<std::string>& accounts, const std::string& data) {
        return decode_instruction(i, program, accounts, data);
      });
  m.def("decode_account",
        [](const std::string& owner, const std::string& data, const std::optional<std::string>& address,
           const std::optional<unsigned>& decimals, const std::vector<std::shared_ptr<solana::idl>>& idls,
           bool as_validator) {
          return decode_account(owner, data, address, decimals, {idls.begin(), idls.end()}, as_validator);
        });
  m.def("decode_transaction", [](const std::string& wire,
                                 const std::vector<std::shared_ptr<solana::idl>>& idls, bool as_validator) {
    return decode_transaction(wire, {idls.begin(), idls.end()}, as_validator);
  });
  m.def("unpack_idl", [](const std::string& data) {
    return without_gil([&] { return solana::unpack_idl_account(as_bytes(data)); });
  });
}

// accounts

using store_ptr = std::shared_ptr<ledger::account_store>;

std::string account_json(const store_ptr& s, const std::string& address, const std::string& encoding) {
  const auto key = parse_key<solana::pubkey>(address);
  return without_gil([&]() -> result<std::string> {
    const auto how = solana::parse_account_encoding(encoding);
    if (!how) return error(errc::invalid_argument, "encoding: jsonParsed, base64, base58, base64+zstd");
    const auto* a = s->find(key);
    if (!a) return error(errc::not_found, "no such account there");
    std::string text;
    solana::json_writer out(text);
    solana::write_account(out, a->address, a->view, *how, {}, s->context_of(*a));
    return text;
  });
}

}  // namespace

void bind_ledger(py::module_& m) {
  bind_store(m);
  bind_decoding(m);
  py::class_<ledger::account_store, store_ptr>(m, "Accounts")
      .def_static("load",
                  [](const std::vector<std::string>& paths) {
                    return without_gil([&]() -> result<store_ptr> {
                      OSVM_TRY(auto store, ledger::account_store::load(paths));
                      return std::make_shared<ledger::account_store>(std::move(store));
                    });
                  })
      .def("size", [](const store_ptr& s) { return s->size(); })
      .def("addresses",
           [](const store_ptr& s) {
             std::vector<std::string> out;
             for (const auto* a : s->all()) out.push_back(a->address.to_string());
             return out;
           })
      .def("account", &account_json);
}

}  // namespace osvm::python
