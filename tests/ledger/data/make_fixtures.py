#!/usr/bin/env python3
"""Makes the small databases of format_version 6 beside this file, with a newer RocksDB than Debian 12 has.

    python3 -m venv v && v/bin/pip install rocksdict==0.3.29 && v/bin/python make_fixtures.py

Row i of 400 is key-%04d -> "value <i> " and i % 90 times 'x'; every seventh row is deleted afterwards.
"""
import pathlib
import shutil

from rocksdict import (BlockBasedIndexType, BlockBasedOptions, ChecksumType, DBCompressionType, FlushOptions, Options,
                       Rdict)

HERE = pathlib.Path(__file__).parent
KEEP = ("CURRENT", "MANIFEST", ".sst", ".log")


def make(name, version, compression, checksum, index=None):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    table = BlockBasedOptions()
    table.set_format_version(version)
    table.set_checksum_type(checksum)
    table.set_block_size(1024)
    table.set_metadata_block_size(128)
    if index is not None:
        table.set_index_type(index)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_compression_type(compression)
    options.set_block_based_table_factory(table)
    db = Rdict(str(folder), options)
    for i in range(400):
        db[b"key-%04d" % i] = b"value %d " % i + b"x" * (i % 90)
        if i == 300:
            db.flush()
    for i in range(0, 400, 7):
        del db[b"key-%04d" % i]
    db.delete_range(b"key-0500", b"key-0600")
    db.close()
    for f in folder.iterdir():
        if not (f.name.startswith(KEEP[:2]) or f.suffix in KEEP[2:]):
            f.unlink() if f.is_file() else shutil.rmtree(f)


for v in (6,):
    make(f"format{v}-plain", v, DBCompressionType.none(), ChecksumType.xxh3())
    make(f"format{v}-zstd", v, DBCompressionType.zstd(), ChecksumType.crc32c())
    make(f"format{v}-lz4-partitioned", v, DBCompressionType.lz4(), ChecksumType.xxh3(),
         BlockBasedIndexType.two_level_index_search())
    make(f"format{v}-xxhash64", v, DBCompressionType.none(), ChecksumType.xxhash64())
    make(f"format{v}-snappy", v, DBCompressionType.snappy(), ChecksumType.xxh3())
