// The release engine's decisions, all of them: every state that can be reached with two or three deployments
// in a row, every input in each, and the end of the process at every instant, with what is journalled then.
#include "hotswap/release/machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_set>

namespace osvm::test {
namespace {

using namespace hotswap;
using namespace hotswap::detail;
using kind = order::kind;
using phase = release_machine::phase;

// The inputs that an order can be answered with.
std::vector<input> answers(kind k) {
  switch (k) {
    case kind::start: return {input::started, input::not_started};
    case kind::probe: return {input::healthy, input::unhealthy};
    case kind::warm: return {input::warmed, input::not_warmed};
    case kind::save: return {input::saved, input::not_saved};
    case kind::route: return {input::routed, input::not_routed};
    case kind::watch: return {input::stage_over, input::traffic_bad};
    case kind::drain: return {input::drained};
    case kind::stop: return {input::stopped};
    default: return {};
  }
}

// What the orders have made of the world, and what must be true of it at every instant.
struct world {
  release_machine machine;
  unsigned stages = 0, deployments = 3;
  std::vector<ledger> maybe{
      {}};              // what a restart could read now: one, but during a write and after a failed one
  bool faulty = false;  // a write has failed
  bool saving = false;
  std::optional<order> awaited;
  std::set<std::uint64_t> alive;  // instances that run and were not ordered to stop
  std::set<std::uint64_t> lost;   // of those, that have ended by themselves
  std::set<std::uint64_t> warm;   // that were healthy and warm once
  bool ever_active = false;
  std::uint64_t routed = 0, shared = 0;
  std::pair<std::uint64_t, std::uint64_t> before_route{};
  unsigned reports = 0, restarts = 0, begun = 0;
  std::string trouble;

  void expect(bool good, const std::string& what) {
    if (!good && trouble.empty()) trouble = what;
  }
  bool awaits(input in) const {
    if (!awaited) return false;
    const auto all = answers(awaited->what);
    return std::find(all.begin(), all.end(), in) != all.end();
  }

  void obey(const order& o) {
    switch (o.what) {
      case kind::probe:
      case kind::warm: expect(alive.contains(o.who), "a probe of what does not run"); break;
      case kind::end_tries: awaited.reset(); return;
      case kind::save:
        expect(!saving, "two writes at once");
        saving = true;
        maybe.push_back(machine.to_save());
        break;
      case kind::unroute: routed = shared = 0; return;
      case kind::go_back:
        expect(alive.contains(o.who), "the way back leads to what is gone");
        routed = o.who;
        shared = 0;
        return;
      case kind::drain:
        expect(o.who != routed && o.who != shared, "a release drains that gets traffic");
        expect(alive.contains(o.who), "what is gone drains");
        break;
      case kind::discard:
      case kind::stop:
        expect(o.who != routed && o.who != shared, "a release is stopped that gets traffic");
        expect(alive.erase(o.who) == 1, "a release is stopped twice, or never ran");
        if (o.what == kind::discard) return;
        break;
      case kind::tell: ever_active |= o.state == release_state::active; return;
      case kind::report: ++reports; return;
      case kind::route:
        expect(alive.contains(o.who), "traffic to what does not run");
        before_route = {routed, shared};
        if (routed == 0 || o.stage + 1 >= stages) {
          routed = o.who;
          shared = 0;
        } else {
          shared = o.who;
        }
        break;
      default: break;
    }
    expect(!awaited || awaited->what == kind::watch || awaited->what == kind::drain ||
               awaited->what == kind::warm,
           "an order while another is awaited");
    awaited = o;
  }

  // If the process ended now: exactly one release is active again, if one ever was.
  void check_restart() {
    for (const auto& l : maybe) {
      const auto id = l.to_recover();
      expect(!ever_active || id != 0, "after a restart nothing is active");
      expect(id == 0 || warm.contains(id), "a restart makes a release active that was never healthy");
      // With nothing beside the new release the ledger goes on naming the last one that was committed.
      const bool alone = machine.busy() && machine.old() == 0;
      expect(faulty || alone || routed == 0 || alive.contains(id),
             "a restart makes a release active that was retired");
      const release_machine again(l);
      expect(again.to_save().active == id && again.to_save().candidate == 0 && !again.busy(),
             "a restart finds more than one release");
    }
  }
  void check() {
    check_restart();
    expect(routed == 0 || warm.contains(routed), "traffic to a release that was never healthy");
    expect(shared == 0 || warm.contains(shared), "a share to a release that was never healthy");
    expect(reports == begun || (machine.busy() && reports + 1 == begun), "a deployment without its report");
    if (machine.busy()) return;
    expect(alive.empty() || (alive.size() == 1 && *alive.begin() == machine.active()), "an instance is left");
    expect(machine.active() == routed && shared == 0, "idle, but the route is not the active release");
    expect(faulty || routed == 0 || maybe.back().active == routed, "idle, and the ledger names another");
  }

