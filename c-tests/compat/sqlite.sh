# sqlite3: a large transaction mix in WAL mode, from two connections at once at the end.
source "${BASH_SOURCE[0]%/*}/common.sh"

version() { sqlite3 --version | cut -d' ' -f1; }

sqlite() { tracked sqlite3 -batch -bail -init /dev/null "$@" 2>&1; }

run() {
    local i rows=$((120000 * SCALE))
    sqlite work.db <<SQL
pragma journal_mode = wal;
pragma cache_size = -65536;
pragma mmap_size = 67108864;
create table account (id integer primary key, owner text, balance integer, note text);
create table entry (id integer primary key, account integer references account, amount integer, body blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < $rows)
insert into account select i, printf('owner %08x', i * 2654435761 % 4294967296), 1000, hex(zeroblob(i % 40)) from n;
create index account_owner on account (owner);
create virtual table words using fts5(text);
insert into words select owner || ' ' || note from account where id % 20 = 0;
select count(*) from words where words match '00*';
select sum(balance) from account;
SQL
    # Transactions of every kind, one after the other in one process: kept, rolled back, to a savepoint, big blobs.
    for ((i = 1; i <= 120; i++)); do
        cat <<SQL
begin;
update account set balance = balance - $i where id between $((i * 97)) and $((i * 97 + 400));
update account set balance = balance + $i where id between $((i * 89)) and $((i * 89 + 400));
insert into entry (account, amount, body) select id, $i, zeroblob(id % 30000) from account where id % 997 = $i % 997;
savepoint inner;
delete from account where id % 7 = $((i % 7)) and id < 3000;
$([ $((i % 2)) -eq 0 ] && echo "rollback to inner;" || echo "insert into account select id + 10000000, owner, balance, $i from account where id = $i; rollback to inner;")
release inner;
$([ $((i % 5)) -eq 0 ] && echo "rollback;" || echo "commit;")
SQL
    done >mix.sql
    sqlite work.db ".read mix.sql"
    sqlite work.db <<'SQL'
select sum(balance), count(*) from account;
select count(*), sum(amount), sum(length(body)) from entry;
select account % 10, count(*), avg(amount) over (order by account % 10) from entry group by 1;
select length(group_concat(owner, ';')) from account;
select json_group_array(id) from (select id from account order by owner limit 20);
select id, lag(balance, 3) over (order by owner) from account order by owner desc limit 5;
insert into entry (body) values (zeroblob(50000000));
select max(length(body)) from entry;
create table copy as select * from account order by owner;
drop table entry;
vacuum;
pragma integrity_check;
pragma wal_checkpoint(truncate);
SQL
    sqlite work.db .dump | digest
    # Two writers wait for each other.
    local writers=()
    for i in 1 2; do
        {
            echo ".timeout 60000"
            for _ in {1..200}; do
                echo 'begin immediate; update account set balance = balance + 1 where id < 500; commit;'
            done
        } | sqlite work.db >/dev/null &
        writers+=($!)
    done
    for i in "${writers[@]}"; do wait "$i"; done
    sqlite work.db 'select sum(balance) from account where id < 500; pragma integrity_check;'
}

"$@"
