# Shared by the programs of scripts/compat, which runs each `NAME.sh` in an empty directory: `version` prints one line,
# `run` does the work. What `run` prints must be the same with and without the library; what may differ (times, process
# ids, order) it checks itself and prints a verdict instead. It fails on the first thing that goes wrong.
#   SCALE       how often, or how much: 1 at CI length
#   TRACKED     file of the processes that must have used the library: each must leave statistics behind
#   WITH_LIBRARY  1 under preload, else 0
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export TZ=UTC HOME=$PWD

die() {
    echo "$1" >&2
    exit 1
}

# tracked COMMAND...: runs it as a process that must have used the library.
tracked() {
    (
        echo "$BASHPID" >>"$TRACKED"
        exec "$@"
    )
}

# loaded PID: the library is in this process with preload, and is not without. From then on it is tracked.
loaded() {
    local found=0
    if grep -q libzkalloc.so "/proc/$1/maps"; then found=1; fi
    [ "$found" -eq "$WITH_LIBRARY" ] || die "process $1: library loaded $found, expected $WITH_LIBRARY"
    echo "$1" >>"$TRACKED"
}

# until_true SECONDS COMMAND...: waits for a server.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || die "not true in time: $*"
        sleep 0.1
    done
}

# A port that nobody listens on now.
free_port() {
    local port
    for port in $(shuf -i 20000-32000 -n 50); do
        if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    die "no free port"
}

# digest: of standard input.
digest() { sha256sum | cut -d' ' -f1; }
