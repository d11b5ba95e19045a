// Hostile and merely wrong ELF files against image::parse and image::load.
#include "unikernel/elf_builder.hpp"

#include <osvm/unikernel/image.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>

namespace {

using namespace osvm;
using osvm::test::elf_builder;
using unikernel::errc;

struct wrong_file {
  const char* name;
  errc expected;
  std::function<void(elf_builder&)> damage;
};

void PrintTo(const wrong_file& w, std::ostream* out) {
  *out << w.name;
}

class wrong_elf : public ::testing::TestWithParam<wrong_file> {};

TEST_P(wrong_elf, is_refused_with_its_own_error) {
  elf_builder b;
  GetParam().damage(b);
  const auto bytes = b.build();
  const auto parsed = unikernel::image::parse(bytes, "guest");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code, unikernel::make_error_code(GetParam().expected))
      << parsed.error().to_string();
}

const wrong_file wrong_files[] = {
    {"no_magic", errc::not_an_elf, [](elf_builder& b) { b.header.ident[0] = '#'; }},
    {"empty", errc::not_an_elf, [](elf_builder& b) { b.file_bytes = 0; }},
    {"three_bytes", errc::not_an_elf, [](elf_builder& b) { b.file_bytes = 3; }},
    {"header_cut_off", errc::malformed_elf, [](elf_builder& b) { b.file_bytes = 63; }},
    {"only_the_magic", errc::malformed_elf, [](elf_builder& b) { b.file_bytes = 4; }},
    {"32_bit", errc::wrong_architecture, [](elf_builder& b) { b.header.ident[4] = 1; }},
    {"big_endian", errc::wrong_architecture, [](elf_builder& b) { b.header.ident[5] = 2; }},
    {"arm64", errc::wrong_architecture, [](elf_builder& b) { b.header.machine = 183; }},
    {"i386_machine", errc::wrong_architecture, [](elf_builder& b) { b.header.machine = 3; }},
    {"object_file", errc::malformed_elf, [](elf_builder& b) { b.header.type = 1; }},
    {"core_file", errc::malformed_elf, [](elf_builder& b) { b.header.type = 4; }},
    {"no_program_headers", errc::malformed_elf, [](elf_builder& b) { b.segments.clear(); }},
    {"program_headers_cut_off", errc::malformed_elf, [](elf_builder& b) { b.file_bytes = 64 + 55; }},
    {"program_headers_behind_the_end", errc::malformed_elf, [](elf_builder& b) { b.header.phoff = 0x10000; }},
    {"program_header_offset_wraps", errc::malformed_elf, [](elf_builder& b) { b.header.phoff = ~0ull - 8; }},
    {"program_header_size", errc::malformed_elf, [](elf_builder& b) { b.header.phentsize = 32; }},
    {"program_header_size_zero", errc::malformed_elf, [](elf_builder& b) { b.header.phentsize = 0; }},
    {"too_many_program_headers", errc::malformed_elf,
     [](elf_builder& b) {
       b.count_headers = false;
       b.header.phnum = 0xffff;
     }},
    {"loader_without_name", errc::malformed_elf, [](elf_builder& b) { b.segments.push_back({.type = 3}); }},
    {"loader_name_behind_the_end", errc::malformed_elf,
     [](elf_builder& b) { b.segments.push_back({.type = 3, .offset = 0x100000, .filesz = 16}); }},
    {"loader_name_wraps", errc::malformed_elf,
     [](elf_builder& b) { b.segments.push_back({.type = 3, .offset = ~0ull - 4, .filesz = 16}); }},
    {"loader_name_without_end", errc::malformed_elf,
     [](elf_builder& b) { b.segments.push_back({.type = 3, .offset = 0, .filesz = 4}); }},
    {"loader_name_too_long", errc::malformed_elf,
     [](elf_builder& b) { b.segments.push_back({.type = 3, .offset = 0, .filesz = 5000}); }},
    {"loader_name_not_absolute", errc::malformed_elf,
     [](elf_builder& b) { b.segments.push_back({.type = 3, .offset = 1, .filesz = 7}); }},
    {"no_loadable_segment", errc::malformed_elf, [](elf_builder& b) { b.segments[0].type = 4; }},
    {"empty_segment_only", errc::malformed_elf,
     [](elf_builder& b) { b.segments[0].filesz = b.segments[0].memsz = 0; }},
    {"file_part_larger_than_memory", errc::malformed_elf,
     [](elf_builder& b) { b.segments[0].filesz = 0x200; }},
    {"segment_behind_the_end", errc::malformed_elf, [](elf_builder& b) { b.segments[0].offset = 0x5000; }},
    {"segment_reaches_behind_the_end", errc::malformed_elf,
     [](elf_builder& b) { b.segments[0].filesz = b.segments[0].memsz = 0x1001; }},
    {"segment_offset_wraps", errc::malformed_elf, [](elf_builder& b) { b.segments[0].offset = ~0xfffull; }},
    {"segment_size_wraps", errc::malformed_elf,
     [](elf_builder& b) {
       b.segments[0].offset = 0xfffffffffffff000;
       b.segments[0].filesz = b.segments[0].memsz = 0x2000;
     }},
    {"huge_memory", errc::too_large, [](elf_builder& b) { b.segments[0].memsz = 1ull << 40; }},
    {"memory_of_all_ones", errc::too_large, [](elf_builder& b) { b.segments[0].memsz = ~0ull; }},
    {"segments_far_apart", errc::too_large,
     [](elf_builder& b) {
       auto far = elf_builder::data();
       far.vaddr += 0x100000000000;
       b.segments.push_back(far);
     }},
    {"address_in_the_kernel_half", errc::malformed_elf,
     [](elf_builder& b) { b.segments[0].vaddr = b.header.entry = 0xffffffff81001000; }},
    {"address_not_canonical", errc::malformed_elf,
     [](elf_builder& b) { b.segments[0].vaddr = b.header.entry = 0x800000001000; }},
    {"address_in_the_reserved_area", errc::malformed_elf,
     [](elf_builder& b) { b.segments[0].vaddr = b.header.entry = 0x7fffc0001000; }},
    {"address_wraps", errc::malformed_elf,
     [](elf_builder& b) { b.segments[0].vaddr = b.header.entry = 0xfffffffffffff000; }},
    {"address_in_the_null_page", errc::malformed_elf,
     [](elf_builder& b) { b.segments[0].vaddr = b.header.entry = 0x1000; }},
    {"address_and_offset_disagree", errc::malformed_elf, [](elf_builder& b) { b.segments[0].vaddr += 8; }},
    {"alignment_no_power_of_two", errc::malformed_elf, [](elf_builder& b) { b.segments[0].align = 0x1001; }},
    {"alignment_huge", errc::malformed_elf, [](elf_builder& b) { b.segments[0].align = 1ull << 63; }},
    {"overlap", errc::malformed_elf, [](elf_builder& b) { b.segments.push_back(elf_builder::code()); }},
    {"overlap_by_one_byte", errc::malformed_elf,
     [](elf_builder& b) {
       auto d = elf_builder::data();
       d.vaddr = 0x4010ff;
       d.offset = 0x10ff;
       d.memsz = d.filesz = 16;
       d.flags = unikernel::elf::pf_r;
       b.segments.push_back(d);
     }},
    {"overlap_by_zeroed_memory", errc::malformed_elf,
     [](elf_builder& b) {
       b.segments[0].memsz = 0x3000;
       b.segments.push_back(elf_builder::data());
     }},
    {"shared_page_writable_and_executable", errc::malformed_elf,
     [](elf_builder& b) {
       auto d = elf_builder::data();
       d.vaddr = 0x401100;
       b.segments.push_back(d);
     }},
    {"writable_and_executable", errc::malformed_elf, [](elf_builder& b) { b.segments[0].flags = 7; }},
    {"entry_outside", errc::malformed_elf, [](elf_builder& b) { b.header.entry = 0x500000; }},
    {"entry_zero", errc::malformed_elf, [](elf_builder& b) { b.header.entry = 0; }},
    {"entry_at_the_end", errc::malformed_elf, [](elf_builder& b) { b.header.entry = 0x401100; }},
    {"entry_in_data", errc::malformed_elf,
     [](elf_builder& b) {
       b.segments.push_back(elf_builder::data());
       b.header.entry = 0x403100;
     }},
};

