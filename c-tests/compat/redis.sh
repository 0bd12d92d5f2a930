# Redis: its benchmark, a deterministic data set with digests, forked saves while writing, reload from both files.
source "${BASH_SOURCE[0]%/*}/common.sh"

version() { redis-server --version | sed 's/.* v=\([^ ]*\).*/\1/'; }

cli() { redis-cli -s "$PWD/redis.sock" "$@"; }

# Not while it loads its files: then the answer is an error.
ready() { [ "$(cli ping)" = PONG ]; }

start() {
    redis-server --port 0 --unixsocket "$PWD/redis.sock" --dir "$PWD" --save '' --appendonly "$1" \
        --enable-debug-command yes >>redis.log 2>&1 &
    server=$!
    until_true 30 ready
    loaded "$server"
}

stop() {
    cli shutdown "$1" >/dev/null 2>&1 || true
    wait "$server" || die "the server ended with status $?: $(tail -n 20 redis.log)"
}

saved() { [[ $(cli info persistence) == *$1_in_progress:0* ]]; }

run() {
    start yes
    awk -v n=$((40000 * SCALE)) 'BEGIN {
        text = "0123456789abcdef"; while (length(text) < 200000) text = text text
        for (i = 0; i < n; i++) {
            printf "SET string:%d %s\r\n", i, substr(text, i % 16 + 1, i % 100 == 0 ? i % 190000 + 1 : i % 300 + 1)
            printf "HSET hash:%d field%d %s\r\n", i % 500, i, substr(text, 1, i % 90 + 1)
            printf "RPUSH list:%d %s\r\n", i % 300, substr(text, 1, i % 5000 == 0 ? 70000 : i % 60 + 1)
            printf "ZADD set:%d %d member%d\r\n", i % 200, i * 7919 % 100003, i
            printf "SADD plain:%d %d\r\n", i % 200, i
            if (i % 3 == 0) printf "DEL string:%d\r\n", i - 3
            if (i % 50 == 0) printf "APPEND string:%d %s\r\n", i, substr(text, 1, 9000)
        }
    }' >commands
    cli --pipe <commands | tail -n 1
    cli dbsize
    cli debug digest
    cli eval 'local t = {} for i = 1, 100000 do t[i] = string.rep("x", i % 50) end return #table.concat(t)' 0
    cli bgsave >/dev/null
    redis-benchmark -s "$PWD/redis.sock" -q -n $((20000 * SCALE)) -c 20 -r 1000 -d 64 \
        -t set,get,incr,lpush,rpop,sadd,hset,zadd,mset >benchmark.log 2>&1 || die "$(tail -n 5 benchmark.log)"
    redis-benchmark -s "$PWD/redis.sock" -q -n $((4000 * SCALE)) -c 20 -r 200 -d 20000 --threads 2 -P 4 -t set,get,lpush \
        >>benchmark.log 2>&1 || die "$(tail -n 5 benchmark.log)"
    until_true 60 saved rdb_bgsave
    cli info persistence | grep -o 'rdb_last_bgsave_status:[a-z]*'
    cli bgrewriteaof >/dev/null
    until_true 60 saved aof_rewrite
    cli info persistence | grep -o 'aof_last_bgrewrite_status:[a-z]*'
    # The benchmark's keys are random: a digest for this server only.
    local before
    before=$(cli debug digest)
    cli debug reload
    [ "$(cli debug digest)" = "$before" ] || die "the digest differs after a reload"
    stop nosave
    start yes
    [ "$(cli debug digest)" = "$before" ] || die "the digest differs after a restart"
    cli flushall async
    cli memory purge
    stop nosave
    if grep -E 'BUG REPORT|crashed' redis.log >&2; then die "the server reports a bug"; fi
}

"$@"
