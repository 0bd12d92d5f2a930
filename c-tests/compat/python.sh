# CPython's own test suite, with every object from malloc (PYTHONMALLOC) instead of Python's own pools.
source "${BASH_SOURCE[0]%/*}/common.sh"
# The distribution's: in PATH may be a shim of another one, without the suite.
python=/usr/bin/python3

version() { $python -c 'import platform; print(platform.python_version())'; }

run() {
    local tests=(test_json test_pickle test_threading test_subprocess test_mmap test_ctypes test_fork1 test_array
        test_bytes test_zlib test_thread)
    if [ "$SCALE" -gt 1 ]; then
        tests+=(test_buffer test_io test_os test_posix test_gc test_list test_dict test_set test_bz2 test_lzma test_hashlib test_re
            test_queue test_concurrent_futures test_multiprocessing_fork test_asyncio test_sqlite3 test_decimal test_struct)
    fi
    export PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1
    # Started in the background, the tests would find interrupts ignored.
    tracked env --default-signal=INT,QUIT $python -m test -j 2 --timeout 200 --junit-xml results.xml "${tests[@]}" \
        >python.log 2>&1 || {
        tail -n 60 python.log >&2
        die "the suite failed"
    }
    $python "$here/junit.py" results.xml
}

"$@"
