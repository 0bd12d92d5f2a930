/* zkalloc.h: phases, statistics and settings of libzkalloc (LD_PRELOAD=libzkalloc.so).
 *
 * GENERATED from src/capi/zkalloc.rs by `cargo run -p c-tests --bin gen-header`. Do not edit.
 *
 * The functions are weak: a program that includes this header needs no library at link time and runs with and without
 * it. Without it they are null, so ask first:
 *
 *     if (zk_begin_phase) zk_begin_phase();
 *
 * or use the guards below, which ask themselves: ZK_PHASE_SCOPE(); in C, zk::phase_guard in C++.
 */
#ifndef ZKALLOC_H
#define ZKALLOC_H

#include <stddef.h>
#include <stdint.h>

/* How the functions are found. macOS: the linker wants to know every function, so they are looked up when they are
 * called; elsewhere on request (ZK_USE_DLSYM), and else they are weak.
 * noplt: in a program that is not position-independent the linker would otherwise settle a weak function as null for
 * good, before any library is loaded. */
#if defined(__APPLE__) && !defined(ZK_USE_DLSYM)
#define ZK_USE_DLSYM
#endif
#if defined(ZK_USE_DLSYM)
#include <dlfcn.h>
#define ZK_API extern
#elif defined(__has_attribute)
#if __has_attribute(noplt)
#define ZK_API extern __attribute__((weak, noplt))
#else
#define ZK_API extern __attribute__((weak))
#endif
#elif defined(__GNUC__)
#define ZK_API extern __attribute__((weak))
#else
#define ZK_API extern
#endif

/**
 * What the library has done and holds, for this process and since its start. Bytes are bytes of blocks, as
 * `malloc_usable_size` gives them. New fields are only appended.
 */
typedef struct zk_stats {
    /**
     * In: `sizeof(zk_stats)`. Out: the bytes that were filled in.
     */
    uint32_t size;
    /**
     * Out: the layout of this structure, 1.
     */
    uint32_t version;
    /**
     * `zk_begin_phase` calls.
     */
    uint64_t phases_begun;
    /**
     * `zk_end_phase` calls that closed a phase.
     */
    uint64_t phases_ended;
    /**
     * Blocks that the arena has handed out.
     */
    uint64_t arena_allocs;
    /**
     * Blocks that were given back to it.
     */
    uint64_t arena_frees;
    /**
     * Blocks that the program holds.
     */
    uint64_t live_blocks;
    /**
     * Bytes of these.
     */
    uint64_t live_bytes;
    /**
     * The most there were at once, to about 16 MiB, or 256 KiB for each thread where more than 64 run: threads report
     * what they hold in steps.
     */
    uint64_t peak_live_bytes;
    /**
     * Bytes of the arena that are in memory, as far as the library can know: at most this. A page that was only ever read
     * counts, since `mincore` counts the system's page of zeroes.
     */
    uint64_t resident_bytes;
    /**
     * Addresses reserved for the arena.
     */
    uint64_t reserved_bytes;
    /**
     * Bytes handed out on pages that had been used before.
     */
    uint64_t reused_bytes;
    /**
     * Bytes handed out on untouched pages.
     */
    uint64_t fresh_bytes;
    /**
     * Bytes of free pages that were moved to where they were needed.
     */
    uint64_t moved_bytes;
    /**
     * Bytes of free pages that were given back to the system.
     */
    uint64_t returned_bytes;
    /**
     * Requests that the arena had no room for; the next allocator served them.
     */
    uint64_t overflow_count;
    /**
     * Bytes of these.
     */
    uint64_t overflow_bytes;
    /**
     * Requests of at least the threshold that went to the next allocator while a phase was open.
     */
    uint64_t system_allocs_in_phase;
    /**
     * Blocks that were alive when the last phase ended.
     */
    uint64_t survivor_blocks;
    /**
     * Bytes of these.
     */
    uint64_t survivor_bytes;
    /**
     * Threads that have used the arena.
     */
    uint64_t threads_seen;
    /**
     * Forks: one more in parent and child with each.
     */
    uint64_t forks;
} zk_stats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Opens a phase: a proof begins. Phases count, process-wide; they may nest and overlap between threads.
 *
 * Returns 0; ENOMEM: there is no address space for an arena, or the library has not been started yet (a constructor of
 * another one asks), and the phase counts all the same. Does not set `errno`.
 * Safe to call from any thread and in the child of a fork; not from a signal or fork handler.
 */
ZK_API int zk_begin_phase(void);

/**
 * Closes a phase: a proof has ended. Whatever the program still holds stays as it is.
 *
 * Returns 0; EINVAL: no phase is open, and nothing changes. Does not set `errno`. Safe to call from any thread, also
 * from another one than began the phase, and in the child of a fork; not from a signal or fork handler.
 */
ZK_API int zk_end_phase(void);

/**
 * Returns the number of open phases in the process. Safe to call anywhere.
 */
ZK_API unsigned int zk_phase_depth(void);

/**
 * Lets the calling thread use the arena (`on` other than 0) or not (0); what it holds stays as it is. New threads may.
 *
 * Returns the previous setting, 1 or 0. Safe to call from any thread.
 */
ZK_API int zk_set_thread_enabled(int on);

/**
 * Tells whether an address lies in a live block of the arena.
 *
 * `p` may be anything; it is not followed. Returns 1, or 0 for anything else. Safe to call from any thread; the answer
 * holds as long as the caller knows that nobody frees the block.
 */
ZK_API int zk_owns(const void *p);

