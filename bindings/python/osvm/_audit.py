"""Audits of the Rust source of Solana programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import _osvm

__all__ = ["AuditReport", "Evidence", "Finding", "audit", "audit_checks"]


@dataclass(frozen=True)
class Evidence:
    """A check that was seen, or another place that a finding rests on."""

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Finding:
    """Lines count from 1; ``fingerprint`` survives moved lines and files."""

    check: str
    severity: str  # "info", "low", "medium", "high" or "critical"
    confidence: str  # "heuristic", "strong" or "proof"
    program: str
    instruction: str
    account: str
    message: str
    fix: str
    file: str
    line: int
    excerpt: str
    evidence: tuple[Evidence, ...]
    fingerprint: str
    suppressed: bool
    reason: str | None


@dataclass(frozen=True)
class AuditReport:
    findings: tuple[Finding, ...]
    files: int
    sloc: int
    unparsed: tuple[str, ...]  # files that could not be read wholly
    json: str  # everything, as ``osvm audit --format json`` prints it


def _finding(f: dict[str, Any]) -> Finding:
    evidence = tuple(Evidence(e["location"]["file"], e["location"]["line"], e["text"]) for e in f["evidence"])
    return Finding(
        check=f["check"],
        severity=f["severity"],
        confidence=f["confidence"],
        program=f["program"],
        instruction=f["instruction"],
        account=f["account"],
        message=f["message"],
        fix=f["fix"],
        file=f["location"]["file"],
        line=f["location"]["line"],
        excerpt=f["excerpt"],
        evidence=evidence,
        fingerprint=f["fingerprint"],
        suppressed=f["suppressed"],
        reason=f.get("reason"),
    )


def audit(
    path: str | os.PathLike[str],
    *,
    checks: Iterable[str] = (),
    own_checks: Iterable[Mapping[str, Any]] = (),
    threads: int = 2,
) -> AuditReport:
    """Audits the folder or file at ``path``: reads files, and builds, runs and downloads nothing.

    ``checks`` are ids or names; without them all are made. ``own_checks`` are checks of your
    own as data: ``{"id": "ACME-1", "title": ..., "severity": "high", "when": {"type": "UncheckedAccount*", "writable":
    True, "bound": False}}`` (docs/guides/audit-in-ci.md). Raises ``osvm.Error`` when nothing could be looked at.
    """
    own = [dict(c) for c in own_checks]
    text = _osvm.audit(os.fspath(path), list(checks), threads, json.dumps({"checks": own}) if own else "")
    raw = json.loads(text)
    return AuditReport(
        findings=tuple(_finding(f) for f in raw["findings"]),
        files=raw["files"],
        sloc=raw["sloc"],
        unparsed=tuple(u["file"] for u in raw["unparsed"]),
        json=text,
    )


def audit_checks() -> list[dict[str, Any]]:
    """Each with ``id``, ``name``, ``title``, ``cwe``, ``severity``, ``confidence``, ``rationale`` and ``fix``."""
    checks: list[dict[str, Any]] = json.loads(_osvm.audit_checks())
    return checks
