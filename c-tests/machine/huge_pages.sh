# Huge pages as the machine is set, and as ZK_ALLOC_THP is.
# system ZK_ALLOC_THP large blocks, spans with little in them, spans that a thread fills one after the other
while read -r system wish large few many; do
    set_to "$system" /sys/kernel/mm/transparent_hugepage/enabled
    expect 0 "large $large, few medium $few, many medium $many" "ZK_ALLOC_THP=$wish" machine pages
    expect 0 '' "ZK_ALLOC_THP=$wish" limits huge
    expect 0 '' "ZK_ALLOC_THP=$wish" limits busy
done <<EOF
always  auto   huge  small huge
always  always huge  huge  huge
always  never  small small small
madvise auto   huge  small huge
madvise always huge  huge  huge
madvise never  small small small
never   auto   small small small
never   always small small small
never   never  small small small
EOF
