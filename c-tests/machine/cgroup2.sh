# A memory cgroup of version 2 that allows 1.3 times one proof.
root=/sys/fs/cgroup
mount -t cgroup2 cgroup $root
set_to +memory $root/cgroup.subtree_control

set_limit() { set_to $(($1 << 20)) "$group/memory.max"; }

# make_group NAME MEBIBYTES: a group with that limit, and the words in front of a program that put it there.
make_group() {
    group=$root/$1
    mkdir "$group"
    set_limit "$2"
    inside="inside $group"
}
kills() { awk '$1 == "oom_kill" { print $2 }' "$group/memory.events"; }

. /machine/proofs.sh