  // False: the input was not taken. `orderly`: the machine may be told this now.
  bool give(input in) {
    const bool answer = awaits(in);
    const auto who = awaited ? awaited->who : 0;
    if (in == input::next_lost) lost.insert(machine.next());
    if (in == input::old_lost) lost.insert(machine.busy() ? machine.old() : machine.active());
    if (in == input::not_routed) std::tie(routed, shared) = before_route;
    if (in == input::started) alive.insert(who);
    if (in == input::warmed) warm.insert(who);
    if (in == input::saved) maybe = {machine.to_save()};
    if (in == input::saved || in == input::not_saved) saving = false;
    faulty |= in == input::not_saved;
    if (in == input::deploy) ++begun;
    if (answer) awaited.reset();
    machine.plan(stages, restarts != 0 && begun % 2 == 0);
    if (!machine.take(in, "because")) return false;
    if (in == input::stage_over && machine.held()) awaited = order{kind::watch, who};
    for (const auto& o : std::vector<order>(machine.orders())) obey(o);
    check();
    return true;
  }

  // May the environment say this now?
  bool possible(input in) const {
    switch (in) {
      case input::deploy: return begun < deployments;
      case input::pause:
      case input::resume:
      case input::abort:
      case input::rollback: return true;
      case input::next_lost: {
        const auto n = machine.next();
        return machine.busy() && alive.contains(n) && !lost.contains(n);
      }
      case input::old_lost: {
        const auto n = machine.busy() ? machine.old() : machine.active();
        return n != 0 && alive.contains(n) && !lost.contains(n);
      }
      default: return awaits(in);
    }
  }

  // Every number in it is one digit, but for the flags.
  std::string key() const {
    std::string out(1, static_cast<char>('a' + static_cast<int>(machine.where())));
    const auto put = [&out](auto... n) { (out.push_back(static_cast<char>('0' + n)), ...); };
    const auto put_ledger = [&](const ledger& l) {
      put(l.active, l.candidate, l.leaving, l.previous, l.attempts);
    };
    const auto put_all = [&](const std::set<std::uint64_t>& s) {
      for (const auto i : s) put(i);
      out += ' ';
    };
    put(machine.paused(), machine.held(), machine.stage(), machine.next(), machine.old(), machine.active());
    put(machine.flags());
    put_ledger(machine.to_save());
    for (const auto& l : maybe) put_ledger(l);
    out += ' ';
    put(faulty, saving, awaited ? static_cast<int>(awaited->what) : 77);
    put_all(alive);
    put_all(lost);
    put_all(warm);
    put(routed, shared, static_cast<int>(machine.result_of().state), restarts, begun, ever_active);
    return out;
  }
};

struct explorer {
  std::unordered_set<std::string> seen;
  std::deque<world> todo;
  std::set<phase> phases;
  std::size_t steps = 0, restarts = 0;

  void visit(world w) {
    if (seen.insert(w.key()).second) todo.push_back(std::move(w));
  }

  // Inputs that nobody can give now are refused and change nothing.
  static void refuses(const world& from, input in) {
    world w = from;
    ASSERT_FALSE(w.machine.take(in, "stray")) << to_string(in) << " in " << from.key();
    ASSERT_EQ(w.key(), from.key());
  }

  void run(unsigned stages, unsigned deployments) {
    world first;
    first.stages = stages;
    first.deployments = deployments;
    visit(first);
    while (!todo.empty()) {
      const world from = std::move(todo.front());
      todo.pop_front();
      phases.insert(from.machine.where());
      for (unsigned i = 0; i < input_count; ++i) {
        const auto in = static_cast<input>(i);
        if (!from.possible(in)) {
          if (in != input::deploy && in != input::next_lost && in != input::old_lost) refuses(from, in);
          if (::testing::Test::HasFatalFailure()) return;
          continue;
        }
        world w = from;
        if (!w.give(in)) continue;
        ++steps;
        ASSERT_EQ(w.trouble, "") << to_string(in) << " in " << from.key();
        visit(std::move(w));
      }
      if (from.restarts == 0) restart(from);
    }
  }

