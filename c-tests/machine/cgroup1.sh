# A memory cgroup of version 1 that allows 1.3 times one proof.
root=/sys/fs/cgroup
mount -t tmpfs tmpfs $root
mkdir $root/memory
mount -t cgroup -o memory cgroup $root/memory

set_limit() { set_to $(($1 << 20)) "$group/memory.limit_in_bytes"; }
make_group() {
    group=$root/memory/$1
    mkdir "$group"
    set_limit "$2"
    inside="inside $group"
}
kills() { awk '$1 == "oom_kill" { print $2 }' "$group/memory.oom_control"; }

. /machine/proofs.sh
