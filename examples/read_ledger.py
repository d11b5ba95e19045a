"""Lists a ledger's blocks and who paid for their transactions. Argument: a validator's ledger folder."""

import sys

import osvm


def main() -> None:
    ledger = osvm.Ledger(sys.argv[1])
    for slot, block in ledger.blocks(encoding="jsonParsed", details="accounts"):
        print(f"slot {slot}: {len(block['transactions'])} transactions")
        for entry in block["transactions"]:
            payer = entry["transaction"]["accountKeys"][0]["pubkey"]
            print(f"  {payer} paid {entry['meta']['fee']} lamports")


if __name__ == "__main__":
    main()