  // The process ends; the next one goes on with each ledger that it could find.
  void restart(const world& from) {
    for (const auto& l : from.maybe) {
      world w;
      w.machine = release_machine(l);
      w.stages = from.stages;
      w.deployments = from.deployments;
      w.maybe = {l};
      w.warm = from.warm;
      w.ever_active = from.ever_active;
      w.restarts = 1;
      w.begun = w.reports = from.begun;
      ++restarts;
      visit(std::move(w));
    }
  }
};

class every_state : public ::testing::TestWithParam<std::pair<unsigned, unsigned>> {};

TEST_P(every_state, keeps_exactly_one_active_release) {
  explorer e;
  e.run(GetParam().first, GetParam().second);
  // Without stages nothing is watched or committed.
  EXPECT_EQ(e.phases.size(), GetParam().first == 0 ? 12U : 14U);
  EXPECT_GT(e.steps, 1'000U);
  EXPECT_GT(e.restarts, 500U);
  RecordProperty("states", static_cast<int>(e.seen.size()));
  RecordProperty("steps", static_cast<int>(e.steps));
}
INSTANTIATE_TEST_SUITE_P(with, every_state,
                         ::testing::Values(std::pair(0U, 3U), std::pair(1U, 2U), std::pair(2U, 2U)));

// Drives one machine and reads back what it ordered.
struct driven {
  release_machine m;
  std::string give(input in) {
    EXPECT_TRUE(m.take(in, "because")) << to_string(in) << " in " << to_string(m.where());
    std::string out;
    for (const auto& o : m.orders()) {
      static constexpr const char* names[] = {"start", "probe",   "warm",    "end",     "save",
                                              "route", "watch",   "unroute", "go_back", "drain",
                                              "stop",  "discard", "tell",    "report"};
      if (!out.empty()) out += ' ';
      out += names[static_cast<int>(o.what)];
      if (o.what == kind::tell) out += std::string(":") + to_string(o.state);
    }
    return out;
  }
  void give(std::initializer_list<input> all) {
    for (const auto in : all) give(in);
  }
  void deploy(unsigned stages) {
    m.plan(stages);
    give({input::deploy, input::started, input::healthy, input::warmed, input::saved, input::routed});
    for (unsigned i = 0; i + 1 < stages; ++i) give({input::stage_over, input::routed});
    if (stages != 0) give({input::stage_over, input::saved});
    if (m.where() == phase::draining) give({input::drained, input::stopped, input::saved});
  }
};

TEST(release_machine, a_plain_deployment_is_journalled_before_it_is_routed_to) {
  driven d;
  EXPECT_EQ(d.give(input::deploy), "tell:starting start");
  EXPECT_EQ(d.give(input::started), "tell:probing probe");
  EXPECT_EQ(d.give(input::healthy), "tell:warming warm");
  EXPECT_EQ(d.give(input::warmed), "save");
  EXPECT_EQ(d.m.to_save().active, 1U);
  EXPECT_EQ(d.give(input::saved), "route");
  EXPECT_EQ(d.give(input::routed), "tell:active report");
  d.give({input::deploy, input::started, input::healthy, input::warmed, input::saved});
  EXPECT_EQ(d.give(input::routed), "tell:active tell:draining drain");
  EXPECT_EQ(d.give(input::drained), "stop");
  EXPECT_EQ(d.give(input::stopped), "tell:retired save");
  EXPECT_EQ(d.give(input::saved), "report");
  EXPECT_EQ(d.m.to_save(), (ledger{2, 0, 0, 1, 2}));
}

TEST(release_machine, until_the_bake_is_over_the_ledger_names_the_old_release) {
  driven d;
  d.deploy(0);
  d.m.plan(2);
  d.give({input::deploy, input::started, input::healthy, input::warmed});
  EXPECT_EQ(d.m.to_save(), (ledger{1, 2, 0, 0, 2}));
  d.give({input::saved, input::routed, input::stage_over, input::routed});
  EXPECT_EQ(d.m.to_save().to_recover(), 1U);
  EXPECT_EQ(d.give(input::traffic_bad), "end go_back tell:rolled_back tell:active save");
  EXPECT_EQ(d.m.to_save(), (ledger{1, 0, 0, 0, 2}));
  EXPECT_EQ(d.give(input::saved), "drain");
  EXPECT_EQ(d.give(input::drained), "stop");
  EXPECT_EQ(d.give(input::stopped), "report");
  EXPECT_EQ(d.m.result_of().state, release_state::rolled_back);
}

TEST(release_machine, a_full_store_rejects_the_release_and_the_old_one_serves_on) {
  driven d;
  d.deploy(0);
  d.m.plan(1);
  d.give({input::deploy, input::started, input::healthy, input::warmed});
  EXPECT_EQ(d.give(input::not_saved), "end tell:rejected save");
  d.give({input::not_saved, input::stopped});
  EXPECT_EQ(d.m.result_of().state, release_state::rejected);
  EXPECT_EQ(d.m.active(), 1U);
}

TEST(release_machine, paused_it_waits_at_the_next_boundary_and_can_still_be_given_up) {
  driven d;
  d.deploy(0);
  d.m.plan(1);
  d.give({input::deploy, input::started, input::pause, input::healthy});
  EXPECT_EQ(d.give(input::warmed), "");
  EXPECT_TRUE(d.m.held());
  EXPECT_EQ(d.give(input::resume), "save");
  d.give({input::saved, input::routed, input::pause});
  EXPECT_EQ(d.give(input::stage_over), "");
  EXPECT_EQ(d.give(input::abort), "end go_back tell:rolled_back tell:active save");
}

TEST(release_machine, while_the_old_release_drains_a_roll_back_is_one_change_of_route) {
  driven d;
  d.deploy(0);
  d.m.plan(0);
  d.give({input::deploy, input::started, input::healthy, input::warmed, input::saved, input::routed});
  EXPECT_EQ(d.give(input::rollback), "end go_back tell:rolled_back tell:active save");
  EXPECT_EQ(d.m.to_save().active, 1U);
}

}  // namespace
}  // namespace osvm::test
