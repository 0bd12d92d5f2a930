// What scripts/compat has node do: everything printed is deterministic.
"use strict";
const crypto = require("crypto");
const http = require("http");
const zlib = require("zlib");
const { fork } = require("child_process");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");

const sha = (data) => crypto.createHash("sha256").update(data).digest("hex").slice(0, 16);

function noise(bytes, seed) {
    const buffer = Buffer.allocUnsafe(bytes);
    let state = seed >>> 0 || 1;
    for (let i = 0; i < bytes; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        buffer[i] = state & 63;
    }
    return buffer;
}

function churn(seed) {
    // Buffers of every magnitude, some kept for long: what they hold must stay.
    const kept = new Map();
    let state = seed;
    for (let i = 0; i < 4000; i++) {
        state = (state * 1103515245 + 12345) & 0x7fffffff;
        const bytes = 1 << (state % 20);
        kept.set(i % 200, Buffer.alloc(bytes, i & 255));
        const other = kept.get(state % 200);
        if (other && (other[0] !== other[other.length - 1])) throw new Error("a buffer was overwritten");
    }
    return [...kept.values()].reduce((sum, buffer) => sum + buffer.length + buffer[0], 0);
}

async function main(scale) {
    for (const bytes of [1000, 100000, 10000000]) {
        const data = noise(bytes, bytes);
        const packed = zlib.gzipSync(data);
        const brotli = zlib.brotliCompressSync(data, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } });
        console.log(bytes, sha(packed), sha(brotli), zlib.gunzipSync(packed).equals(data),
            zlib.brotliDecompressSync(brotli).equals(data));
    }
    const key = crypto.scryptSync("password", "salt", 32, { N: 16384, r: 8, p: 1 });
    console.log(sha(key), sha(crypto.pbkdf2Sync("a", "b", 20000, 64, "sha512")));
    const tree = Array.from({ length: 200000 }, (_, i) => ({ id: i, name: "item" + i, list: [i, i * 2] }));
    const text = JSON.stringify(tree);
    console.log(text.length, sha(text), sha(JSON.stringify(structuredClone(JSON.parse(text)))));
    console.log(sha(text.repeat(3).split(",").reverse().join(";")));

    const workers = Array.from({ length: 4 * scale }, (_, i) => new Promise((resolve, reject) => {
        const shared = new SharedArrayBuffer(1 << 20);
        const worker = new Worker(__filename, { workerData: { seed: i + 1, shared } });
        worker.on("message", ({ sum, buffer }) => resolve([sum, sha(Buffer.from(buffer)), new Uint8Array(shared)[99]]));
        worker.on("error", reject);
    }));
    console.log(JSON.stringify(await Promise.all(workers)));

    const children = Array.from({ length: 3 }, (_, i) => new Promise((resolve, reject) => {
        const child = fork(__filename, ["child", String(i)]);
        child.on("message", resolve);
        child.on("exit", (code) => code && reject(new Error("child " + code)));
    }));
    console.log(JSON.stringify(await Promise.all(children)));

    const server = http.createServer((request, response) => {
        const parts = [];
        request.on("data", (part) => parts.push(part));
        request.on("end", () => response.end(zlib.deflateSync(Buffer.concat(parts))));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = "http://127.0.0.1:" + server.address().port;
    const answers = await Promise.all(Array.from({ length: 200 * scale }, async (_, i) => {
        const body = noise(1000 * (i % 50) + 1, i + 1);
        const answer = await fetch(url, { method: "POST", body });
        return zlib.inflateSync(Buffer.from(await answer.arrayBuffer())).equals(body);
    }));
    console.log("answers", answers.filter(Boolean).length);
    server.closeAllConnections();
    server.close();

    // A module with one page of memory that grows by 200.
    const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 109, 2, 0]);
    const memory = (await WebAssembly.instantiate(wasm)).instance.exports.m;
    for (let i = 0; i < 200; i++) memory.grow(1);
    console.log("memory", memory.buffer.byteLength, new Uint8Array(memory.buffer).every((byte) => byte === 0));
    console.log("churn", churn(42));
}

if (!isMainThread) {
    const buffer = noise(2000000, workerData.seed).buffer.slice(0);
    new Uint8Array(workerData.shared)[99] = workerData.seed;
    const sum = churn(workerData.seed);
    parentPort.postMessage({ sum, buffer }, [buffer]);
} else if (process.argv[2] === "child") {
    process.send(churn(Number(process.argv[3])), () => process.disconnect());
} else {
    main(Number(process.argv[2])).catch((error) => {
        console.error(error);
        process.exit(1);
    });
}
