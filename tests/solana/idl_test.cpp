// Decoding by interfaces: each dialect, every type, and interfaces and data that mean harm.
#include <osvm/solana/address.hpp>
#include <osvm/solana/idl.hpp>
#include <osvm/solana/programs.hpp>

#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "wire_bytes.hpp"

namespace osvm::solana::test {
namespace {

namespace fs = std::filesystem;

idl parse(const std::string& json) {
  auto parsed = idl::parse(json);
  if (!parsed) ADD_FAILURE() << parsed.error().to_string();
  return std::move(parsed).value();
}
std::string shown(const result<std::string>& r) {
  return r ? *r : "error: " + r.error().context;
}

// One account A with one field v of the type; its discriminator is the byte 1.
idl holder_of(const std::string& type, const std::string& more_types = "") {
  return parse(R"({"address":"","metadata":{"name":"shop","version":"1","spec":"0.1.0"},"instructions":[],)"
               R"("accounts":[{"name":"A","discriminator":[1]}],"types":[{"name":"A","type":{"kind":)"
               R"("struct","fields":[{"name":"v","type":)" +
               type + "}]}}" + more_types + "]}");
}
std::string decoded(const idl& i, wire_bytes data) {
  const auto whole = wire_bytes{}.u8(1).text(data.str());
  auto text = shown(i.account(whole.view()));
  constexpr std::string_view front = R"({"info":{"v":)", back = R"(},"type":"A"})";
  if (text.starts_with(front) && text.ends_with(back))
    text = text.substr(front.size(), text.size() - front.size() - back.size());
  return text;
}
std::string decoded(const std::string& type, wire_bytes data) {
  return decoded(holder_of(type), std::move(data));
}

TEST(idl, integers_of_every_width) {
  EXPECT_EQ(decoded(R"("bool")", wire_bytes{}.u8(1)), "true");
  EXPECT_EQ(decoded(R"("bool")", wire_bytes{}.u8(2)),
            "error: IDL: a truth value that is neither 0 nor 1, field v, at byte 1");
  EXPECT_EQ(decoded(R"("u8")", wire_bytes{}.u8(200)), "200");
  EXPECT_EQ(decoded(R"("i8")", wire_bytes{}.u8(200)), "-56");
  EXPECT_EQ(decoded(R"("u16")", wire_bytes{}.u16(65535)), "65535");
  EXPECT_EQ(decoded(R"("i16")", wire_bytes{}.u16(65535)), "-1");
  EXPECT_EQ(decoded(R"("u32")", wire_bytes{}.u32(4000000000)), "4000000000");
  EXPECT_EQ(decoded(R"("i32")", wire_bytes{}.u32(4000000000)), "-294967296");
  EXPECT_EQ(decoded(R"("u64")", wire_bytes{}.u64(~0ULL)), "18446744073709551615");
  EXPECT_EQ(decoded(R"("i64")", wire_bytes{}.u64(1ULL << 63)), "-9223372036854775808");
  EXPECT_EQ(decoded(R"("u128")", wire_bytes{}.fill(255, 16)), R"("340282366920938463463374607431768211455")");
  EXPECT_EQ(decoded(R"("i128")", wire_bytes{}.fill(255, 16)), R"("-1")");
  EXPECT_EQ(decoded(R"("i128")", wire_bytes{}.fill(0, 15).u8(128)),
            R"("-170141183460469231731687303715884105728")");
  EXPECT_EQ(decoded(R"("u256")", wire_bytes{}.fill(255, 32)),
            R"("115792089237316195423570985008687907853269984665640564039457584007913129639935")");
  EXPECT_EQ(decoded(R"("i256")", wire_bytes{}.u8(0xfe).fill(255, 31)), R"("-2")");
  EXPECT_EQ(decoded(R"("u256")", wire_bytes{}.fill(0, 32)), R"("0")");
}

TEST(idl, floats_texts_and_keys) {
  EXPECT_EQ(decoded(R"("f32")", wire_bytes{}.put(0.1F)), "0.1");
  EXPECT_EQ(decoded(R"("f32")", wire_bytes{}.put(2.0F)), "2.0");
  EXPECT_EQ(decoded(R"("f64")", wire_bytes{}.put(0.1)), "0.1");
  EXPECT_EQ(decoded(R"("f64")", wire_bytes{}.fill(255, 8)), "null");
  EXPECT_EQ(decoded(R"("f32")", wire_bytes{}.fill(255, 4)), "null");
  EXPECT_EQ(decoded(R"("string")", wire_bytes{}.u32(3).text("a\"b")), R"("a\"b")");
  EXPECT_EQ(decoded(R"("bytes")", wire_bytes{}.u32(3).text("abc")), R"("YWJj")");
  EXPECT_EQ(decoded(R"("pubkey")", wire_bytes{}.fill(7, 32)), "\"" + key_of(7).to_string() + "\"");
  EXPECT_EQ(decoded(R"("publicKey")", wire_bytes{}.fill(7, 32)), "\"" + key_of(7).to_string() + "\"");
  EXPECT_EQ(decoded(R"({"nonzero":"u16"})", wire_bytes{}.u16(9)), "9");
}

TEST(idl, containers) {
  EXPECT_EQ(decoded(R"({"option":"u8"})", wire_bytes{}.u8(0)), "null");
  EXPECT_EQ(decoded(R"({"option":"u8"})", wire_bytes{}.u8(1).u8(5)), "5");
  EXPECT_EQ(decoded(R"({"array":[{"coption":"u64"},2]})", wire_bytes{}.u32(0).u64(99).u32(1).u64(5)),
            "[null,5]");
  EXPECT_EQ(decoded(R"({"vec":"u16"})", wire_bytes{}.u32(2).u16(1).u16(2)), "[1,2]");
  EXPECT_EQ(decoded(R"({"array":["u8",3]})", wire_bytes{}.text("\1\2\3")), "[1,2,3]");
  EXPECT_EQ(decoded(R"({"hashMap":["string","u8"]})", wire_bytes{}.u32(1).u32(1).text("k").u8(4)),
            R"([["k",4]])");
  EXPECT_EQ(decoded(R"({"bTreeSet":"u8"})", wire_bytes{}.u32(1).u8(4)), "[4]");
  EXPECT_EQ(decoded(R"({"tuple":["u8","bool"]})", wire_bytes{}.u8(4).u8(1)), "[4,true]");
  EXPECT_EQ(decoded(R"({"vec":"u16"})", wire_bytes{}.u32(2).u16(1)),
            "error: IDL: the data ends too early, field v, at byte 6");
}

constexpr const char* defined_types =
    R"(,{"name":"Kind","type":{"kind":"enum","variants":[{"name":"None"},{"name":"Named","fields":[)"
    R"({"name":"x","type":"u8"}]},{"name":"Both","fields":["u8","bool"]}]}})"
    R"(,{"name":"Pair","generics":[{"kind":"type","name":"T"},{"kind":"const","name":"N","type":"usize"}],)"
    R"("type":{"kind":"struct","fields":[{"name":"one","type":{"generic":"T"}},)"
    R"({"name":"many","type":{"array":[{"generic":"T"},{"generic":"N"}]}}]}})"
    R"(,{"name":"Wrap","generics":[{"kind":"type","name":"T"}],"type":{"kind":"struct","fields":[)"
    R"({"name":"inner","type":{"defined":{"name":"Pair","generics":[{"kind":"type","type":{"generic":"T"}},)"
    R"({"kind":"const","value":"2"}]}}}]}})"
    R"(,{"name":"Short","type":{"kind":"type","alias":{"option":"u8"}}})"
    R"(,{"name":"Two","type":{"kind":"struct","fields":["u8","u16"]}})"
    R"(,{"name":"Nothing","type":{"kind":"struct"}})";

TEST(idl, defined_types_generics_and_aliases) {
  const auto of = [](const std::string& type, wire_bytes data) {
    return decoded(holder_of(type, defined_types), std::move(data));
  };
  EXPECT_EQ(of(R"({"defined":{"name":"Kind"}})", wire_bytes{}.u8(0)), R"("None")");
  EXPECT_EQ(of(R"({"defined":"Kind"})", wire_bytes{}.u8(1).u8(7)), R"({"Named":{"x":7}})");
  EXPECT_EQ(of(R"({"defined":"Kind"})", wire_bytes{}.u8(2).u8(7).u8(0)), R"({"Both":[7,false]})");
  EXPECT_EQ(of(R"({"defined":"Kind"})", wire_bytes{}.u8(3)),
            "error: IDL: Kind has no variant 3, field v, at byte 1");
  EXPECT_EQ(of(R"({"defined":"Short"})", wire_bytes{}.u8(1).u8(3)), "3");
  EXPECT_EQ(of(R"({"defined":"Two"})", wire_bytes{}.u8(1).u16(3)), "[1,3]");
  EXPECT_EQ(of(R"({"defined":"Nothing"})", wire_bytes{}), "{}");
  EXPECT_EQ(of(R"({"defined":{"name":"Wrap","generics":[{"kind":"type","type":"u16"}]}})",
               wire_bytes{}.u16(1).u16(2).u16(3)),
            R"({"inner":{"one":1,"many":[2,3]}})");
  EXPECT_EQ(of(R"({"defined":{"name":"Wrap"}})", wire_bytes{}),
            "error: IDL: nothing says what the parameter T is, field one, at byte 0");
  EXPECT_EQ(of(R"({"definedWithTypeArgs":{"name":"Pair","args":[{"type":"u8"},{"value":"1"}]}})",
               wire_bytes{}.u8(1).u8(2)),
            R"({"one":1,"many":[2]})");
  EXPECT_EQ(of(R"({"defined":"Absent"})", wire_bytes{}),
            "error: IDL: the interface does not define the type Absent, field v, at byte 0");
}

TEST(idl, layouts_that_are_not_borsh) {
  const auto fields =
      R"("type":{"kind":"struct","fields":[{"name":"a","type":"u8"},{"name":"b","type":"u32"},)"
      R"({"name":"c","type":"u16"}]}})";
  const auto c =
      std::string(R"(,{"name":"C","serialization":"bytemuckunsafe","repr":{"kind":"c"},)") + fields;
  EXPECT_EQ(decoded(holder_of(R"({"array":[{"defined":{"name":"C"}},2]})", c),
                    wire_bytes{}.u8(1).fill(0, 3).u32(2).u16(3).u16(0).u8(4).fill(0, 3).u32(5).u16(6).u16(0)),
            R"([{"a":1,"b":2,"c":3},{"a":4,"b":5,"c":6}])");
  const auto packed =
      std::string(R"(,{"name":"C","serialization":"bytemuckunsafe","repr":{"kind":"c","packed":true},)") +
      fields;
  EXPECT_EQ(decoded(holder_of(R"({"defined":{"name":"C"}})", packed), wire_bytes{}.u8(1).u32(2).u16(3)),
            R"({"a":1,"b":2,"c":3})");
  const auto own = std::string(R"(,{"name":"C","serialization":{"custom":"mine"},)") + fields;
  EXPECT_EQ(decoded(holder_of(R"({"defined":{"name":"C"}})", own), wire_bytes{}),
            "error: IDL: the type C has a serialization of its own, field v, at byte 0");
}

// The discriminators are those that Anchor's own tools print.
constexpr const char* legacy = R"({"version":"0.2.0","name":"old_shop","instructions":[
  {"name":"initialize","accounts":[{"name":"payer","isMut":true,"isSigner":true},
    {"name":"group","accounts":[{"name":"store","isMut":false,"isSigner":false},
      {"name":"maybe","isMut":false,"isSigner":false,"isOptional":true}]}],
   "args":[{"name":"price","type":"u64"},{"name":"owner","type":"publicKey"}]},
  {"name":"swapBaseIn","accounts":[],"args":[]}],
  "accounts":[{"name":"Store","type":{"kind":"struct","fields":[{"name":"price","type":"u64"}]}}],
  "events":[{"name":"Sold","fields":[{"name":"price","type":"u64","index":false}]}],
  "errors":[{"code":6000,"name":"TooCheap","msg":"pay more"}],
  "metadata":{"address":"TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"}})";

