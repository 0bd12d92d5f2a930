# PostgreSQL: initdb, pgbench with its books balanced, big sorts, parallel and compiled queries, dump and recovery.
# Its server refuses to run as root: then it runs as the user `postgres` of the package.
source "${BASH_SOURCE[0]%/*}/common.sh"
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -n 1)

version() { "$bin/postgres" --version | awk '{ print $3 }'; }

as_user=()
if [ "$(id -u)" -eq 0 ]; then as_user=(setpriv --reuid postgres --regid postgres --init-groups); fi

start() {
    # In our process group, unlike pg_ctl's: nothing outlives a time-out.
    "${as_user[@]}" "$bin/postgres" -D "$PWD/data" >>postgres.log 2>&1 &
    server=$!
    until_true 60 "$bin/pg_isready" -q -h "$PWD/socket"
    loaded "$server"
}

# stop SIGNAL
stop() {
    kill "-$1" "$server"
    wait "$server" || die "the server ended with status $?: $(tail -n 5 postgres.log)"
}

sql() { tracked "${as_user[@]}" "$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$PWD/socket" -d postgres "$@"; }

bench() {
    "${as_user[@]}" "$bin/pgbench" -h "$PWD/socket" "$@" postgres >>pgbench.log 2>&1 ||
        die "pgbench: $(tail -n 5 pgbench.log)"
}

run() {
    mkdir data socket
    if [ "$(id -u)" -eq 0 ]; then chown postgres data socket .; fi
    tracked "${as_user[@]}" "$bin/initdb" -D "$PWD/data" --auth=trust --username=postgres --locale=C --encoding=UTF8 \
        >initdb.log 2>&1 || die "initdb: $(tail -n 5 initdb.log)"
    cat >>data/postgresql.conf <<CONF
listen_addresses = ''
unix_socket_directories = '$PWD/socket'
fsync = off
shared_buffers = 128MB
work_mem = 128MB
max_parallel_workers_per_gather = 2
CONF
    start
    [ "$(id -u)" -ne 0 ] || as_user+=(env PGUSER=postgres)
    export PGUSER=postgres
    bench -i -s 3
    bench -c 8 -j 2 -t $((200 * SCALE))
    bench -c 4 -j 2 -t $((200 * SCALE)) -M prepared
    bench -c 4 -j 2 -t $((50 * SCALE)) -C -S
    grep -o 'number of transactions actually processed: .*' pgbench.log
    sql <<'SQL'
-- pgbench's own invariant: every book has the same sum.
select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history),
       (select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history),
       (select sum(tbalance) from pgbench_tellers) = (select sum(delta) from pgbench_history);
create table big as select i, md5(i::text) as hash, repeat(md5(i::text), 40) as text from generate_series(1, 150000) i;
analyze big;
select md5(string_agg(hash, ',' order by hash desc)) from big;
select count(*), sum(length(text)) from big a join (select hash from big where i % 3 = 0) b using (hash);
set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
select count(distinct left(hash, 3)), max(text) = repeat(max(hash), 40) from big;
set jit = on; set jit_above_cost = 0; set jit_optimize_above_cost = 0; set jit_inline_above_cost = 0;
select sum(case when i % 7 = 0 then length(text) * 2 else i end), avg(i) from big where hash like '%a%';
create index on big using gin (to_tsvector('simple', hash));
select jsonb_array_length(jsonb_agg(to_jsonb(big))) from big where i <= 20000;
do $$ begin for i in 1..200 loop begin insert into big values (i, 'x', repeat('y', 100000));
  if i % 2 = 0 then raise exception 'undo'; end if; exception when raise_exception then null; end; end loop; end $$;
select count(*) from big where hash = 'x';
SQL
    # Its first and last command hold a random word.
    tracked "${as_user[@]}" "$bin/pg_dump" -h "$PWD/socket" -t big postgres | grep -v -E '^.(un)?restrict ' | digest
    # A crash of the whole server, and recovery.
    sql -c 'create table after_crash as select generate_series(1, 1000) i' -c 'update big set hash = upper(hash)'
    # Without its statistics: it dies at once.
    kill -QUIT "$server"
    wait "$server" || true
    sed -i "/^$server\$/d" "$TRACKED"
    start
    sql -c "select count(*) from after_crash" -c "select md5(string_agg(hash, ',' order by i, hash)) from big"
    stop INT
    if grep -E 'PANIC|was terminated by signal' postgres.log >&2; then die "a server process died"; fi
}

"$@"
