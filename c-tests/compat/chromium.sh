# Chromium without a display: a page that computes, draws, compresses and starts workers; the document that results.
# It brings its own allocator, so the library is in the process and is left out: nothing may break.
source "${BASH_SOURCE[0]%/*}/common.sh"

# Not the wrapper in PATH: that is a shell, and its process not the program's.
chromium=/usr/lib/chromium/chromium-headless-shell

version() { $chromium --version 2>/dev/null | grep -o -E '[0-9.]{5,}'; }

run() {
    # Root would have to do without the sandbox: nobody has it.
    local as_user=() sandbox=()
    if [ "$(id -u)" -eq 0 ]; then
        chmod a+rwx .
        as_user=(setpriv --reuid nobody --regid nogroup --clear-groups)
    fi
    if ! "${as_user[@]}" unshare --user true 2>/dev/null; then sandbox=(--no-sandbox); fi
    echo "sandbox ${sandbox[*]:-in use}"
    [ ${#sandbox[@]} -ne 0 ] || zygote
    local round
    for ((round = 0; round < 3 * SCALE; round++)); do
        tracked "${as_user[@]}" $chromium "${sandbox[@]}" --disable-gpu --virtual-time-budget=20000 \
            --user-data-dir="$PWD/profile" --dump-dom "file://$here/page.html" >page.out 2>chromium.log ||
            die "chromium: $(tail -n 5 chromium.log)"
        grep -o '<pre.*</pre>' page.out
    done
}

# The zygote has to be single-threaded when it enters its sandbox, and forks every renderer: all of them carry the library.
zygote() {
    local first children pid found=0 leader
    echo '<p>waits' >waits.html
    "${as_user[@]}" $chromium --disable-gpu --user-data-dir="$PWD/zygote" --remote-debugging-port=0 \
        "file://$PWD/waits.html" >zygote.log 2>&1 &
    leader=$!
    until_true 60 has_renderer $leader
    for pid in $(descendants $leader); do
        if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -- '--type=\(zygote\|renderer\)'; then
            grep -q libzkalloc.so "/proc/$pid/maps" && found=1
            [ "$found" -eq "$WITH_LIBRARY" ] || die "process $pid: library loaded $found, expected $WITH_LIBRARY"
        fi
    done
    kill $leader
    wait $leader || true
    echo "zygote and renderer run"
}

descendants() {
    local child
    for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
        echo "$child"
        descendants "$child"
    done
}

has_renderer() {
    local pid
    for pid in $(descendants "$1"); do
        if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -- '--type=renderer'; then return 0; fi
    done
    return 1
}

"$@"