std::string discriminator(std::initializer_list<int> bytes) {
  std::string out;
  for (const int b : bytes) out.push_back(static_cast<char>(b));
  return out;
}

TEST(idl, the_format_before_0_30) {
  const auto i = parse(legacy);
  EXPECT_EQ(i.summary().specification, "legacy");
  EXPECT_EQ(i.summary().name, "old_shop");
  EXPECT_EQ(i.summary().address, programs::token);
  const auto initialize = discriminator({0xaf, 0xaf, 0x6d, 0x1f, 0x0d, 0x98, 0x9b, 0xed});
  const pubkey program = key_of(9);
  const pubkey accounts[] = {key_of(1), key_of(2), program, key_of(4)};
  const auto data = wire_bytes{}.text(initialize).u64(5).fill(3, 32).u8(0);
  EXPECT_EQ(shown(i.instruction(program, accounts, data.view())),
            R"({"info":{"accounts":{"payer":")" + key_of(1).to_string() + R"(","group.store":")" +
                key_of(2).to_string() + R"(","group.maybe":null},"args":{"price":5,"owner":")" +
                key_of(3).to_string() + R"("},"remainingAccounts":[")" + key_of(4).to_string() +
                R"("],"unreadBytes":1},"type":"initialize"})");
  ASSERT_NE(i.find_error(6000), nullptr);
  EXPECT_EQ(i.find_error(6000)->message, "pay more");
  EXPECT_EQ(i.find_error(6001), nullptr);
  EXPECT_EQ(shown(i.account(data.view())), "error: IDL: old_shop has no account with that discriminator");
}

