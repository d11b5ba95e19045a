#!/usr/bin/python3
"""Transactions that we build and sign, beside what solders makes of the same orders: equal byte for byte.

  solders_peer_test.py DRIVER VENV LOCK

Installs LOCK into VENV once. Exit status 77: no registry, or no wheel for this Python.
"""
import base64
import json
import random
import subprocess
import sys

from solders_venv import enter_venv


def main():
    driver, venv, lock = sys.argv[1:4]
    enter_venv(venv, lock)

    from solders import compute_budget, system_program
    from solders.address_lookup_table_account import AddressLookupTableAccount
    from solders.hash import Hash
    from solders.instruction import AccountMeta, Instruction
    from solders.keypair import Keypair
    from solders.message import Message, MessageV0, MessageV1, TransactionConfig
    from solders.pubkey import Pubkey
    from solders.transaction import Transaction, VersionedTransaction

    dice = random.Random(20261122)
    encode = lambda b: base64.b64encode(bytes(b)).decode()
    some_key = lambda: Pubkey(dice.randbytes(32))

    def named_instruction(keys, signers):
        kind = dice.choice(["transfer", "create", "advance", "initialize", "authorize", "withdraw", "limit", "price"])
        one = lambda: dice.choice(keys)
        who = lambda: dice.choice(signers)
        n = dice.choice([0, 1, 5000, dice.getrandbits(32), dice.getrandbits(63)])
        if kind == "transfer":
            a, b = who(), one()
            return ({"kind": kind, "from": str(a), "to": str(b), "lamports": n},
                    system_program.transfer({"from_pubkey": a, "to_pubkey": b, "lamports": n}))
        if kind == "create":
            a, b, owner, space = who(), who(), one(), dice.randrange(10000)
            return ({"kind": kind, "from": str(a), "address": str(b), "lamports": n, "space": space,
                     "owner": str(owner)},
                    system_program.create_account({"from_pubkey": a, "to_pubkey": b, "lamports": n, "space": space,
                                                   "owner": owner}))
        if kind == "advance":
            a, b = one(), who()
            return ({"kind": kind, "nonce": str(a), "authority": str(b)},
                    system_program.advance_nonce_account({"nonce_pubkey": a, "authorized_pubkey": b}))
        if kind == "initialize":
            a, b = one(), one()
            return ({"kind": kind, "nonce": str(a), "authority": str(b)},
                    system_program.initialize_nonce_account({"nonce_pubkey": a, "authority": b}))
        if kind == "authorize":
            a, b, c = one(), who(), one()
            return ({"kind": kind, "nonce": str(a), "authority": str(b), "next": str(c)},
                    system_program.authorize_nonce_account({"nonce_pubkey": a, "authorized_pubkey": b,
                                                            "new_authority": c}))
        if kind == "withdraw":
            a, b, c = one(), who(), one()
            return ({"kind": kind, "nonce": str(a), "authority": str(b), "to": str(c), "lamports": n},
                    system_program.withdraw_nonce_account({"nonce_pubkey": a, "authorized_pubkey": b, "to_pubkey": c,
                                                           "lamports": n}))
        if kind == "limit":
            units = dice.getrandbits(32)
            return {"kind": kind, "units": units}, compute_budget.set_compute_unit_limit(units)
        return {"kind": kind, "price": n}, compute_budget.set_compute_unit_price(n)

    def free_instruction(keys, signers):
        program, data = dice.choice(keys), dice.randbytes(dice.randrange(20))
        accounts = []
        for _ in range(dice.randrange(6)):
            key = dice.choice(keys + signers)
            accounts.append((key, key in signers and dice.random() < 0.7, dice.random() < 0.5))
        return ({"kind": "free", "program": str(program), "data": encode(data),
                 "accounts": [[str(k), s, w] for k, s, w in accounts]},
                Instruction(program, data, [AccountMeta(k, s, w) for k, s, w in accounts]))

    orders, expected = [], []
    while len(orders) < 2000:
        pairs = [Keypair.from_seed(dice.randbytes(32)) for _ in range(dice.randrange(1, 4))]
        signers = [p.pubkey() for p in pairs]
        keys = [some_key() for _ in range(dice.randrange(1, 9))]
        made = [dice.choice([named_instruction, free_instruction])(keys, signers)
                for _ in range(dice.randrange(1, 5))]
        version = dice.choices([0, 1, 2], [30, 45, 25])[0]  # legacy, v0, v1
        v0 = version == 1
        blockhash = Hash(dice.randbytes(32))
        order = {"payer": str(signers[0]), "version": version, "instructions": [m[0] for m in made], "tables": [],
                 "blockhash": str(blockhash), "seeds": [encode(bytes(p)[:32]) for p in pairs]}
        instructions, tables, config = [m[1] for m in made], [], {}
        if version == 2:
            words = {"priority_fee": dice.getrandbits(63), "compute_unit_limit": dice.getrandbits(32),
                     "loaded_accounts_data_size_limit": dice.getrandbits(32),
                     "heap_size": 1024 * dice.randrange(32, 257)}
            config = order["config"] = {k: v for k, v in words.items() if dice.random() < 0.5}
        if v0:
            for _ in range(dice.randrange(3)):
                entries = dice.sample(keys, dice.randrange(1, len(keys) + 1)) + [some_key()]
                dice.shuffle(entries)
                tables.append(AddressLookupTableAccount(some_key(), entries))
            order["tables"] = [{"address": str(t.key), "entries": [str(e) for e in t.addresses]} for t in tables]
        if dice.random() < 0.3:  # a durable nonce, which goes first
            account, authority = dice.choice(keys), dice.choice(signers)
            data = (1).to_bytes(4, "little") * 2 + bytes(authority) + bytes(blockhash) + (5000).to_bytes(8, "little")
            order["nonce"] = {"account": str(account), "data": encode(data)}
            order["blockhash"] = str(Hash.default())
            if version or dice.random() < 0.5:
                instructions.insert(0, system_program.advance_nonce_account(
                    {"nonce_pubkey": account, "authorized_pubkey": authority}))
                legacy = lambda: Message.new_with_blockhash(instructions, signers[0], blockhash)
            else:
                legacy = lambda: with_nonce(Message.new_with_nonce(instructions, signers[0], account, authority))

                def with_nonce(m):
                    return Message.new_with_compiled_instructions(
                        m.header.num_required_signatures, m.header.num_readonly_signed_accounts,
                        m.header.num_readonly_unsigned_accounts, m.account_keys, blockhash, m.instructions)
        else:
            legacy = lambda: Message.new_with_blockhash(instructions, signers[0], blockhash)
        if version == 2:
            message = MessageV1.try_compile(signers[0], instructions, blockhash, TransactionConfig(**config))
        else:
            message = MessageV0.try_compile(signers[0], instructions, tables, blockhash) if v0 else legacy()
        wanted = message.account_keys[:message.header.num_required_signatures]
        by_key = {p.pubkey(): p for p in pairs}
        wire = bytes(VersionedTransaction(message, [by_key[k] for k in wanted]))
        if len(wire) > (4096 if version == 2 else 1232):
            continue
        if version == 0:
            assert wire == bytes(Transaction([by_key[k] for k in wanted], message, blockhash))
        orders.append(order)
        expected.append(encode(wire))

    done = subprocess.run([driver], input="".join(json.dumps(o) + "\n" for o in orders), capture_output=True, text=True,
                          timeout=120, check=True)
    got = done.stdout.splitlines()
    wrong = [i for i, (a, b) in enumerate(zip(got, expected)) if a != b]
    for i in wrong[:5]:
        print(json.dumps(orders[i], indent=1), "\nours:   ", got[i], "\nsolders:", expected[i])
    with_nonces = sum("nonce" in o for o in orders)
    with_tables = sum(bool(o["tables"]) for o in orders)
    of_v1 = sum(o["version"] == 2 for o in orders)
    print(f"{len(orders)} transactions ({with_nonces} with a nonce, {with_tables} with tables, {of_v1} of version 1): "
          f"{len(wrong)} differ")
    sys.exit(1 if wrong or len(got) != len(orders) else 0)


main()
