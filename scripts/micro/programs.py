"""Programs that gain nothing: what each does is the same every time, in about a second, and most of it is computing."""

import os
from dataclasses import dataclass

import build

HERE = os.path.dirname(os.path.realpath(__file__))


@dataclass(frozen=True)
class Program:
    needed: build.Needed
    script: str  # for sh, with the directory of this file as $1

    def command(self) -> list:
        return ["/bin/sh", "-ec", self.script, "sh", HERE]


def of(package: str, command: str, script: str) -> Program:
    return Program(build.Needed(package, build.command(command)), script)


PROGRAMS = {
    "sqlite": of("sqlite3", "sqlite3", """sqlite3 -batch -init /dev/null :memory: "
        create table account (id integer primary key, owner text, balance integer, note text);
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000)
        insert into account select i, printf('owner %08x', i * 2654435761 % 4294967296), i, hex(zeroblob(i % 40)) from n;
        create index account_owner on account (owner);
        select sum(balance), count(distinct note) from account;
        select length(group_concat(owner, ';')) from (select owner from account order by note, owner);
        update account set balance = balance + 1 where id % 3 = 0; delete from account where id % 5 = 0; vacuum;" """),
    "python": of("python3", "python3", """exec /usr/bin/python3 -c "
import json, pickle, re
rows = [{'id': i, 'owner': 'owner %08x' % (i * 2654435761 % 2**32), 'tags': list(range(i % 9))} for i in range(30000)]
for _ in range(4):
    assert json.loads(json.dumps(rows)) == rows
    assert pickle.loads(pickle.dumps(rows)) == rows
text = ' '.join(row['owner'] for row in rows)
assert len(re.sub('[0-9]+', 'n', text)) > 0 and len(sorted(text.split())) == 60000" """),
    "g++": of("g++", "g++", """printf '%s\\n' '#include <map>' '#include <string>' '#include <iostream>' 'int main() {' \
        'std::map<std::string, int> m; m["ab"] = 1; std::cout << m["ab"]; }' | g++ -O1 -x c++ -S -o /dev/null -"""),
    "git": of("git", "git", """cd "$1" && git log -p --stat -M -C -n 60 | git patch-id && git grep -c -E 'a.*b.*c'"""),
    "sort": of("coreutils", "sort", """export LC_ALL=C
        seq 1 400000 | awk '{ print $1 * 7919 % 1000003, $1 }' | sort -k 2,2r | sort -n"""),
    "xz": of("xz-utils", "xz", """seq 1 400000 | xz -5 -T 1 | xz -d"""),
    "node": of("nodejs", "node", """exec node -e "
const rows = Array.from({length: 60000}, (_, i) => ({id: i, owner: 'owner ' + i * 7919 % 100003, tags: [i % 9]}));
let n = 0;
for (let i = 0; i < 6; i++) n += JSON.parse(JSON.stringify(rows)).sort((a, b) => a.owner < b.owner ? -1 : 1).length;
if (n !== 360000) process.exit(1);" """),
}