TEST(idl, custom_discriminators_of_any_length_and_events) {
  const auto i = parse(
      R"({"address":"TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA","metadata":{"name":"shop","version":"1",
      "spec":"0.1.0"},"instructions":[{"name":"short","discriminator":[1],"accounts":[],"args":[]},
      {"name":"long","discriminator":[1,2,3],"accounts":[],"args":[{"name":"n","type":"u8"}]}],
      "events":[{"name":"Sold","discriminator":[9,9,9,9,9,9,9,9]}],
      "types":[{"name":"Sold","type":{"kind":"struct","fields":[{"name":"price","type":"u64"}]}}]})");
  const auto run = [&](const wire_bytes& data) { return shown(i.instruction(key_of(1), {}, data.view())); };
  EXPECT_EQ(run(wire_bytes{}.u8(1)), R"({"info":{"accounts":{},"args":{}},"type":"short"})");
  EXPECT_EQ(run(wire_bytes{}.text("\1\2\3\4")), R"({"info":{"accounts":{},"args":{"n":4}},"type":"long"})");
  EXPECT_EQ(run(wire_bytes{}.text("\2")), "error: IDL: shop has no instruction with that discriminator");
  const auto event = R"({"event":"Sold","info":{"price":77},"type":"event"})";
  const auto tag = discriminator({0xe4, 0x45, 0xa5, 0x2e, 0x51, 0xcb, 0x9a, 0x1d});
  EXPECT_EQ(run(wire_bytes{}.text(tag).fill(9, 8).u64(77)), event);
  EXPECT_EQ(shown(i.event(wire_bytes{}.fill(9, 8).u64(77).view())), event);
}

