-- A table, an index, a transaction that is rolled back, a big blob.
create table numbers (n integer primary key, square integer, text text);
with recursive counter(n) as (select 1 union all select n + 1 from counter where n < 60000)
insert into numbers select n, n * n, printf('%020d', n * 7919 % 60000) from counter;
create index by_text on numbers (text);
begin;
delete from numbers where n % 3 = 0;
select count(*), sum(square) from numbers;
rollback;
select count(*), sum(square) from numbers;
select n, text from numbers order by text desc limit 5;
create table blobs (b blob);
insert into blobs values (zeroblob(5000000)), (randomblob(3000000));
select length(b) from blobs;
select length(group_concat(text, ',')) from numbers;
vacuum;
pragma integrity_check;
select nothing from nowhere;
