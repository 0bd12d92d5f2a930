/* Limits that the library must live with. Needs the library.
 *
 * Usage: limits phases <count>      partial trims between phases: the number of mappings stays bounded
 *        limits short <threads>     short-lived threads in one phase
 *        limits alive <threads>     threads that are alive at once, each with blocks
 *        limits narrow              an address space of 39 bits
 *        limits data <MiB>          RLIMIT_DATA, which charges for writable memory as strict overcommit does
 *        limits late as|data        RLIMIT_AS or RLIMIT_DATA of 4 GiB once large blocks were used
 *        limits pages <bytes>       a page size that sysconf reports (shim_page.c)
 *        limits proofs <MiB>        big and small proofs in turn: never more than 1.3 times the big one in memory
 *        limits busy                four times as many threads as processors
 *        limits huge                huge pages forbidden to the process */
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define LARGE (3 * MIB)

static unsigned long number(const char *text) {
    char *end;
    unsigned long value = text ? strtoul(text, &end, 10) : 0;
    CHECK(value > 0 && *end == '\0');
    return value;
}

static int mappings(void) {
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(file != NULL);
    int lines = 0;
    for (int c; (c = getc(file)) != EOF;) {
        lines += c == '\n';
    }
    fclose(file);
    return lines;
}

/* Sizes wander, some blocks outlive many phases, and every few phases a part of what is free is given back. */
static void phases(unsigned long count) {
    enum { KEPT = 64, MOST_MORE = 600 };
    static struct {
        char *block;
        size_t size;
    } kept[KEPT];
    uint64_t state = 1;
    int early = 0, most = 0;
    for (unsigned long phase = 0; phase < count; phase++) {
        CHECK(zk_begin_phase() == 0);
        for (int i = 0; i < 4; i++) {
            uint64_t random = random_next(&state);
            int slot = (int)(random % KEPT);
            if (kept[slot].block) {
                CHECK(kept[slot].block[0] == (char)slot && kept[slot].block[kept[slot].size - 1] == (char)slot);
                free(kept[slot].block);
            }
            size_t size = random % 8 ? 4096 + random % 90000 : MIB + random % (9 * MIB);
            CHECK((kept[slot].block = (char *)malloc(size)) != NULL && zk_owns(kept[slot].block));
            kept[slot].size = size;
            for (size_t at = 0; at < size; at += 64 * KIB) {
                kept[slot].block[at] = (char)slot;
            }
            kept[slot].block[size - 1] = (char)slot;
        }
        CHECK(zk_end_phase() == 0);
        if (phase % 16 == 0) {
            (void)zk_trim((size_t)(random_next(&state) % 64) * MIB);
        }
        if (phase % (count / 20) == 0) {
            int now = mappings();
            early = phase <= count / 4 && now > early ? now : early;
            most = now > most ? now : most;
        }
    }
    zk_stats stats = read_stats();
    CHECK(stats.phases_ended == count && stats.returned_bytes > 0);
    if (most > early + MOST_MORE) {
        dprintf(2, "%d mappings in the first quarter, %d later\n", early, most);
        _exit(1);
    }
    printf("%lu phases, %lu MiB given back, %lu MiB moved: %d mappings at most\n", count,
           (unsigned long)(stats.returned_bytes / MIB), (unsigned long)(stats.moved_bytes / MIB), most);
}

static void start(pthread_t *thread, void *(*body)(void *), uintptr_t argument) {
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 64 * KIB) == 0);
    int error = pthread_create(thread, &attributes, body, (void *)argument);
    pthread_attr_destroy(&attributes);
    if (error == EAGAIN) {
        printf("impossible here: the system allows no more than %lu threads\n", (unsigned long)argument);
        exit(0);
    }
    CHECK(error == 0);
}

/* Leaves a block for the next thread, and frees that of the last one. */
static void *baton;

static void *short_life(void *argument) {
    uintptr_t id = (uintptr_t)argument;
    if (baton) {
        drop_block(baton, 9000, id - 1);
    }
    baton = make_block(9000, id);
    return NULL;
}