TEST(idl, shank) {
  const auto i = parse(
      R"({"version":"1.0.0","name":"meta","metadata":{"origin":"shank","address":")" +
      programs::metaplex_metadata.to_string() +
      R"("},"instructions":[{"name":"Collect","accounts":[{"name":"authority","isMut":false,"isSigner":true}],
      "args":[],"discriminant":{"type":"u8","value":54}}],"accounts":[{"name":"Edition","type":{"kind":"struct",
      "fields":[]}}]})");
  EXPECT_EQ(i.summary().specification, "shank");
  const pubkey accounts[] = {key_of(1)};
  EXPECT_EQ(
      shown(i.instruction(key_of(2), accounts, wire_bytes{}.u8(54).view())),
      R"({"info":{"accounts":{"authority":")" + key_of(1).to_string() + R"("},"args":{}},"type":"Collect"})");
  EXPECT_EQ(i.summary().accounts, 0u) << "nothing says which account is which";
}

// hostile ones

std::string refused(const std::string& json, const idl_limits& limits = {}) {
  const auto r = idl::parse(json, limits);
  return r ? "accepted" : r.error().context;
}

TEST(idl, interfaces_that_are_none) {
  EXPECT_EQ(refused(""), "IDL: not JSON at byte 0");
  EXPECT_EQ(refused("{} x"), "IDL: not JSON at byte 3");
  EXPECT_EQ(refused("[]"), "IDL: no JSON object");
  EXPECT_EQ(refused(R"({"name":1})"), "IDL: a text is expected");
  EXPECT_EQ(refused(R"({"name":"a\"b"})"), "IDL: a name with characters that names do not have");
  EXPECT_EQ(refused(R"({"name":"a\u202eb"})"), "IDL: a name with characters that names do not have");
  EXPECT_EQ(refused(R"({"metadata":{"name":"a","spec":"9"}})"),
            "IDL: a specification other than 0.1.0 and 0.2.0");
  EXPECT_EQ(refused(R"({"name":"a","types":[{"name":"T","type":{"kind":"union"}}]})"),
            "IDL: a type that is neither struct, enum nor alias, in types T");
  EXPECT_EQ(refused(R"({"name":"a","instructions":[{"name":"i","args":["u8"]}]})"),
            "IDL: an argument without a name, in instructions i");
  EXPECT_EQ(refused(R"({"name":"a","accounts":[{"name":"T","discriminator":[256]}]})"),
            "IDL: a discriminator is made of bytes, in accounts T");
}