/**
 * Gives free memory back to the system, now, until at most `keep_bytes` of the arena's free memory are resident.
 *
 * Returns the bytes given back: 0 in a signal handler that interrupted the library, and in a fork handler. Safe to call
 * anywhere.
 */
ZK_API size_t zk_trim(size_t keep_bytes);

/**
 * Has the background thread fault in `bytes` of memory for the arena, which is made if need be, so that a first proof
 * finds it ready. Returns at once, unless there is no background thread (`ZK_ALLOC_BACKGROUND=0`, or the system refuses
 * one): the calling thread does it then.
 *
 * Returns 0; ENOMEM: there is no arena (mode off, no address space, or not started yet). Does not set `errno`. Safe to
 * call from any thread and in the child of a fork; not from a signal or fork handler.
 */
ZK_API int zk_prefault(size_t bytes);

/**
 * Fills in the counters, as far as `out->size` reaches.
 *
 * Returns 0; EINVAL: `out` is NULL, or `out->size` has room for no counter. Does not set `errno`. Safe to call from
 * any thread; what other threads do meanwhile may be counted or not.
 *
 * The caller guarantees:
 * `out` is NULL or points to `out->size` bytes.
 */
ZK_API int zk_stats_get(struct zk_stats *out);

/**
 * Tells how many requests the arena had no room for since the start or the last reset, and their bytes.
 *
 * `count` and `bytes` may be NULL. Safe to call from any thread.
 *
 * The caller guarantees:
 * `count` and `bytes` are NULL or point to a `size_t` each.
 */
ZK_API void zk_overflow_stats(size_t *count, size_t *bytes);

/**
 * Sets both overflow counters to 0, in `zk_stats` too. Safe to call from any thread.
 */
ZK_API void zk_reset_overflow_stats(void);

/**
 * Returns the arena's limit per processor, in bytes (`ZK_ALLOC_SLAB_GB`). Safe to call anywhere.
 */
ZK_API size_t zk_slab_size(void);

/**
 * Returns the smallest request that the arena takes, in bytes (`ZK_ALLOC_MIN_BYTES`). Safe to call anywhere.
 */
ZK_API size_t zk_min_arena_bytes(void);

/**
 * Returns the version of the loaded library, for example "0.1.0": a constant, never freed. Safe to call anywhere.
 */
ZK_API const char *zk_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#if defined(ZK_USE_DLSYM)
/* The declarations above give the types alone. RTLD_DEFAULT is null on Linux, where strict C hides its name. */
#if defined(RTLD_DEFAULT)
#define ZK_EVERYWHERE_ RTLD_DEFAULT
#else
#define ZK_EVERYWHERE_ ((void *)0)
#endif
#define ZK_FIND_(name) (__extension__(__typeof__(&name))dlsym(ZK_EVERYWHERE_, #name))
#define zk_begin_phase ZK_FIND_(zk_begin_phase)
#define zk_end_phase ZK_FIND_(zk_end_phase)
#define zk_phase_depth ZK_FIND_(zk_phase_depth)
#define zk_set_thread_enabled ZK_FIND_(zk_set_thread_enabled)
#define zk_owns ZK_FIND_(zk_owns)
#define zk_trim ZK_FIND_(zk_trim)
#define zk_prefault ZK_FIND_(zk_prefault)
#define zk_slab_size ZK_FIND_(zk_slab_size)
#define zk_min_arena_bytes ZK_FIND_(zk_min_arena_bytes)
#define zk_stats_get ZK_FIND_(zk_stats_get)
#define zk_overflow_stats ZK_FIND_(zk_overflow_stats)
#define zk_reset_overflow_stats ZK_FIND_(zk_reset_overflow_stats)
#define zk_version ZK_FIND_(zk_version)
#endif

/* Scope guards. A phase begins where the guard is declared and ends where its scope does, however it is left: at its
 * end, by return, break or goto, or by a C++ exception. (longjmp leaves the phase open, which is harmless: it ends with
 * the next unpaired zk_end_phase().) Without the library they do nothing. */
#ifdef __cplusplus

namespace zk {

class phase_guard {
public:
    phase_guard() noexcept : begun_(zk_begin_phase != nullptr && zk_end_phase != nullptr) {
        if (begun_) {
            /* ENOMEM says that there is no arena; the phase counts all the same. */
            (void)zk_begin_phase();
        }
    }

    ~phase_guard() {
        if (begun_) {
            (void)zk_end_phase();
        }
    }

    phase_guard(const phase_guard &) = delete;
    phase_guard &operator=(const phase_guard &) = delete;

private:
    bool begun_;
};

} /* namespace zk */

#elif defined(__GNUC__)

static inline int zk_phase_scope_begin(void) {
    if (!zk_begin_phase || !zk_end_phase) {
        return 0;
    }
    /* ENOMEM says that there is no arena; the phase counts all the same. */
    (void)zk_begin_phase();
    return 1;
}

static inline void zk_phase_scope_end(const int *begun) {
    if (*begun) {
        (void)zk_end_phase();
    }
}

#define ZK_PHASE_SCOPE_JOIN_(a, b) a##b
#define ZK_PHASE_SCOPE_NAME_(line) ZK_PHASE_SCOPE_JOIN_(zk_phase_scope_, line)

/* ZK_PHASE_SCOPE(); the rest of the enclosing block is one phase. Needs GCC or Clang. */
#define ZK_PHASE_SCOPE()                                                                                               \
    __attribute__((cleanup(zk_phase_scope_end), unused)) const int ZK_PHASE_SCOPE_NAME_(__LINE__) =                    \
        zk_phase_scope_begin()

#endif

#endif /* ZKALLOC_H */
