# Huge pages as the machine is set, and as ZK_ALLOC_THP is.
# system ZK_ALLOC_THP large blocks, medium blocks
while read -r system wish large medium; do
    set_to "$system" /sys/kernel/mm/transparent_hugepage/enabled
    expect 0 "large $large, medium $medium" "ZK_ALLOC_THP=$wish" machine pages
    expect 0 '' "ZK_ALLOC_THP=$wish" limits huge
    expect 0 '' "ZK_ALLOC_THP=$wish" limits busy
done <<EOF
always  auto   huge  small
always  always huge  huge
always  never  small small
madvise auto   huge  small
madvise always huge  huge
madvise never  small small
never   auto   small small
never   always small small
never   never  small small
EOF
