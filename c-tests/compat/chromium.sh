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
    local round
    for ((round = 0; round < 3 * SCALE; round++)); do
        tracked "${as_user[@]}" $chromium "${sandbox[@]}" --disable-gpu --virtual-time-budget=20000 \
            --user-data-dir="$PWD/profile" --dump-dom "file://$here/page.html" >page.out 2>chromium.log ||
            die "chromium: $(tail -n 5 chromium.log)"
        grep -o '<pre.*</pre>' page.out
    done
}

"$@"
