"""The sheet of a verification: the verdict, and each claim."""

from __future__ import annotations

from kvplan.answers.verify import Verification
from kvplan.report.sheet import Block, Column, Note, Sheet, Table

_MEANINGS = {
    "form": "keys and types are those of a plan",
    "seal": "nothing was changed since it was made",
    "fleet": "racks and what is excluded exist",
    "seats": "accelerators exist, are used once, and lie in the groups that are told",
    "rooms": "memory less weights and reserve is the room of every instance",
    "regions": "every region is in one place, or left over",
    "loads": "no instance holds more than its room",
    "copies": "shared prefixes are where their sequences are",
    "leftovers": "nothing that is left over would still fit its instances",
    "totals": "what lies in each tier adds up",
    "bound": "no plan needs fewer accelerators, with the memory that it counts with",
    "summary": "every figure follows from the rest",
    "workload": "it is a plan of this workload, with no more memory than its facts are sure of",
}


def verify_sheet(result: Verification) -> Sheet:
    """The sheet of one verification."""
    rows = [
        {"claim": claim.name, "holds": "yes" if claim.holds else "NO", "meaning": _MEANINGS[claim.name]}
        for claim in result.claims
    ]
    columns = (Column("claim", "claim"), Column("holds", "holds"), Column("meaning", "says"))
    failed = [claim.name for claim in result.claims if not claim.holds]
    words = f"The plan does not hold: {', '.join(failed)}." if failed else "Every claim of the plan holds."
    blocks: list[Block] = [Table("", columns, rows, is_data=True)]
    if not result.workload_checked:
        blocks.append(Note("What was asked is taken as the plan tells it; name the workload to hold it to that."))
    return Sheet(words, blocks)
