"""Audits of Solana programs."""

import json
from pathlib import Path

import osvm
import pytest

pytestmark = pytest.mark.unit

PROGRAM = """
use anchor_lang::prelude::*;
#[program]
pub mod vault {
    use super::*;
    pub fn set(ctx: Context<Set>, value: u64) -> Result<()> {
        ctx.accounts.state.value = value;
        Ok(())
    }
}
#[derive(Accounts)]
pub struct Set<'info> {
    #[account(mut, has_one = authority)]
    pub state: Account<'info, State>,
    pub authority: %s<'info>,
}
#[account]
pub struct State {
    pub authority: Pubkey,
    pub value: u64,
}
"""


def audited(folder: Path, kind: str, checks: tuple[str, ...] = ()) -> osvm.AuditReport:
    (folder / "lib.rs").write_text(PROGRAM % kind)
    try:
        return osvm.audit(folder, checks=checks)
    except osvm.Error as e:
        if e.code == osvm.Errc.UNSUPPORTED:
            pytest.skip("NOT APPLICABLE: this build has no Rust grammar")
        raise


def test_findings_and_their_absence(tmp_path: Path) -> None:
    report = audited(tmp_path, "UncheckedAccount")
    finding = next(f for f in report.findings if f.check == "OSVM-A01")
    assert (finding.severity, finding.file, finding.account) == ("high", "lib.rs", "authority")
    assert finding.line > 1 and finding.evidence and finding.fix and not finding.suppressed
    assert json.loads(report.json)["files"] == report.files == 1
    assert not audited(tmp_path, "Signer").findings
    assert not audited(tmp_path, "UncheckedAccount", checks=("OSVM-A03",)).findings


def test_what_is_refused(tmp_path: Path) -> None:
    audited(tmp_path, "Signer")
    with pytest.raises(osvm.Error):
        osvm.audit(tmp_path / "missing")
    with pytest.raises(osvm.Error):
        osvm.audit(tmp_path, checks=["no-such-check"])


def test_checks_describe_themselves() -> None:
    ids = {c["id"] for c in osvm.audit_checks()}
    assert {"OSVM-A01", "OSVM-D01"} <= ids


def test_own_checks_are_data(tmp_path: Path) -> None:
    rule = {"id": "ACME-1", "title": "raw account", "severity": "low", "when": {"type": "UncheckedAccount*"}}
    audited(tmp_path, "UncheckedAccount")
    report = osvm.audit(tmp_path, own_checks=[rule])
    assert [(f.account, f.line) for f in report.findings if f.check == "ACME-1"] == [("authority", 15)]
    assert not [f for f in osvm.audit(tmp_path).findings if f.check == "ACME-1"]
    with pytest.raises(osvm.Error):
        osvm.audit(tmp_path, own_checks=[{**rule, "when": {"singer": True}}])