INSTANTIATE_TEST_SUITE_P(files, wrong_elf, ::testing::ValuesIn(wrong_files),
                         [](const auto& p) { return std::string(p.param.name); });

// The control of all of the above: the same file without the damage is accepted.
TEST(elf, accepts_the_undamaged_file) {
  elf_builder b;
  b.segments.push_back(elf_builder::data());
  const auto parsed = unikernel::image::parse(b.build(), "guest");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().to_string();
  EXPECT_EQ(parsed->info().entry, 0x401000u);
  EXPECT_EQ(parsed->info().segments, 2u);
  EXPECT_FALSE(parsed->info().position_independent);
  EXPECT_EQ(parsed->info().memory_bytes, 0x406000u - 0x401000u);
  EXPECT_EQ(parsed->info().name, "guest");
}

TEST(elf, accepts_segments_in_any_order) {
  elf_builder b;
  b.segments.insert(b.segments.begin(), elf_builder::data());
  EXPECT_TRUE(unikernel::image::parse(b.build(), "guest").has_value());
}

TEST(elf, limits_are_the_callers) {
  elf_builder b;
  const auto bytes = b.build();
  unikernel::image_limits small;
  small.max_file_bytes = bytes.size() - 1;
  EXPECT_EQ(unikernel::image::parse(bytes, "g", small).error().code,
            unikernel::make_error_code(errc::too_large));
  small.max_file_bytes = bytes.size();
  EXPECT_TRUE(unikernel::image::parse(bytes, "g", small).has_value());
  small.max_memory_bytes = 0xff;
  EXPECT_EQ(unikernel::image::parse(bytes, "g", small).error().code,
            unikernel::make_error_code(errc::too_large));
  small.max_memory_bytes = 0x1000;
  EXPECT_TRUE(unikernel::image::parse(bytes, "g", small).has_value());
  small.max_segments = 1;
  b.segments.push_back(elf_builder::data());
  EXPECT_FALSE(unikernel::image::parse(b.build(), "g", small).has_value());
}