static void short_threads(unsigned long count) {
    CHECK(zk_begin_phase() == 0);
    for (uintptr_t i = 1; i <= count; i++) {
        pthread_t thread;
        start(&thread, short_life, i);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    drop_block(baton, 9000, count);
    CHECK(zk_end_phase() == 0);
    zk_stats stats = read_stats();
    CHECK(stats.threads_seen >= count && stats.resident_bytes <= 64 * MIB);
    check_nothing_lives();
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned long arrived;
static int leave;

static void *stay(void *argument) {
    uintptr_t id = (uintptr_t)argument;
    void *medium = make_block(4096 + id % 4096, id), *large = id % 100 ? NULL : make_block(LARGE, id);
    pthread_mutex_lock(&lock);
    arrived++;
    pthread_cond_broadcast(&changed);
    while (!leave) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    drop_block(medium, 4096 + id % 4096, id);
    if (large) {
        drop_block(large, LARGE, id);
    }
    return NULL;
}

static void alive_threads(unsigned long count) {
    engage_arena();
    pthread_t *threads = (pthread_t *)calloc(count, sizeof *threads);
    for (uintptr_t i = 0; i < count; i++) {
        start(&threads[i], stay, i);
    }
    pthread_mutex_lock(&lock);
    while (arrived < count) {
        pthread_cond_wait(&changed, &lock);
    }
    CHECK(read_stats().threads_seen >= count);
    leave = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (unsigned long i = 0; i < count; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    free(threads);
    check_nothing_lives();
}

/* Allocates blocks until memory ends, and frees them all. How many MiB there were. */
static size_t fill(size_t most) {
    static void *blocks[4096];
    size_t count = 0;
    while (count < 4096 && count * 2 < most && (blocks[count] = malloc(2 * MIB)) != NULL) {
        fill_pattern(blocks[count], 2 * MIB, count);
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        drop_block(blocks[i], 2 * MIB, i);
    }
    return 2 * count;
}

/* Everything but 512 GiB is occupied before the arena is made. */
static void narrow(void) {
    size_t space = 512 * GIB;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *ours = mmap(NULL, space, PROT_NONE, flags, -1, 0);
    CHECK(ours != MAP_FAILED);
    for (size_t size = (size_t)1 << 46; size >= 16 * MIB; size /= 2) {
        while (mmap(NULL, size, PROT_NONE, flags, -1, 0) != MAP_FAILED) {
        }
    }
    CHECK(munmap(ours, space) == 0);
    engage_arena();
    uint64_t reserved = read_stats().reserved_bytes;
    CHECK(reserved >= GIB && reserved <= space / 2); /* the program has as much again */
    void *beside = mmap(NULL, space / 4, PROT_NONE, flags, -1, 0);
    CHECK(beside != MAP_FAILED && fill(256) == 256 && read_stats().overflow_count == 0);
    printf("an arena of %lu GiB of addresses\n", (unsigned long)(reserved / GIB));
}

/* What the library takes for itself is a small part of what the program may have. */
static void data(size_t limit) {
    const struct rlimit space = {limit * MIB, limit * MIB};
    CHECK(setrlimit(RLIMIT_DATA, &space) == 0);
    engage_arena();
    size_t got = fill(SIZE_MAX);
    if (got * 4 < limit * 3) {
        dprintf(2, "%zu MiB of %zu\n", got, limit);
        _exit(1);
    }
    errno = 0;
    CHECK(malloc(limit * MIB) == NULL && errno == ENOMEM);
    CHECK(fill(limit / 2) >= limit / 2 - 2); /* after the failure too */
    check_nothing_lives();
}

static void *nothing(void *unused) { return unused; }

static void late(int resource) {
    free(make_block(LARGE, 1));
    const struct rlimit space = {4 * GIB, 4 * GIB};
    CHECK(setrlimit(resource, &space) == 0);
    enum { BLOCKS = 64 };
    void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = make_block(i % 2 ? LARGE : 100000, i);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        drop_block(blocks[i], i % 2 ? LARGE : 100000, i);
    }
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void page_size(size_t page) {
    CHECK((size_t)sysconf(_SC_PAGESIZE) == page);
    engage_arena();
    CHECK(zk_begin_phase() == 0);
    enum { BLOCKS = 200 };
    void *blocks[BLOCKS];
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            blocks[i] = make_block(4096 + i * 1000, i);
        }
        for (size_t i = 0; i < BLOCKS; i += 2) {
            drop_block(blocks[i], 4096 + i * 1000, i);
        }
        (void)zk_trim(0); /* dead pages between live blocks */
        for (size_t i = 1; i < BLOCKS; i += 2) {
            drop_block(blocks[i], 4096 + i * 1000, i);
        }
        void *large = make_block(LARGE + 1, 5), *aligned = valloc(50000), *whole = pvalloc(page + 1);
        CHECK(malloc_usable_size(large) % page == 0 && zk_owns(large));
        CHECK((uintptr_t)aligned % page == 0 && (uintptr_t)whole % page == 0);
        CHECK(malloc_usable_size(whole) >= 2 * page);
        drop_block(large, LARGE + 1, 5);
        free(aligned);
        free(whole);
    }
    CHECK(zk_end_phase() == 0 && read_stats().returned_bytes > 0);
    check_nothing_lives();
}

static void *churn(void *argument) {
    uint64_t state = (uintptr_t)argument + 1;
    for (int i = 0; i < 200; i++) {
        CHECK(zk_begin_phase() == 0);
        uint64_t seed = random_next(&state);
        size_t size = seed % 16 ? 4096 + seed % 60000 : LARGE;
        void *one = make_block(size, seed), *other = make_block(size, seed + 1);
        drop_block(one, size, seed);
        drop_block(other, size, seed + 1);
        CHECK(zk_end_phase() == 0);
    }
    return NULL;
}

static void busy(void) {
    enum { MOST = 1024 };
    pthread_t threads[MOST];
    size_t count = 4 * (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    count = count < MOST ? count : MOST;
    for (uintptr_t i = 0; i < count; i++) {
        start(&threads[i], churn, i);
    }
    for (size_t i = 0; i < count; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    check_nothing_lives();
}

/* One proof: blocks of its own sizes, all of them live at once. */
static void prove(size_t bytes, size_t block) {
    static void *blocks[8192];
    size_t count = bytes / block;
    CHECK(count <= sizeof blocks / sizeof blocks[0]);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = make_block(block, i);
    }
    for (size_t i = 0; i < count; i++) {
        drop_block(blocks[i], block, i);
    }
}

static size_t most_resident(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (size_t)usage.ru_maxrss * KIB;
}

static void proofs(size_t mebibytes) {
    size_t big = mebibytes * MIB;
    for (int round = 0; round < 12; round++) {
        CHECK(zk_begin_phase() == 0);
        prove(round % 2 ? big / 4 : big, round % 2 ? 100000 + (size_t)round * 30000 : 3 * MIB + (size_t)round * 200000);
        CHECK(zk_end_phase() == 0);
    }
    size_t most = most_resident();
    if (most > big / 10 * 13) {
        dprintf(2, "%zu MiB resident at most, proofs of %zu MiB\n", most / MIB, mebibytes);
        _exit(1);
    }
    check_nothing_lives();
}

static void huge(void) {
    CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    engage_arena();
    CHECK(fill(512) == 512 && zk_trim(0) > 0 && fill(64) == 64);
    check_nothing_lives();
}

int main(int argc, char **argv) {
    check_preload();
    const char *name = argc > 1 ? argv[1] : "", *value = argc > 2 ? argv[2] : NULL;
    CHECK(preloaded());
    if (strcmp(name, "phases") == 0) {
        phases(number(value));
    } else if (strcmp(name, "short") == 0) {
        short_threads(number(value));
    } else if (strcmp(name, "alive") == 0) {
        alive_threads(number(value));
    } else if (strcmp(name, "narrow") == 0) {
        narrow();
    } else if (strcmp(name, "data") == 0) {
        data(number(value));
    } else if (strcmp(name, "late") == 0) {
        late(argc > 2 && strcmp(argv[2], "as") == 0 ? RLIMIT_AS : RLIMIT_DATA);
    } else if (strcmp(name, "pages") == 0) {
        page_size(number(value));
    } else if (strcmp(name, "proofs") == 0) {
        proofs(number(value));
    } else if (strcmp(name, "busy") == 0) {
        busy();
    } else {
        CHECK(strcmp(name, "huge") == 0);
        huge();
    }
    check_arena_use();
    return 0;
}
