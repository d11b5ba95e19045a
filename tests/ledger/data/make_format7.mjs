// Makes the databases of format_version 7 beside this file, with RocksDB 10.5 (Debian 12 has 7.8).
//
//     npm i rocksdb-native@3.18.1 && node make_format7.mjs
//
// Row i of 400 is key-%04d -> "value <i> " and i % 90 times 'x'; every seventh row is deleted afterwards.
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'

const require = createRequire(path.join(process.cwd(), 'package.json'))
const RocksDB = require('rocksdb-native')

const here = path.dirname(new URL(import.meta.url).pathname)
const key = (i) => 'key-' + String(i).padStart(4, '0')

async function make(name, options) {
  const folder = path.join(here, name)
  fs.rmSync(folder, { recursive: true, force: true })
  const columnFamily = new RocksDB.ColumnFamily('default', { tableFormatVersion: 7, tableBlockSize: 1024, ...options })
  const db = new RocksDB(folder, { columnFamily })
  await db.ready()
  const write = async (from, to, step, f) => {
    const batch = db.write({ autoDestroy: true })
    for (let i = from; i < to; i += step) f(batch, i)
    await batch.flush()
  }
  const put = (b, i) => b.tryPut(key(i), `value ${i} ` + 'x'.repeat(i % 90))
  await write(0, 301, 1, put)
  await db.flush()
  await write(301, 400, 1, put)
  await write(0, 400, 7, (b, i) => b.tryDelete(key(i)))
  await db.close()
  for (const file of fs.readdirSync(folder))
    if (!/^(CURRENT|MANIFEST.*|.*\.sst|.*\.log)$/.test(file)) fs.rmSync(path.join(folder, file), { recursive: true })
}

await make('format7-plain', { filterPolicy: null })
await make('format7-filter', {})
