# node: buffers, compression, hashes, workers with shared and transferred memory, child processes, a server, WebAssembly.
source "${BASH_SOURCE[0]%/*}/common.sh"

version() { node --version | tr -d v; }

run() { tracked node "$here/node.js" "$SCALE"; }

"$@"