TEST(idl, limits_of_interfaces) {
  std::string deep = R"("u8")";
  for (int i = 0; i < 20; ++i) deep = R"({"vec":)" + deep + "}";
  const auto with = [](const std::string& type) {
    return R"({"name":"a","types":[{"name":"T","type":{"kind":"alias","value":)" + type + "}}]}";
  };
  EXPECT_EQ(refused(with(deep)), "accepted");
  EXPECT_EQ(refused(with(deep), {.max_depth = 10}), "IDL: types nested too deeply, in types T");
  EXPECT_EQ(refused(with(deep), {.max_items = 10}), "IDL: more items than the limit, in types T");
  EXPECT_EQ(refused(with(deep), {.max_json = 10}), "IDL: more than 10 bytes of JSON");
  for (int i = 0; i < 200; ++i) deep = R"({"vec":)" + deep + "}";
  EXPECT_TRUE(refused(with(deep)).starts_with("IDL: not JSON at byte"));
  EXPECT_EQ(refused(R"({"name":")" + std::string(1000, 'n') + "\"}"), "IDL: a name is too long");
}

TEST(idl, values_without_end) {
  const auto recursive = R"(,{"name":"L","type":{"kind":"struct","fields":[{"name":"next","type":)"
                         R"({"option":{"defined":{"name":"L"}}}}]}})";
  const auto list = holder_of(R"({"defined":{"name":"L"}})", recursive);
  EXPECT_EQ(decoded(list, wire_bytes{}.u8(1).u8(0)), R"({"next":{"next":null}})");
  EXPECT_EQ(decoded(list, wire_bytes{}.fill(1, 100)).substr(0, 46),
            "error: IDL: values nested too deeply, field ne");
  const auto itself = R"(,{"name":"L","type":{"kind":"type","alias":{"defined":{"name":"L"}}}})";
  EXPECT_EQ(decoded(holder_of(R"({"defined":{"name":"L"}})", itself), wire_bytes{}).substr(0, 36),
            "error: IDL: values nested too deeply");
  const auto empty = R"(,{"name":"E","type":{"kind":"struct"}})";
  EXPECT_EQ(decoded(holder_of(R"({"vec":{"defined":{"name":"E"}}})", empty), wire_bytes{}.u32(~0U)),
            "error: IDL: too many values, field v, at byte 4");
  EXPECT_EQ(
      decoded(holder_of(R"({"array":[{"defined":{"name":"E"}},18446744073709551615]})", empty), wire_bytes{}),
      "error: IDL: too many values, field v, at byte 0");
  const auto parameter = R"(,{"name":"P","generics":["T"],"type":{"kind":"alias","value":{"generic":"T"}}})";
  EXPECT_EQ(
      decoded(holder_of(R"({"defined":{"name":"P","generics":[{"generic":"T"}]}})", parameter), wire_bytes{}),
      "error: IDL: nothing says what the parameter T is, field v, at byte 0");
  // Sizes that double with each type: 2^40 by forty definitions.
  std::string doubling;
  for (int i = 0; i < 40; ++i)
    doubling += R"(,{"name":"D)" + std::to_string(i) + R"(","type":{"kind":"struct","fields":[)" +
                R"({"defined":"D)" + std::to_string(i + 1) + R"("},{"defined":"D)" + std::to_string(i + 1) +
                R"("}]}})";
  doubling += R"(,{"name":"D40","type":{"kind":"struct","fields":["u8"]}})";
  EXPECT_EQ(
      decoded(holder_of(R"({"coption":{"defined":"D0"}})", doubling), wire_bytes{}.u32(0)).substr(0, 27),
      "error: IDL: too many values");
}

// on chain

std::string deflated(const std::string& text) {
  uLongf size = compressBound(static_cast<uLong>(text.size()));
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(text.data()),
           static_cast<uLong>(text.size()));
  out.resize(size);
  return out;
}
wire_bytes anchor_account(const std::string& packed) {
  return std::move(wire_bytes{}
                       .text(discriminator({0x18, 0x46, 0x62, 0xbf, 0x3a, 0x90, 0x7b, 0x9e}))
                       .fill(1, 32)
                       .u32(static_cast<std::uint32_t>(packed.size()))
                       .text(packed)
                       .fill(0, 40));
}
wire_bytes metadata_account(const std::string& text, unsigned compression, unsigned source = 0) {
  return std::move(wire_bytes{}
                       .u8(2)
                       .fill(1, 32)
                       .fill(0, 32)
                       .u8(1)
                       .u8(1)
                       .text("idl")
                       .fill(0, 13)
                       .u8(1)
                       .u8(compression)
                       .u8(1)
                       .u8(source)
                       .u32(static_cast<std::uint32_t>(text.size()))
                       .fill(0, 5)
                       .text(text));
}

