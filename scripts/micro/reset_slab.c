/* The design that libzkalloc comes from, as a yardstick for the benchmark and for nothing else: every thread bumps
 * through a slab of its own, free does nothing, and the next phase begins at the slab's start again.
 *
 * IT CORRUPTS MEMORY BY DESIGN: what was allocated in one phase and is still used in the next is overwritten. A
 * prover is fine under it only as long as it drops every large block of a phase before the next one begins.
 *
 * As in the ancestor: requests below 4096 bytes, outside of phases and beyond the slab go to glibc; a block of glibc's
 * stays there however it grows; slabs are 8 GiB for each processor and four threads more, on small pages.
 * RESET_SLAB_THP=1: on huge pages, which the ancestor does not use. RESET_SLAB_STATS=<path>: what it served, as JSON.
 *
 * For glibc alone: what is not the slabs' goes straight to glibc's own names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

#define SLAB_BYTES ((size_t)8 << 30)
enum { MIN_BYTES = 4096, SLACK_THREADS = 4, MIN_ALIGN = 16 };

/* Before every block; realloc wants to know. */
struct header {
    size_t bytes, unused;
};

static size_t (*glibc_usable_size)(void *);
static char *region;
static size_t region_bytes;
static atomic_uint phases, open_phases, slabs_taken;
static atomic_ulong overflow_count;

static __thread __attribute__((tls_model("initial-exec"))) struct {
    char *slab, *next;
    unsigned phase;
    int none_left;
} mine;

/* Blocks, of all threads; each adds its own when a phase begins for it, so that the fast path shares no cache line. What a
 * thread served in its last phase is missing at the end. */
static atomic_ulong served;
static __thread __attribute__((tls_model("initial-exec"))) unsigned long served_here;

static void reserve(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t bytes = SLAB_BYTES * (size_t)(processors + SLACK_THREADS);
    char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return; /* everything is glibc's then, and the statistics say so */
    const char *thp = getenv("RESET_SLAB_THP");
    madvise(start, bytes, thp && strcmp(thp, "1") == 0 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    region_bytes = bytes;
    region = start;
}

__attribute__((constructor)) static void start(void)
{
    glibc_usable_size = (size_t (*)(void *))dlsym(RTLD_NEXT, "malloc_usable_size");
    reserve();
}

static int is_ours(const void *block)
{
    return (uintptr_t)block - (uintptr_t)region < region_bytes;
}

static struct header *header_of(void *block)
{
    return (struct header *)block - 1;
}

/* The slab from its start again; a thread's first time, a slab. */
static int begin_here(unsigned phase)
{
    if (mine.none_left)
        return 0;
    if (!mine.slab) {
        size_t number = atomic_fetch_add(&slabs_taken, 1);
        if ((number + 1) * SLAB_BYTES > region_bytes) {
            mine.none_left = 1;
            return 0;
        }
        mine.slab = region + number * SLAB_BYTES;
    }
    mine.next = mine.slab;
    mine.phase = phase;
    atomic_fetch_add(&served, served_here);
    served_here = 0;
    return 1;
}

/* Null where glibc is to serve the request. */
static void *bump(size_t align, size_t bytes)
{
    if (bytes < MIN_BYTES || atomic_load_explicit(&open_phases, memory_order_relaxed) == 0 || bytes > SLAB_BYTES)
        return NULL;
    unsigned phase = atomic_load_explicit(&phases, memory_order_relaxed);
    if (mine.phase != phase && !begin_here(phase)) {
        atomic_fetch_add(&overflow_count, 1);
        return NULL;
    }
    uintptr_t block = ((uintptr_t)mine.next + sizeof(struct header) + align - 1) & ~(uintptr_t)(align - 1);
    if (block + bytes > (uintptr_t)mine.slab + SLAB_BYTES) {
        atomic_fetch_add(&overflow_count, 1);
        return NULL;
    }
    mine.next = (char *)block + bytes;
    header_of((void *)block)->bytes = bytes;
    served_here++;
    return (void *)block;
}

void *malloc(size_t bytes)
{
    void *block = bump(MIN_ALIGN, bytes);
    return block ? block : __libc_malloc(bytes);
}

void free(void *block)
{
    if (!is_ours(block))
        __libc_free(block);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    void *block = __builtin_mul_overflow(count, size, &bytes) ? NULL : bump(MIN_ALIGN, bytes);
    return block ? memset(block, 0, bytes) : __libc_calloc(count, size);
}

void *realloc(void *block, size_t bytes)
{
    if (!block)
        return malloc(bytes);
    if (!is_ours(block))
        return __libc_realloc(block, bytes);
    size_t had = header_of(block)->bytes;
    if (bytes <= had)
        return block;
    void *larger = malloc(bytes);
    return larger ? memcpy(larger, block, had) : NULL;
}

void *memalign(size_t align, size_t bytes)
{
    if (align & (align - 1))
        return __libc_memalign(align, bytes);
    void *block = bump(align < MIN_ALIGN ? MIN_ALIGN : align, bytes);
    return block ? block : __libc_memalign(align, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    return memalign(align, bytes);
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
    if (align % sizeof(void *) || align & (align - 1) || align == 0)
        return EINVAL;
    void *block = memalign(align, bytes);
    if (!block)
        return ENOMEM;
    *out = block;
    return 0;
}

size_t malloc_usable_size(void *block)
{
    if (!block)
        return 0;
    return is_ours(block) ? header_of(block)->bytes : glibc_usable_size(block);
}

/* What the Rust client of libzkalloc looks for: all of it, or it takes none. */
int zk_begin_phase(void)
{
    if (atomic_fetch_add(&open_phases, 1) == 0)
        atomic_fetch_add(&phases, 1);
    return region ? 0 : ENOMEM;
}

int zk_end_phase(void)
{
    if (atomic_load(&open_phases) == 0)
        return EINVAL;
    atomic_fetch_sub(&open_phases, 1);
    return 0;
}

unsigned zk_phase_depth(void)
{
    return atomic_load(&open_phases);
}

int zk_set_thread_enabled(int on)
{
    (void)on;
    return 1;
}

int zk_owns(const void *block)
{
    return is_ours(block);
}

size_t zk_trim(size_t keep_bytes)
{
    (void)keep_bytes;
    return 0;
}

int zk_stats_get(void *out)
{
    (void)out;
    return EINVAL;
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("RESET_SLAB_STATS");
    int file = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    if (file < 0)
        return;
    dprintf(file, "{\"stats\": {\"arena_allocs\": %lu, \"overflow_count\": %lu, \"phases_begun\": %u}}\n",
            atomic_load(&served) + served_here, atomic_load(&overflow_count), atomic_load(&phases));
    close(file);
}
