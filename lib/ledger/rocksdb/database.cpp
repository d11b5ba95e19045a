#include <osvm/ledger/rocksdb.hpp>

#include <functional>

#include "core.hpp"
#include "iterator.hpp"

namespace osvm::ledger::rocksdb {

// database

struct database::impl {
  std::shared_ptr<core> state;
};

database::database(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
database::database(database&&) noexcept = default;
database& database::operator=(database&&) noexcept = default;
database::~database() = default;

result<database> database::open(const std::string& folder, database_options options) {
  OSVM_TRY(auto state, core::open(folder, options));
  return database(std::make_unique<impl>(impl{std::move(state)}));
}

result<bool> database::refresh() {
  return impl_->state->refresh();
}

std::vector<column_info> database::columns() const {
  std::vector<column_info> out;
  const auto v = impl_->state->current();
  for (const auto& c : v->columns) {
    auto& info = out.emplace_back(column_info{.id = c.id, .name = c.name});
    for (const auto& chain : c.chains) {
      info.files += chain.files.size();
      for (const auto& f : chain.files) info.bytes += f.size;
    }
    for (const auto& run : c.runs) info.log_rows += run->column(c.id)->rows.size();
  }
  return out;
}

bool database::has_column(std::string_view name) const {
  return impl_->state->current()->find(name) != nullptr;
}

result<std::optional<value>> database::get(std::string_view column, std::string_view key) const {
  return impl_->state->get(column, key);
}

std::vector<lost_range> database::lost() const {
  return impl_->state->lost();
}
std::uint64_t database::sequence() const {
  return impl_->state->current()->sequence;
}

// reader

struct reader::impl {
  point_reader points;
};

result<reader> database::read(std::string_view column) const {
  point_reader points(impl_->state, column);
  if (!points.known()) return error(errc::no_such_column, std::string(column));
  return reader(std::make_unique<reader::impl>(reader::impl{std::move(points)}));
}

reader::reader(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
reader::reader(reader&&) noexcept = default;
reader& reader::operator=(reader&&) noexcept = default;
reader::~reader() = default;

result<std::optional<value>> reader::get(std::string_view key) {
  return impl_->points.get(key);
}
bool reader::empty() const noexcept {
  return impl_->points.empty();
}

// iterator

struct iterator::impl {
  using mover = std::function<void(source&)>;

  walk_context walk;
  std::string column;
  static constexpr int most_renewals = 8;
  std::vector<std::unique_ptr<source>> sources;
  std::string key;
  rocksdb::value value;
  bool valid = false, forward = true;

  result<> prepare() {
    walk.at = walk.state->current();
    walk.column = walk.at->find(column);
    sources.clear();
    walk.tombstones = {};
    walk.opened.clear();
    walk.vanished = false;
    if (!walk.column) return error(errc::no_such_column, column);
    walk.tombstones.add(walk.column->log_ranges);
    for (const auto& run : walk.column->runs)
      if (!run->column(walk.column->id)->rows.empty())
        sources.push_back(make_run_source(run, walk.column->id));
    for (const auto& c : walk.column->chains) sources.push_back(make_chain_source(c, walk));
    return {};
  }

  // Positions every source and finds the first visible row in the direction.
  void start(bool ahead, const mover& position) {
    forward = ahead;
    walk.status = {};
    for (int attempt = 0; attempt < most_renewals; ++attempt) {
      for (auto& s : sources) position(*s);
      if (!walk.vanished) return settle();
      if (!renew()) return;
    }
    too_fast();
  }

  bool renew() {
    valid = false;
    auto done = walk.state->refresh();
    walk.status = done ? prepare() : result<>(done.error());
    return walk.status.has_value();
  }

  // Gathers all versions of the next user key in the direction until one is visible.
  void settle() {
    valid = false;
    while (walk.status) {
      const source* next = nullptr;
      for (const auto& s : sources) {
        if (!s->valid()) continue;
        if (!next || (forward ? s->key().user < next->key().user : s->key().user > next->key().user))
          next = s.get();
      }
      if (!next) return;
      key = next->key().user;
      if (take_versions()) return;
      if (walk.vanished && !resume()) return;
    }
  }

  // Moves all sources past `key`; true when its newest version is a row.
  bool take_versions() {
    std::uint64_t newest = 0;
    entry_kind kind = entry_kind::deletion;
    bool any = false;
    result<rocksdb::value> bytes = rocksdb::value();
    for (const auto& s : sources) {
      while (s->valid() && s->key().user == key) {
        const auto k = s->key();
        if (!any || k.sequence > newest) {
          any = true;
          newest = k.sequence;
          kind = k.kind;
          bytes = s->value();
        }
        forward ? s->next() : s->prev();
      }
    }
    if (walk.vanished) return false;  // a source may have lost versions of this key: see it again
    if (walk.tombstones.covering(key) > newest || kind == entry_kind::deletion ||
        kind == entry_kind::single_deletion)
      return false;
    if (kind != entry_kind::value) {
      walk.status = error(errc::unsupported_format,
                          "column " + column + ": a row of kind " + std::to_string(static_cast<int>(kind)));
      return false;
    }
    if (!bytes) {
      walk.status = bytes.error();
      return false;
    }
    value = std::move(*bytes);
    return valid = true;
  }

  // After a new version was taken: back to `key`, which was not given out yet.
  bool resume() {
    for (int attempt = 0; attempt < most_renewals; ++attempt) {
      if (!renew()) return false;
      for (auto& s : sources) forward ? s->seek(key) : s->seek_before(key + '\0');
      if (!walk.vanished) return true;
    }
    too_fast();
    return false;
  }

  // No row is given out then: sources that are not positioned would look like an end.
  void too_fast() {
    valid = false;
    walk.status = error(osvm::errc::busy, "the writer replaces files faster than they can be opened");
  }
};

result<iterator> database::iterate(std::string_view column) const {
  auto i = std::make_unique<iterator::impl>();
  i->walk.state = impl_->state;
  i->column = column;
  OSVM_CHECK(i->prepare());
  return iterator(std::move(i));
}

iterator::iterator(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
iterator::iterator(iterator&&) noexcept = default;
iterator& iterator::operator=(iterator&&) noexcept = default;
iterator::~iterator() = default;

void iterator::seek_first() {
  impl_->start(true, [](source& s) { s.seek_first(); });
}
void iterator::seek_last() {
  impl_->start(false, [](source& s) { s.seek_last(); });
}
void iterator::seek(std::string_view key) {
  const std::string k(key);
  impl_->start(true, [&](source& s) { s.seek(k); });
}
void iterator::seek_for_prev(std::string_view key) {
  const std::string behind = std::string(key) + '\0';
  impl_->start(false, [&](source& s) { s.seek_before(behind); });
}
void iterator::next() {
  if (impl_->forward) return impl_->settle();
  const std::string behind = impl_->key + '\0';
  impl_->start(true, [&](source& s) { s.seek(behind); });
}
void iterator::prev() {
  if (!impl_->forward) return impl_->settle();
  const std::string here = impl_->key;
  impl_->start(false, [&](source& s) { s.seek_before(here); });
}
bool iterator::valid() const noexcept {
  return impl_->valid;
}
std::string_view iterator::key() const noexcept {
  return impl_->key;
}
const rocksdb::value& iterator::value() const noexcept {
  return impl_->value;
}
result<> iterator::status() const {
  return impl_->walk.status;
}
const std::vector<lost_range>& iterator::lost() const noexcept {
  return impl_->walk.lost;
}

}  // namespace osvm::ledger::rocksdb
