// Buffers over the threshold, JSON, a worker thread, a child process.
const crypto = require('crypto');
const { execFileSync } = require('child_process');
const { Worker } = require('worker_threads');

const hash = (data) => crypto.createHash('sha256').update(data).digest('hex');
let buffers = [];
for (let i = 0; i < 30; i++) {
    buffers.push(Buffer.alloc(2_000_000, i));
}
console.log(hash(Buffer.concat(buffers)));
buffers = [];
const table = Array.from({ length: 50_000 }, (_, i) => ({ id: i, text: 'x'.repeat(i % 97) }));
console.log(hash(JSON.stringify(JSON.parse(JSON.stringify(table)))));
console.log(execFileSync(process.execPath, ['-e', 'console.log("y".repeat(2e6).length)']).toString());
const worker = new Worker(
    'require("worker_threads").parentPort.postMessage(new Uint8Array(6e6).fill(3))', { eval: true });
worker.on('message', (bytes) => console.log(bytes.length, hash(bytes)));
worker.on('exit', () => { process.exitCode = 9; });
