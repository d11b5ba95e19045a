// @solana/kit's own client against our server: node client.mjs ADDRESS. Says "grow" when the ledger shall grow.
import assert from 'node:assert/strict';
import {
  createSolanaRpc, createSolanaRpcSubscriptions, getBase64Encoder, getCompiledTransactionMessageDecoder,
  getTransactionDecoder, isSolanaError, SOLANA_ERROR__JSON_RPC__METHOD_NOT_FOUND,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_BLOCK_NOT_AVAILABLE,
} from '@solana/kit';

const address = process.argv[2];
const rpc = createSolanaRpc(`http://${address}`);
const subscriptions = createSolanaRpcSubscriptions(`ws://${address}`);
const abort = new AbortController();
const version = {maxSupportedTransactionVersion: 0};

// Reads.
assert.equal(await rpc.getSlot().send(), 3n);
assert.deepEqual(await rpc.getBlocks(0n).send(), [0n, 1n, 2n, 3n]);
assert.equal(await rpc.getBlockHeight().send(), 3n);
assert.equal(await rpc.getBlockTime(2n).send(), 1700000002n);
assert.equal(await rpc.getHealth().send(), 'ok');
assert.match((await rpc.getVersion().send())['solana-core'], /^osvm-/);
const block = await rpc.getBlock(3n, {...version, encoding: 'base64'}).send();
assert.equal(block.parentSlot, 2n);
const [wire] = block.transactions[0].transaction;
const transaction = getTransactionDecoder().decode(getBase64Encoder().encode(wire));
const message = getCompiledTransactionMessageDecoder().decode(transaction.messageBytes);
assert.equal(message.version, 0);
const [payer, recipient] = message.staticAccounts;
const parsed = await rpc.getBlock(3n, {...version, encoding: 'jsonParsed'}).send();
const {signatures, message: shown} = parsed.transactions[0].transaction;
assert.equal(shown.instructions[0].parsed.info.lamports, 3n);
assert.equal(shown.instructions[0].parsed.info.destination, recipient);
const found = await rpc.getTransaction(signatures[0], {...version, encoding: 'json'}).send();
assert.equal(found.slot, 3n);
assert.equal(found.meta.fee, 5000n);
const history = await rpc.getSignaturesForAddress(payer).send();
assert.deepEqual(history.map(row => row.slot), [3n, 2n, 1n]);
const statuses = await rpc.getSignatureStatuses([signatures[0]]).send();
assert.equal(statuses.value[0].confirmationStatus, 'finalized');

// Errors are those that kit knows.
await assert.rejects(rpc.getBlock(99n, version).send(),
  e => isSolanaError(e, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_BLOCK_NOT_AVAILABLE));
await assert.rejects(rpc.sendTransaction(wire, {encoding: 'base64'}).send(),
  e => isSolanaError(e, SOLANA_ERROR__JSON_RPC__METHOD_NOT_FOUND));

// Subscriptions.
const options = {abortSignal: abort.signal};
const slots = (await subscriptions.slotNotifications().subscribe(options))[Symbol.asyncIterator]();
const roots = (await subscriptions.rootNotifications().subscribe(options))[Symbol.asyncIterator]();
const logs = (await subscriptions.logsNotifications({mentions: [payer]}).subscribe(options))[Symbol.asyncIterator]();
const seen = (await subscriptions.signatureNotifications(signatures[0], {commitment: 'finalized'}).subscribe(options))
  [Symbol.asyncIterator]();
assert.equal((await seen.next()).value.value.err, null);
// kit keeps only what comes once somebody waits.
const waiting = [slots.next(), roots.next(), logs.next()];
console.log('grow');
const [slot, root, line] = (await Promise.all(waiting)).map(told => told.value);
assert.equal(slot.slot, 4n);
assert.equal(slot.parent, 3n);
assert.equal(root, 4n);
assert.equal(line.context.slot, 4n);
assert.equal(line.value.err, null);
abort.abort();
console.log('all good');
process.exit(0);
