# Big and small proofs in turn, in a cgroup of either version that allows 1.3 times a big one.
proof=192
limit=$((proof * 13 / 10))
for thp in auto never; do
    make_group "proofs-$thp" $limit
    expect 0 '50 proofs' ZK_ALLOC_THP=$thp $inside machine proofs $proof 50
    equals "kills in the cgroup" 0 "$(kills)"
done

# Where pages are not conserved, that is too little.
make_group control $limit
expect 0 '4 proofs' $without=nothing $inside machine proofs $proof 4
expect 137 '*' $without=surplus $inside machine proofs $proof 50
equals "kills in the cgroup" 1 "$(kills)"

# Free memory goes back while the limit is lowered, step by step: always to a little more than is used at that moment.
make_group idle 400
env ZK_TEST_PRELOAD=1 LD_PRELOAD=/lib/libzkalloc.so ZK_ALLOC_DECAY_MS=-1 $inside machine idle 192 >/tmp/idle 2>&1 &
idle=$!
until grep -q . /tmp/idle; do sleep 0.1; done
for mebibytes in $(seq 206 -6 92); do
    [ -d /proc/$idle ] || break
    set_limit "$mebibytes"
    sleep 1
done
status=0 wanted=0 pattern='*given back'
wait $idle || status=$?
printed=$(cat /tmp/idle)
judge "machine idle 192, while the limit falls"
equals "kills in the cgroup" 0 "$(kills)"
