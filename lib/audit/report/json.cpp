#include "json.hpp"

#include <osvm/audit/audit.hpp>

namespace osvm::audit {
namespace {

void write(json_text& j, const location& l) {
  j.open('{').field("file", l.file).field("line", l.line).field("column", l.column);
  j.field("endLine", l.end_line).field("endColumn", l.end_column).close('}');
}

void write(json_text& j, const finding& f) {
  j.open('{')
      .field("check", f.check)
      .field("severity", name_of(f.severity))
      .field("confidence", name_of(f.confidence));
  j.field("program", f.program).field("instruction", f.instruction).field("account", f.account);
  j.field("message", f.message).field("fix", f.fix).key("location");
  write(j, f.where);
  j.field("excerpt", f.excerpt).key("evidence").open('[');
  for (const auto& e : f.seen) {
    j.open('{').field("text", e.text).key("location");
    write(j, e.where);
    j.close('}');
  }
  j.close(']').field("fingerprint", f.fingerprint).key("suppressed").boolean(f.suppressed);
  if (f.suppressed) j.field("reason", f.reason);
  j.close('}');
}

void write(json_text& j, const instruction_row& in) {
  j.open('{').field("name", in.name).key("location");
  write(j, in.where);
  j.key("truncated").boolean(in.truncated).key("accounts").open('[');
  for (const auto& a : in.accounts) {
    j.open('{').field("name", a.name).field("type", a.type).key("signer").boolean(a.signer);
    j.key("writable").boolean(a.writable).key("owner").boolean(a.owner).key("address").boolean(a.address);
    j.key("created").boolean(a.created).key("closed").boolean(a.closed).key("boundTo").open('[');
    for (const auto& b : a.bound_to) j.string(b);
    j.close(']').key("location");
    write(j, a.where);
    j.close('}');
  }
  j.close(']').key("calls").open('[');
  for (const auto& c : in.calls) {
    j.open('{').field("program", c.program).field("what", c.what).key("pinned").boolean(c.pinned);
    j.key("signedByProgram").boolean(c.by_program).close('}');
  }
  j.close(']').key("authorities").open('[');
  for (const auto& a : in.authorities)
    j.open('{').field("authority", a.authority).field("over", a.over).close('}');
  j.close(']').close('}');
}

}  // namespace

std::string to_json(const report& r) {
  json_text j;
  j.open('{').field("files", r.files).field("sloc", r.sloc).field("unreachedFiles", r.unreached);
  j.key("programs").open('[');
  for (const auto& p : r.programs) {
    j.open('{').field("name", p.name).field("manifest", p.manifest).field("files", p.files);
    j.field("functions", p.functions).field("instructions", p.instructions).field("accounts", p.accounts);
    j.key("anchor").boolean(p.anchor).key("truncated").boolean(p.truncated).key("matrix").open('[');
    for (const auto& in : p.rows) write(j, in);
    j.close(']').close('}');
  }
  j.close(']').key("findings").open('[');
  for (const auto& f : r.findings) write(j, f);
  j.close(']').key("unparsed").open('[');
  for (const auto& u : r.unparsed)
    j.open('{').field("file", u.file).field("why", u.why).field("line", u.line).close('}');
  j.close(']').key("unusedSuppressions").open('[');
  for (const auto& u : r.unused_suppressions) j.string(u);
  j.close(']')
      .key("madeFrom")
      .open('{')
      .field("sources", r.made_from.sources)
      .field("rules", r.made_from.rules);
  j.field("settings", r.made_from.settings).close('}').close('}');
  return j.take();
}

}  // namespace osvm::audit
