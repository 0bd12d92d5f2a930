/* What a core dump holds: what is live, and of the arena's free memory nothing.
 *
 * Usage: undumped [computing] */
#include "check.h"
#include <inttypes.h>
#include <unistd.h>

enum { WAIT_MS = 10000 };

/* 1 or 0: whether the mapping that an address lies in belongs into a core dump. */
static int is_dumped(const void *address) {
    FILE *file = fopen("/proc/self/smaps", "r");
    CHECK(file != NULL);
    char line[512];
    int inside = 0, dumped = -1;
    while (dumped < 0 && fgets(line, sizeof line, file)) {
        uintptr_t start, end;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2) {
            inside = start <= (uintptr_t)address && (uintptr_t)address < end;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            dumped = strstr(line, " dd") == NULL;
        }
    }
    fclose(file);
    CHECK(dumped >= 0);
    return dumped;
}

/* In the middle of a proof nobody asks the kernel for that, however long the program asks for nothing. */
static void computing(void) {
    char *live = malloc(128 * MIB), *other = malloc(128 * MIB);
    CHECK(live && other);
    memset(live, 1, 128 * MIB);
    memset(other, 1, 128 * MIB);
    free(other);
    for (uint64_t end = now_ms() + 4500; now_ms() < end;) {
        CHECK(is_dumped(other));
    }
    for (uint64_t end = now_ms() + WAIT_MS; now_ms() < end && is_dumped(other);) {
        usleep(100000);
    }
    CHECK(!is_dumped(other) && is_dumped(live));
    free(live);
}

/* Memory that has been free for a while is kept out of core dumps; what is live is in them, whatever was there before. */
static void idle(void) {
    enum { BLOCKS = 4 };
    char *blocks[BLOCKS];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            CHECK((blocks[i] = (char *)malloc(40 * MIB)) != NULL && is_dumped(blocks[i]));
            memset(blocks[i], i + 1, 40 * MIB);
        }
        for (int i = 1; i < BLOCKS; i++) {
            free(blocks[i]);
        }
        /* One after another: whoever looks sees some of them first. */
        uint64_t end = now_ms() + WAIT_MS;
        for (int i = 1; i < BLOCKS; i++) {
            while (now_ms() < end && is_dumped(blocks[i])) {
                usleep(1000);
            }
            CHECK(is_dumped(blocks[1]) == 0 && is_dumped(blocks[i]) == 0);
        }
        CHECK(is_dumped(blocks[0]) == 1 && blocks[0][40 * MIB - 1] == 1);
        CHECK(resident_bytes() > 150 * MIB);
        /* Pages are moved from one to others of other sizes, and take that with them. */
        char *parts[24];
        for (int i = 0; i < 24; i++) {
            CHECK((parts[i] = (char *)malloc(5 * MIB)) != NULL);
            for (size_t at = 0; at < 5 * MIB; at += 4096) {
                parts[i][at] = 1;
                CHECK(at % (2 * MIB) || is_dumped(parts[i] + at));
            }
        }
        CHECK(round > 0 || read_stats().moved_bytes > 0);
        for (int i = 0; i < 24; i++) {
            free(parts[i]);
        }
        free(blocks[0]);
    }
}

int main(int argc, char **argv) {
    check_preload();
    if (argc > 1) {
        CHECK(strcmp(argv[1], "computing") == 0);
        computing();
    } else {
        idle();
    }
    return 0;
}
