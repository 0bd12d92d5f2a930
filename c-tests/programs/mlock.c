/* A program that locks its memory, with RLIMIT_MEMLOCK as it is on most machines, or with the right to lock everything.
 * Needs the library.
 *
 * Usage: mlock modest   no privilege, 8 MiB may be locked: mlockall works, and so does every request after it
 *        mlock all      the right to lock everything (root), an arena in use: only what is used is locked
 *        mlock all-new  the same, and the arena is made afterwards
 *        mlock moves    the right to lock everything, with memory that would be moved: all that was locked stays locked
 *        mlock tables   the right to lock everything, and addresses without limit: the tables for them are not locked */
#include "check.h"
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define MODEST (8 * MIB)

static size_t status_bytes(const char *name) {
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    char line[256];
    unsigned long kibibytes = 0;
    int found = 0;
    while (fgets(line, sizeof line, file)) {
        found += strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), ": %lu kB", &kibibytes) == 1;
    }
    fclose(file);
    CHECK(found == 1);
    return kibibytes * KIB;
}

/* Without the right to lock more than RLIMIT_MEMLOCK says. */
static void become_ordinary(void) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    limit.rlim_cur = limit.rlim_max = limit.rlim_max < MODEST ? limit.rlim_max : MODEST;
    CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    CHECK(syscall(SYS_capget, &header, data) == 0);
    data[0].effective &= ~(1u << CAP_IPC_LOCK);
    data[0].permitted &= ~(1u << CAP_IPC_LOCK);
    CHECK(syscall(SYS_capset, &header, data) == 0);
}

/* Requests of every kind succeed, whoever serves them. */
static void use_memory(void) {
    static const size_t SIZES[] = {100, 4096, 20000, 300000, MIB};
    for (int round = 0; round < 3; round++) {
        begin_phase();
        void *blocks[sizeof SIZES / sizeof SIZES[0]];
        for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
            CHECK((blocks[i] = calloc(1, SIZES[i])) && all_zero(blocks[i], SIZES[i]));
            fill_pattern(blocks[i], SIZES[i], i);
        }
        for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
            CHECK((blocks[i] = realloc(blocks[i], SIZES[i] + 5000)) && has_pattern(blocks[i], SIZES[i], i));
            free(blocks[i]);
        }
        end_phase();
    }
}

static void modest(void) {
    become_ordinary();
    CHECK(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    CHECK(status_bytes("VmLck") > 0);
    int error = zk_begin_phase();
    CHECK(error == 0 || error == ENOMEM);
    CHECK(zk_end_phase() == 0);
    (void)zk_prefault(MIB);
    for (int i = 0; i < 3; i++) {
        void *block = malloc(100 + (size_t)i * MIB / 2);
        CHECK(block != NULL);
        fill_pattern(block, 100 + (size_t)i * MIB / 2, 1);
        free(block);
    }
}

static void lock_all(void) {
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        dprintf(2, "no right to lock all memory: run as root, or with `ulimit -l unlimited`\n");
        _exit(3);
    }
    CHECK(status_bytes("VmLck") > 0);
}

/* Addresses for an arena of 1 GiB at most: with the protection gone the whole of it is locked, and no more than that. */
static void all(int arena_first) {
    static const struct rlimit space = {3 * GIB, 3 * GIB};
    CHECK(setrlimit(RLIMIT_AS, &space) == 0);
    if (arena_first) {
        engage_arena();
    }
    lock_all();
    engage_arena();
    CHECK(read_stats().reserved_bytes >= 512 * MIB);
    use_memory();
    CHECK(status_bytes("VmRSS") <= 300 * MIB);
    check_arena_use();
}

static void *grown(void *block, size_t bytes) {
    block = realloc(block, bytes);
    CHECK(block != NULL);
    memset(block, 1, bytes);
    return block;
}

/* Blocks that would take their pages along as they grow. */
static void moves(void) {
    engage_arena();
    lock_all();
    void *block = grown(NULL, 3 * MIB), *other = grown(NULL, 5 * MIB);
    size_t locked = status_bytes("VmLck");
    for (size_t bytes = 9; bytes <= 33; bytes += 6) {
        block = grown(block, bytes * MIB);
        other = grown(other, (bytes + 3) * MIB);
    }
    free(block);
    free(other);
    CHECK(status_bytes("VmLck") >= locked);
    check_arena_use();
}

static void tables(void) {
    engage_arena();
    CHECK(read_stats().reserved_bytes >= 512 * GIB);
    lock_all();
    use_memory();
    /* What is made usable at once, 64 MiB, is locked. */
    CHECK(status_bytes("VmRSS") <= 200 * MIB);
    CHECK(status_bytes("VmData") <= 200 * MIB); /* what strict overcommit charges for */
    check_arena_use();
}

int main(int argc, char **argv) {
    check_preload();
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "modest") == 0) {
        modest();
    } else if (strcmp(name, "tables") == 0) {
        tables();
    } else if (strcmp(name, "moves") == 0) {
        moves();
    } else {
        CHECK(strcmp(name, "all") == 0 || strcmp(name, "all-new") == 0);
        all(strcmp(name, "all") == 0);
    }
    return 0;
}
