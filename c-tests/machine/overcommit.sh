# vm.overcommit_memory: what the kernel promises of memory that nobody has touched yet.
setting=/proc/sys/vm/overcommit_memory
# Blocks of which little is touched are many here: khugepaged would make all of each resident, in time.
set_to never /sys/kernel/mm/transparent_hugepage/enabled
for value in 0 1; do
    set_to $value $setting
    expect 0 'smaller arena' ZK_ALLOC_THP=never overflow limit 8192
    expect 0 'an arena of * GiB of addresses' ZK_ALLOC_THP=never limits narrow
done

# 2: never more than CommitLimit, here set so that so many MiB are left. What is left is the program's, but for some 16 MiB
# and what the kernel keeps back (vm.user_reserve_kbytes, some 46 MiB here) from a process with so many addresses; the less
# it is the less the arena has, and in the end there is none. In between, with less than what is kept back, requests fail
# that would be served without the library: docs/SUPPORTED.md says so, and nothing here claims otherwise.
set_to 2 $setting
while read -r mebibytes pattern; do
    committed=$(awk '/^Committed_AS:/ { print $2 }' /proc/meminfo)
    set_to $((committed + mebibytes * 1024)) /proc/sys/vm/overcommit_kbytes
    expect 0 "$pattern" ZK_ALLOC_THP=never machine commit
done <<EOF
768 an arena, *
256 an arena, *
96 an arena, *
4 zkalloc: no address space for an arena: every request goes to the next allocator*no arena, *
EOF