// Every truncation of a real file is an error value, never a crash, and every single-byte change of its
// headers is either refused or leaves an image within the limits.
TEST(elf, survives_every_truncation_and_every_header_byte) {
  elf_builder b;
  b.segments.push_back(elf_builder::data());
  const auto whole = b.build();
  for (std::size_t n = 0; n < 64 + 2 * 56; ++n) {
    const auto parsed = unikernel::image::parse(bytes_view(whole).first(n), "guest");
    EXPECT_FALSE(parsed.has_value()) << n;
  }
  int accepted = 0;
  for (std::size_t at = 0; at < 64 + 2 * 56; ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      auto changed = whole;
      changed[at] = static_cast<std::byte>(value);
      const auto parsed = unikernel::image::parse(changed, "guest");
      if (!parsed) continue;
      ++accepted;
      EXPECT_LE(parsed->info().memory_bytes, std::uint64_t{4} << 30);
    }
  }
  EXPECT_GT(accepted, 0);
}

class elf_file : public ::testing::Test {
 protected:
  elf_file() {
    char name[] = "/tmp/osvm-elf-XXXXXX";
    dir = ::mkdtemp(name);
  }
  ~elf_file() override {
    for (const char* f : {"/program", "/fifo"}) ::unlink((dir + f).c_str());
    ::rmdir(dir.c_str());
  }
  std::string dir;
};

TEST_F(elf_file, names_the_missing_file) {
  const auto r = unikernel::image::load(dir + "/nothing");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code.value(), ENOENT);
  EXPECT_NE(r.error().to_string().find(dir + "/nothing"), std::string::npos);
}

TEST_F(elf_file, refuses_what_is_no_regular_file_without_blocking) {
  EXPECT_FALSE(unikernel::image::load(dir));
  EXPECT_FALSE(unikernel::image::load("/dev/zero"));
  ASSERT_EQ(::mkfifo((dir + "/fifo").c_str(), 0600), 0);
  EXPECT_FALSE(unikernel::image::load(dir + "/fifo"));
}

TEST_F(elf_file, changing_the_file_afterwards_changes_no_image) {
  const auto bytes = elf_builder().build();
  std::ofstream(dir + "/program", std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  const auto r = unikernel::image::load(dir + "/program");
  ASSERT_TRUE(r) << r.error().to_string();
  ASSERT_EQ(::truncate((dir + "/program").c_str(), 0), 0);
  EXPECT_EQ(r->info().segments, 1u);
  EXPECT_EQ(r->info().name, "program");
}

TEST_F(elf_file, a_script_is_no_elf) {
  std::ofstream(dir + "/program") << "#!/bin/sh\nexit 0\n";
  const auto r = unikernel::image::load(dir + "/program");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, unikernel::make_error_code(errc::not_an_elf));
}

TEST_F(elf_file, a_dynamic_program_names_its_loader) {
  const auto r = unikernel::image::load("/bin/true");
  ASSERT_TRUE(r) << r.error().to_string();
  EXPECT_EQ(r->info().interpreter, "/lib64/ld-linux-x86-64.so.2");
  EXPECT_EQ(r->info().path, "/usr/bin/true");
}

}  // namespace
