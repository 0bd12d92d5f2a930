/* Under settings of a whole machine, or of a cgroup (the scripts in c-tests/machine/ say which). Needs the library.
 *
 * What it prints goes out by dprintf: the buffer of printf would be a block of the arena.
 *
 * Usage: machine commit              vm.overcommit_memory=2: what is left of CommitLimit is the program's
 *        machine pages               which pages large blocks got, and spans: those with little in them, and many full
 *        machine proofs <MiB> <n>    n big and small proofs in turn, each of so many MiB, or a quarter
 *        machine idle <MiB>          so much is free when it says "ready", and goes back when somebody wants it */
#include "check.h"

enum { MOST = 8192, WAIT_MS = 120000, PAGE = 4096 };
static char *blocks[MOST];

/* A field of a file like /proc/meminfo, in bytes. */
static size_t field_bytes(const char *path, const char *name) {
    char text[8192] = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0 && read(file, text, sizeof text - 1) > 0);
    close(file);
    const char *line = strstr(text, name);
    CHECK(line != NULL);
    return strtoull(line + strlen(name), NULL, 10) * KIB;
}

/* A word of its own in every page: memory is used and told apart, and an emulated processor has little to do. */
static void stamp(char *block, size_t size, size_t seed) {
    for (size_t at = 0; at < size; at += PAGE) {
        uint64_t word = pattern_word(at, seed);
        memcpy(block + at, &word, sizeof word);
    }
}

static int has_stamp(const char *block, size_t size, size_t seed) {
    for (size_t at = 0; at < size; at += PAGE) {
        uint64_t word = pattern_word(at, seed);
        if (memcmp(block + at, &word, sizeof word) != 0) {
            return 0;
        }
    }
    return 1;
}

/* Blocks from `first` on, until there are `bytes` of them or memory ends. How many. */
static size_t make(size_t first, size_t bytes, size_t size) {
    size_t count = 0;
    while ((count + 1) * size <= bytes) {
        CHECK(first + count < MOST);
        char *block = (char *)malloc(size);
        if (!block) {
            break;
        }
        stamp(block, size, first + count);
        blocks[first + count++] = block;
    }
    return count;
}

static void drop(size_t first, size_t count, size_t size) {
    for (size_t i = first; i < first + count; i++) {
        CHECK(has_stamp(blocks[i], size, i));
        free(blocks[i]);
    }
}

/* The program's share of what may still be promised, and that it is told when that has ended. */
static void commit(void) {
    size_t left = field_bytes("/proc/meminfo", "CommitLimit:") - field_bytes("/proc/meminfo", "Committed_AS:");
    engage_arena();
    zk_stats stats = read_stats();
    errno = 0;
    size_t count = make(0, SIZE_MAX, MIB);
    CHECK(errno == ENOMEM);
    drop(0, count, MIB);
    size_t again = make(0, count * MIB / 2, MIB); /* after the failure, too */
    CHECK(again == count / 2);
    drop(0, again, MIB);
    dprintf(1, "%s, %zu of %zu MiB\n", stats.reserved_bytes ? "an arena" : "no arena", count, left / MIB);
    CHECK(count * MIB * 4 >= left * 3 || left < 128 * MIB);
    CHECK(stats.reserved_bytes || left < 64 * MIB);
}

static size_t huge_pages(void) {
    return field_bytes("/proc/self/smaps_rollup", "AnonHugePages:");
}

/* Says so when what was made since `before` is on huge pages; small and huge ones together are a failure. */
static size_t say_pages(const char *what, size_t before, size_t made) {
    size_t now = huge_pages();
    CHECK(now == before || now - before >= made / 4 * 3);
    dprintf(1, "%s %s", what, now == before ? "small" : "huge");
    return now;
}

static void pages(void) {
    size_t large = 16 * MIB, medium = 64 * KIB, total = 64 * MIB;
    engage_arena();
    size_t before = huge_pages(), count = make(0, total, large);
    CHECK(count == total / large && zk_owns(blocks[0]));
    before = say_pages("large", before, total);
    /* One block of each size: no span is full. */
    size_t sparse = count, touched = 0;
    for (size_t size = medium; size <= MIB; size += medium) {
        count += make(count, size, size);
        touched += size;
    }
    CHECK(count - sparse == MIB / medium && zk_owns(blocks[sparse]));
    before = say_pages(", few medium", before, touched);
    size_t more = make(count, total, medium);
    CHECK(more == total / medium && zk_owns(blocks[count]));
    say_pages(", many medium", before, total);
    dprintf(1, "\n");
    drop(0, sparse, large);
    for (size_t size = medium; size <= MIB; size += medium) {
        drop(sparse++, 1, size);
    }
    drop(count, more, medium);
}

/* Three tables of half the size each, two of them at once, of blocks of other sizes: powers of two, as provers ask for. */
static void prove(size_t bytes, size_t least, size_t round) {
    size_t sizes[3], counts[3], first = 0;
    for (size_t i = 0; i < 3; i++) {
        sizes[i] = least << (round + 2 * i) % 5;
        counts[i] = make(first, bytes / 2, sizes[i]);
        CHECK(counts[i] == bytes / 2 / sizes[i]);
        first += counts[i];
        if (i == 1) {
            drop(0, counts[0], sizes[0]);
        }
    }
    drop(counts[0], counts[1], sizes[1]);
    drop(counts[0] + counts[1], counts[2], sizes[2]);
}

static void proofs(size_t bytes, size_t count) {
    for (size_t round = 0; round < count; round++) {
        CHECK(zk_begin_phase() == 0);
        round % 2 ? prove(bytes / 4, 64 * KIB, round) : prove(bytes, MIB, round);
        CHECK(zk_end_phase() == 0);
    }
    dprintf(1, "%zu proofs\n", count);
}

/* Whoever reads "ready" may want the memory; nothing but that makes it go back. */
static void idle(size_t bytes) {
    engage_arena();
    CHECK(zk_begin_phase() == 0);
    size_t count = make(0, bytes, 4 * MIB);
    drop(0, count, 4 * MIB);
    CHECK(zk_end_phase() == 0);
    usleep(2000000); /* longer than the library takes for what is beyond the budget */
    CHECK(resident_bytes() >= bytes / 4 * 3);
    dprintf(1, "ready\n");
    CHECK(falls_below(bytes / 2, WAIT_MS));
    dprintf(1, "given back\n");
}

static size_t number(const char *text) {
    char *end = NULL;
    size_t value = text ? strtoul(text, &end, 10) : 0;
    CHECK(value > 0 && *end == '\0');
    return value;
}

int main(int argc, char **argv) {
    check_preload();
    CHECK(preloaded());
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "commit") == 0) {
        commit();
    } else if (strcmp(name, "pages") == 0) {
        pages();
    } else if (strcmp(name, "proofs") == 0) {
        CHECK(argc == 4);
        proofs(number(argv[2]) * MIB, number(argv[3]));
    } else {
        CHECK(strcmp(name, "idle") == 0 && argc == 3);
        idle(number(argv[2]) * MIB);
    }
    check_nothing_lives();
    return 0;
}