TEST(idl, accounts_that_hold_interfaces) {
  const std::string text = legacy;
  EXPECT_EQ(shown(unpack_idl_account(anchor_account(deflated(text)).view())), text);
  EXPECT_EQ(shown(unpack_idl_account(metadata_account(text, 0).view())), text);
  EXPECT_EQ(shown(unpack_idl_account(metadata_account(deflated(text), 2).view())), text);
  EXPECT_EQ(shown(unpack_idl_account(metadata_account("https://x", 0, 1).view())),
            "error: IDL: the account holds a URL, not the interface");
  EXPECT_EQ(shown(unpack_idl_account(wire_bytes{}.fill(0, 200).view())),
            "error: IDL: the data is neither Anchor's nor the metadata program's");
  auto damaged = deflated(text);
  damaged[10] = static_cast<char>(~damaged[10]);
  EXPECT_EQ(shown(unpack_idl_account(anchor_account(damaged).view())),
            "error: IDL: the packed text is damaged");
  const auto whole = anchor_account(deflated(text));
  EXPECT_EQ(shown(unpack_idl_account(whole.view().first(60))),
            "error: IDL: the account ends before its text does");
  const auto bomb = anchor_account(deflated(std::string(20 << 20, ' ')));
  EXPECT_EQ(shown(unpack_idl_account(bomb.view())), "error: IDL: unpacked text longer than the limit");
}

TEST(idl, addresses_of_such_accounts) {
  // The addresses that Anchor's client derives.
  const auto base = find_program_address({}, programs::token).value().first;
  EXPECT_EQ(idl_address(programs::token).value(),
            create_with_seed(base, "anchor:idl", programs::token).value());
  EXPECT_FALSE(on_curve(idl_metadata_address(programs::token).value()));
}

// the folder

class idl_files : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(mkdtemp(folder.data()), nullptr); }
  void TearDown() override { fs::remove_all(folder); }
  std::string folder = "/tmp/osvm-idl-XXXXXX";
};

TEST_F(idl_files, are_added_found_listed_and_removed) {
  idl_folder f(folder + "/idl");
  EXPECT_TRUE(f.list().value().empty());
  EXPECT_EQ(f.find(programs::token), nullptr);
  EXPECT_EQ(f.add(legacy, std::nullopt, false).value(), programs::token);
  EXPECT_EQ(f.add(legacy, programs::token, false).error().code, osvm::errc::busy);
  EXPECT_EQ(f.add(legacy, programs::system, true).error().code, osvm::errc::invalid_argument);
  EXPECT_EQ(f.add("{}", programs::system, true).error().code, osvm::errc::malformed);
  EXPECT_EQ(f.add(R"({"name":"x"})", std::nullopt, true).error().code, osvm::errc::invalid_argument);
  EXPECT_EQ(f.add(R"({"name":"x"})", programs::memo_v3, false).value(), programs::memo_v3);
  ASSERT_NE(f.find(programs::token), nullptr) << "what was added is seen, although it was missing before";
  EXPECT_EQ(f.find(programs::token)->summary().name, "old_shop");
  std::ofstream(folder + "/idl/notes.json") << "{}";
  EXPECT_EQ(f.list().value(), (std::vector<pubkey>{programs::memo_v3, programs::token}));
  EXPECT_EQ(idl_folder(folder + "/idl").find(programs::memo_v3)->summary().name, "x");
  EXPECT_TRUE(f.remove(programs::token));
  EXPECT_EQ(f.remove(programs::token).error().code, osvm::errc::not_found);
  EXPECT_EQ(f.find(programs::token), nullptr);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder + "/idl"), {}), 2) << "no temporary file stays";
}

TEST_F(idl_files, that_are_damaged_count_as_absent) {
  idl_folder f(folder);
  std::ofstream(f.file_of(programs::token)) << "{";
  EXPECT_EQ(f.find(programs::token), nullptr);
  const auto loaded = f.load(programs::token);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().context.find(programs::token.to_string()), std::string::npos);
  fs::create_directory(f.file_of(programs::system));
  EXPECT_FALSE(f.load(programs::system));
}

}  // namespace
}  // namespace osvm::solana::test
