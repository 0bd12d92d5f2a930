# Buffers over the threshold, threads, a child process, pickling.
import hashlib
import json
import pickle
import subprocess
import sys
import threading

blocks = [bytes([i % 256]) * (5 << 20) for i in range(4)]
print(hashlib.sha256(b"".join(blocks)).hexdigest())
grown = bytearray()
for i in range(200):
    grown += bytes([i]) * 30_000
print(len(grown), hashlib.md5(grown).hexdigest())
table = {f"key{i}": list(range(i % 50)) for i in range(30_000)}
assert json.loads(json.dumps(table)) == table and pickle.loads(pickle.dumps(table)) == table
results = [0] * 4


def work(number):
    results[number] = sum(len(str(n) * 5000) for n in range(number, 400))


threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(results)
child = subprocess.run([sys.executable, "-c", "print(len('c' * 3_000_000))"], capture_output=True, text=True)
print(child.stdout, child.returncode)
del blocks, grown, table
sys.exit(5)
